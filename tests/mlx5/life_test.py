#!/usr/bin/python3
"""The life of a flow that origin 000 tells (doc/offload.md, states), on the real driver with classic rules and with
templates; each step is seen in what the driver gave the NIC."""

import time
import unittest

from gateway import MAC_A, MAC_B, PEER, Gateway, tunnel, wait_until
from machine import PCI, Machine, representor

YAML = f"""ports:
  - {{name: uplink, ethdev: "{PCI}", netdev: mlx0, kernel_path: bifurcated}}
  - {{name: tenant, ethdev: "{representor(0)}"}}
tunnels:
{tunnel()}"""
DEVARGS = {"classic": "dv_flow_en=1,representor=0", "templates": "dv_flow_en=2,representor=0"}
# What the driver says of a rule that the NIC has no room for. A completion of a queued one has no words of its own.
FULL = {"classic": "hardware refuses to create flow: Cannot allocate memory", "templates": "Input/output error"}


class Life(unittest.TestCase):
    def test_classic(self):
        self.life("classic")

    def test_templates(self):
        self.life("templates")

    def headers(self, machine, since):
        """(event, header) of the rules that write one."""
        return [(event.what, event.rule.header()) for event in machine.record().events(since)
                if event.rule and event.rule.header()]

    def add_flow(self, gateway, name, destination):
        gateway.ctl("flow", "add", name, "port", "tenant", "match", "ipv4_dst", destination, "tunnel", "vx100")
        gateway.wait()

    def life(self, steering):
        with Machine(vfs=1) as machine:
            gateway = Gateway(machine, YAML, DEVARGS[steering])
            # No valid neighbour: the flow is kept, its giver has success, the NIC has nothing.
            self.add_flow(gateway, "one", "10.7.0.2")
            self.assertEqual(gateway.flow("one")["state"], "pending")
            self.assertEqual([rule for rule in machine.record().rules() if rule.header()], [])
            self.becomes_valid(machine, gateway)
            self.mac_changes(machine, gateway)
            self.stays_while_stale(machine, gateway)
            self.becomes_invalid(machine, gateway)
            self.is_counted(machine, gateway)
            self.device_goes(machine, gateway)
            self.assertEqual(gateway.stop(), 0)
            self.assertEqual(machine.record().rules(), [])

    def becomes_valid(self, machine, gateway):
        mark = machine.record().mark()
        gateway.neighbour(MAC_A)
        self.assertEqual(gateway.flow("one")["state"], "offloaded", gateway.ctl("flow", "explain", "one"))
        self.assertEqual(self.headers(machine, mark), [("add", gateway.encap()["header"])])

    def mac_changes(self, machine, gateway):
        mark, old = machine.record().mark(), gateway.encap()["header"]
        gateway.neighbour(MAC_B)
        new = gateway.encap()["header"]
        self.assertNotEqual(new, old)
        self.assertEqual(self.headers(machine, mark), [("add", new), ("remove", old)])

    def stays_while_stale(self, machine, gateway):
        mark = machine.record().mark()
        gateway.neighbour(MAC_B, "stale")
        self.assertEqual(machine.record().events(mark), [])
        self.assertEqual(gateway.flow("one")["state"], "offloaded")

    def becomes_invalid(self, machine, gateway):
        mark, header = machine.record().mark(), gateway.encap()["header"]
        gateway.neighbour_gone()
        self.assertEqual(self.headers(machine, mark), [("remove", header)])
        self.assertEqual(gateway.flow("one")["state"], "pending")
        mark = machine.record().mark()
        gateway.neighbour(MAC_A)
        self.assertEqual(self.headers(machine, mark), [("add", gateway.encap()["header"])])

    def is_counted(self, machine, gateway):
        """Flows hold the encap: it says how many, and a tunnel in use stays."""
        self.add_flow(gateway, "two", "10.7.0.3")
        self.assertEqual(gateway.encap()["refs"], 2)
        with self.assertRaisesRegex(AssertionError, "two"):
            gateway.ctl("tunnel", "del", "vx100")
        gateway.ctl("flow", "del", "two")
        gateway.wait()
        self.assertEqual(gateway.encap()["refs"], 1)
        self.assertTrue(gateway.encap()["in_hardware"])

    def device_goes(self, machine, gateway):
        """The link of the uplink goes, and its neighbours with it: no rule writes their headers any more."""
        machine.ip("link del mlx0")
        gateway.wait()
        self.assertEqual(gateway.flow("one")["state"], "pending")
        self.assertEqual([rule for rule in machine.record().rules() if rule.header()], [])

    def test_removed_classic(self):
        self.removed("classic")

    def test_removed_templates(self):
        self.removed("templates")

    def removed(self, steering):
        """The driver says that the device is lost (RTE_ETH_EVENT_INTR_RMV) while the kernel's link stays: no packet and no
        rule any more, the reason is told, the ports are closed, culvert runs on."""
        with Machine(vfs=1) as machine:
            gateway = Gateway(machine, YAML, DEVARGS[steering])
            gateway.neighbour(MAC_A)
            self.add_flow(gateway, "one", "10.7.0.2")
            self.assertEqual(gateway.flow("one")["state"], "offloaded")
            machine.fail()
            wait_until("the ports are closed", lambda: all(f"port {name}: closed" in gateway.said()
                                                           for name in ("uplink", "tenant")))
            self.assertEqual([port["removed"] for port in gateway.show("ports")], [True, True])
            flow = gateway.flow("one")
            self.assertEqual((flow["state"], flow["reason"]), ("pending", "port removed: the device of mlx0 is gone"))
            self.assertEqual(gateway.show("stats")["rules"]["installed"], 0)
            gateway.ctl("verify")
            gateway.neighbour(MAC_B)
            self.add_flow(gateway, "two", "10.7.0.3")
            self.assertEqual(gateway.flow("two")["state"], "pending")
            self.assertEqual(gateway.stop(), 0)

    def test_full_classic(self):
        self.full("classic")

    def test_full_templates(self):
        self.full("templates")

    def full(self, steering):
        """Hardware that takes no rule for a while: the packet path carries, with the driver's words; then the NIC does."""
        with Machine(vfs=1) as machine:
            gateway = Gateway(machine, YAML, DEVARGS[steering])
            gateway.neighbour(MAC_A)
            machine.fill()
            self.add_flow(gateway, "one", "10.7.0.2")
            flow = gateway.flow("one")
            self.assertEqual(flow["state"], "software")
            self.assertIn(FULL[steering].split(":")[0], flow["reason"])
            explained = gateway.ctl("flow", "explain", "one")
            self.assertIn("the driver takes such a rule when it is asked", explained)
            with self.assertRaisesRegex(AssertionError, "the NIC refused its rule"):
                gateway.ctl("verify")
            self.assertTrue(any(event.what == "refused" for event in machine.record().events()))
            machine.fill(False)
            wait_until("the flow is in the NIC", lambda: gateway.flow("one")["state"] == "offloaded")
            gateway.ctl("verify")
            self.assertEqual([rule.header() for rule in machine.record().rules() if rule.header()], [gateway.encap()["header"]])
            self.assertEqual(gateway.stop(), 0)

    def test_a_shape_that_the_driver_refuses(self):
        """Two IPv6 addresses and ports are more than a template can look at: software, and why, down to the item."""
        with Machine(vfs=1) as machine:
            gateway = Gateway(machine, YAML, DEVARGS["templates"])
            gateway.neighbour(MAC_A)
            gateway.ctl(*"flow add six port tenant match ipv6_src 2001:db8::1/128 ipv6_dst 2001:db8::2/128".split(),
                        *"ip_proto udp l4_src 53 l4_dst 53 tunnel vx100".split())
            self.add_flow(gateway, "four", "10.7.0.2")
            flow, words = gateway.flow("six"), "Failed to create template table"
            self.assertEqual((flow["state"], flow["reason"]), ("software", f"{words} (Operation not supported)"))
            self.assertRegex(gateway.ctl("flow", "explain", "six"), f"not wanted .*ipv6 src is 2001:db8::1.*{words}")
            self.assertEqual(gateway.flow("four")["state"], "offloaded")
            self.assertEqual(gateway.stop(), 0)

    def test_connectx_5(self):
        """It writes no header onto what comes from the wire, so the tagged layout's slots, which are for any source, are
        refused when they are made and not before: `auto` is flat."""
        with Machine(vfs=1, capabilities="steering_format_version=0") as machine:
            gateway = Gateway(machine, YAML, DEVARGS["classic"])
            gateway.neighbour(MAC_A)
            self.add_flow(gateway, "one", "10.7.0.2")
            explained = gateway.ctl("flow", "explain", "one")
            self.assertEqual(gateway.flow("one")["state"], "offloaded", explained)
            self.assertIn("flat, classic", explained)
            self.assertIn("encap from the wire", "".join(machine.record().lines))
            self.assertEqual(gateway.stop(), 0)
            self.assertEqual(machine.record().rules(), [])

    def test_keepalive_classic(self):
        self.keepalive("classic")

    def test_keepalive_templates(self):
        self.keepalive("templates")

    def keepalive(self, steering):
        """A neighbour that only the NIC talks to is in use while its counter runs, and left alone while it does not."""
        with Machine(vfs=1) as machine:
            gateway = Gateway(machine, YAML, DEVARGS[steering])
            gateway.neighbour(MAC_A, "stale")
            self.add_flow(gateway, "one", "10.7.0.2")
            self.assertEqual(gateway.flow("one")["state"], "offloaded")
            time.sleep(2)
            self.assertIn("STALE", self.neighbour(machine))
            machine.count("* 1000 98000 100 9800")
            wait_until("the kernel's neighbour is in use", lambda: "STALE" not in self.neighbour(machine), 10)
            wait_until("what the NIC carried is shown", lambda: gateway.encap()["packets"] > 0, 10)
            encap, flow = gateway.encap(), gateway.flow("one")
            self.assertGreater(encap["bytes"], encap["packets"])
            self.assertGreater(flow["packets"], 0)
            self.assertEqual(gateway.stop(), 0)

    def neighbour(self, machine):
        return machine.ip(f"neighbour show {PEER} dev mlx0")


if __name__ == "__main__":
    unittest.main()
