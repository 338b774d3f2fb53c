#!/usr/bin/python3
"""culvert on a plain ConnectX port: egress rules by mark, ingress rules per terminated tunnel, the port isolated; with
classic rules and with templates. What the driver gave the NIC stands in the record."""

import unittest

from gateway import MAC_A, MAC_B, Gateway, tunnel, wait_until
from machine import PCI, Machine

YAML = f"""ports:
  - {{name: uplink, ethdev: "{PCI}", netdev: mlx0, kernel_path: bifurcated}}
  - {{name: tenant, ethdev: net_null0}}
tunnels:
{tunnel()}networks:
  - {{name: blue, type: l2, ports: [tenant], tunnels: [vx100]}}
flows:
  - {{name: all, port: tenant, match: {{ipv4_dst: 10.7.0.2}}, tunnel: vx100}}
"""
MARK_BIT = 0x80000000


def mark_of(rule):
    """The mark that an egress rule looks at."""
    return rule.match.get("metadata_reg_a", (None,))[0]


class PlainPort(unittest.TestCase):
    def test_classic(self):
        self.life("dv_flow_en=1")

    def test_templates(self):
        self.life("dv_flow_en=2")

    def life(self, devargs):
        with Machine() as machine:
            gateway = Gateway(machine, YAML, devargs, ["--vdev", "net_null0,no-rx=1"])
            gateway.neighbour(MAC_A)
            self.assertEqual(gateway.flow("all")["state"], "offloaded", gateway.ctl("flow", "explain", "all"))
            self.check_ingress(machine)
            self.check_egress(machine, gateway, standing={MARK_BIT | 1})
            self.check_mac_change(machine, gateway)
            self.check_gone_and_back(machine, gateway)
            gateway.ctl("verify")
            self.assertEqual(gateway.stop(), 0)
            self.assertEqual(machine.record().rules(), [])

    def check_ingress(self, machine):
        """Isolated: but for what leads a terminated tunnel's packets to the workers, all is the kernel's."""
        ingress = [rule for rule in machine.record().rules() if rule.where == "nic_rx" and rule.level == 0]
        self.assertEqual(len(ingress), 2, ingress)
        for rule in ingress:
            self.assertEqual(rule.match["vxlan_vni"], (100, 0xffffff))
            self.assertEqual(rule.match["udp_dport"], (4789, 0xffff))
            self.assertEqual(rule.match["src_ipv4_src_ipv6"], (0xc0000202, 0xffffffff))
            self.assertEqual(rule.match["dst_ipv4_dst_ipv6"], (0xc0000201, 0xffffffff))
        congested, others = sorted(ingress, key=lambda rule: rule.priority)
        self.assertEqual(congested.match["ip_ecn"], (3, 3))
        self.assertEqual(len(congested.actions), 1, "what met congestion keeps its outer headers")
        self.assertNotIn("ip_ecn", others.match)
        self.assertTrue(any("l2_tunnel_to_l2" in (action["kind"], action.get("type")) for action in others.actions), others)

    def check_egress(self, machine, gateway, standing):
        """The way to the slots, the slots, and behind them what keeps a marked frame without a slot off the underlay."""
        egress = [rule for rule in machine.record().rules() if rule.where == "nic_tx"]
        slots = [rule for rule in egress if rule.header()]
        self.assertEqual({mark_of(rule) for rule in slots}, standing)
        for slot in slots:
            self.assertEqual(slot.match, {"metadata_reg_a": (mark_of(slot), 0xffffffff)})
            self.assertEqual(slot.header(), gateway.encap()["header"])
            self.assertIsNotNone(slot.action("counter"))
        drop, = [rule for rule in egress if rule.kinds() == ["drop"]]
        self.assertEqual(mark_of(drop), MARK_BIT)
        root, = [rule for rule in egress if rule.level == 0]
        self.assertEqual(root.match, {})
        self.assertEqual(drop.match, {"metadata_reg_a": (MARK_BIT, MARK_BIT)})
        self.assertTrue(all(slot.level == drop.level and slot.priority < drop.priority for slot in slots))

    def check_mac_change(self, machine, gateway):
        """Workers write the new header themselves until the new slot's rule is in. The old one goes once no frame with its
        mark is on its way, before or after that: whatever is marked finds its rule, which the record of one cannot show."""
        old = gateway.encap()["header"]
        mark = machine.record().mark()
        gateway.neighbour(MAC_B)
        gateway.wait()
        new = gateway.encap()["header"]
        self.assertEqual(new, old.replace(MAC_A.replace(":", ""), MAC_B.replace(":", "")))
        self.gone(machine, mark, old)
        events = [(event.what, event.rule.header()) for event in machine.record().events(mark)]
        self.assertEqual(sorted(events), [("add", new), ("remove", old)])
        self.check_egress(machine, gateway, standing={MARK_BIT | 2})

    def check_gone_and_back(self, machine, gateway):
        old = gateway.encap()["header"]
        mark = machine.record().mark()
        gateway.neighbour_gone()
        self.gone(machine, mark, old)
        self.assertEqual([event.what for event in machine.record().events(mark)], ["remove"])
        self.assertEqual(gateway.flow("all")["state"], "pending")
        mark = machine.record().mark()
        gateway.neighbour(MAC_A)
        event, = machine.record().events(mark)
        self.assertEqual((event.what, event.rule.header()), ("add", gateway.encap()["header"]))
        self.assertEqual(gateway.flow("all")["state"], "offloaded")

    def gone(self, machine, mark, header):
        wait_until("the old rule has left the NIC", lambda: any(
            event.what == "remove" and event.rule.header() == header for event in machine.record().events(mark)))


if __name__ == "__main__":
    unittest.main()
