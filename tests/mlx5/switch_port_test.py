#!/usr/bin/python3
"""culvert on a ConnectX in switchdev mode: the uplink and two VF representors, in both layouts, with classic rules and with
templates. The record is held against what the shell shows: reformat bytes, masks and values, what a new MAC costs."""

import unittest

from gateway import MAC_A, MAC_B, Gateway, tunnel
from machine import PCI, Machine, representor

# The uplink stands last on purpose: culvert starts it first.
YAML = f"""ports:
  - {{name: t0, ethdev: "{representor(0)}"}}
  - {{name: t1, ethdev: "{representor(1)}"}}
  - {{name: uplink, ethdev: "{PCI}", netdev: mlx0, kernel_path: bifurcated}}
tunnels:
{tunnel()}networks:
  - {{name: blue, type: l2, ports: [t0], tunnels: [vx100], learning: false}}
flows:
  - {{name: web, port: t1, match: {{ipv4_dst: 10.8.0.0/16, ip_proto: tcp, l4_dst: 80}}, tunnel: vx100, priority: 10}}
  - {{name: all, port: t1, match: {{ipv4_dst: 10.8.0.0/15}}, tunnel: vx100}}
"""
WIRE, FROM_T0, FROM_T1 = [("metadata_reg_c_0", (port << 16, 0xffff0000)) for port in (1, 2, 3)]
SLOT_TAG, NETWORK_TAG = "reg_c_3", "reg_c_2"
LEVEL = 10  # of a group; group 0 is level 1


def whole(name, value, bits=32):
    return name, (value, (1 << bits) - 1)


def fdb(machine):
    """culvert's rules on the E-Switch that stand: the driver's own have no level of ours."""
    return [rule for rule in machine.record().rules() if rule.where == "fdb" and rule.level != 0 and not drivers(rule)]


def drivers(rule):
    """The driver's own way from its send queues to a port."""
    return "source_sqn" in rule.match or (rule.words and rule.action("dest_table") is None and rule.header() is None
                                          and rule.action("counter") is None)


class SwitchPort(unittest.TestCase):
    def gateway(self, machine, steering, layout="auto"):
        gateway = Gateway(machine, YAML + f"offload: {{layout: {layout}}}\n", f"dv_flow_en={steering},representor=[0-1]")
        gateway.neighbour(MAC_A)
        for flow in gateway.show("flows"):
            self.assertEqual(flow["state"], "offloaded", gateway.ctl("flow", "explain", flow["name"]))
        return gateway

    def layout_of(self, gateway):
        return next(line for line in gateway.ctl("flow", "explain", "web").splitlines() if line.startswith("layout"))

    def finish(self, machine, gateway):
        gateway.ctl("verify")
        self.assertEqual(gateway.stop(), 0, gateway.said()[-2000:])
        self.assertNotIn("could not be withdrawn", gateway.said())
        self.assertEqual(machine.record().rules(), [])

    def change_mac(self, machine, gateway):
        """What came and went with a new MAC: (event, header)."""
        mark = machine.record().mark()
        old = gateway.encap()["header"]
        gateway.neighbour(MAC_B)
        new = gateway.encap()["header"]
        self.assertEqual(new, old.replace(MAC_A.replace(":", ""), MAC_B.replace(":", "")))
        events = [(event.what, event.rule) for event in machine.record().events(mark)]
        return old, new, events

    def test_tagged_classic(self):
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 1)
            self.assertIn("tagged, classic", self.layout_of(gateway))
            self.check_classic(machine, gateway, tagged=True)
            old, new, events = self.change_mac(machine, gateway)
            self.assertEqual([(what, rule.header()) for what, rule in events], [("add", new), ("remove", old)])
            self.assertEqual(events[0][1].match, events[1][1].match)
            self.assertLess(events[0][1].priority, events[1][1].priority)
            self.finish(machine, gateway)

    def test_flat_classic(self):
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 1, "flat")
            self.assertIn("flat, classic", self.layout_of(gateway))
            self.check_classic(machine, gateway, tagged=False)
            self.check_flat_change(machine, gateway)
            self.finish(machine, gateway)

    def test_flat_templates(self):
        """What a miss does is not known here, so `auto` is flat."""
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 2)
            self.assertIn("flat, asynchronous", self.layout_of(gateway))
            headers = [rule.header() for rule in fdb(machine) if rule.header()]
            self.assertEqual(headers, [gateway.encap()["header"]] * 2)
            self.check_words(machine, gateway, tagged=False)
            self.check_flat_change(machine, gateway)
            self.finish(machine, gateway)

    def test_tagged_templates(self):
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 2, "tagged")
            self.assertIn("tagged, asynchronous", self.layout_of(gateway))
            slot, = [rule for rule in fdb(machine) if rule.header()]
            self.assertEqual(slot.header(), gateway.encap()["header"])
            self.check_words(machine, gateway, tagged=True)
            old, new, events = self.change_mac(machine, gateway)
            self.assertEqual([(what, rule.header()) for what, rule in events], [("add", new), ("remove", old)])
            self.finish(machine, gateway)

    def check_flat_change(self, machine, gateway):
        """Each of the two flows has the header: each one's new rule comes before its old one goes."""
        old, new, events = self.change_mac(machine, gateway)
        self.assertEqual(sorted((what, rule.header()) for what, rule in events), sorted([("add", new), ("remove", old)] * 2))
        for place, (what, rule) in enumerate(events):
            if what == "remove":
                same = [other for what, other in events[:place] if what == "add" and
                        (other.match, other.words) == (rule.match, rule.words)]
                self.assertEqual(len(same), 1, f"no new rule before the end of {rule}")

    def check_classic(self, machine, gateway, tagged):
        """Every rule of culvert's on the E-Switch, field by field."""
        header = gateway.encap()["header"]
        found = {}
        for rule in fdb(machine):
            found[rule.level, frozenset(rule.match.items())] = rule
        ipv4 = "ip_version", (4, 4)
        tcp, udp = whole("ip_protocol", 6, 8), whole("ip_protocol", 17, 8)
        underlay = [ipv4, udp, whole("udp_dport", 4789, 16), whole("src_ipv4_src_ipv6", 0xc0000202),
                    whole("dst_ipv4_dst_ipv6", 0xc0000201), ("tunnel_header_1", (100 << 8, 0xffffff00))]
        source = [("source_port", (0xffff, 0xffff)), WIRE]
        expected = {
            "web": (1, [FROM_T1, ipv4, tcp, whole("tcp_dport", 80, 16), ("dst_ipv4_dst_ipv6", (0x0a080000, 0xffff0000))]),
            "all": (1, [FROM_T1, ipv4, ("dst_ipv4_dst_ipv6", (0x0a080000, 0xfffe0000))]),
            "tunnel gate": (1, [*underlay, *source]),
            "tenant gate": (1, [FROM_T0]),
            "congested": (1, [*source, ipv4, ("ip_ecn", (3, 3))]),
        }
        if tagged:
            expected["slot"] = (3 * LEVEL + 1, [whole(f"metadata_{SLOT_TAG}", gateway.encap()["id"] + 1)])
        rules = {name: found.pop((level, frozenset(match)), None) for name, (level, match) in expected.items()}
        self.assertEqual({name for name, rule in rules.items() if rule is None}, set(), [str(rule) for rule in found.values()])
        self.assertEqual(list(found.values()), [], "rules that nobody asked for")
        self.check_classic_actions(rules, header, tagged)

    def check_classic_actions(self, rules, header, tagged):
        for name in ("web", "all"):
            self.assertIsNotNone(rules[name].action("counter"), name)
            if tagged:
                self.assertEqual(rules[name].action("modify_header")["commands"], [f"set {SLOT_TAG}=0x1"])
                self.assertEqual(rules[name].action("dest_table")["level"], 3 * LEVEL + 1)
            else:
                self.assertEqual((rules[name].header(), rules[name].action("dest_ib_port")["port"]), (header, "1"))
        if tagged:
            self.assertEqual((rules["slot"].header(), rules["slot"].action("dest_ib_port")["port"]), (header, "1"))
            self.assertIsNotNone(rules["slot"].action("counter"))
        for name, group in (("tunnel gate", 2), ("tenant gate", 1)):
            self.assertEqual(rules[name].action("modify_header")["commands"], [f"set {NETWORK_TAG}=0x1"])
            self.assertEqual(rules[name].action("dest_table")["level"], group * LEVEL + 1)
        self.assertLess(rules["congested"].priority, rules["tunnel gate"].priority)
        self.assertLess(rules["web"].priority, rules["all"].priority)

    def check_words(self, machine, gateway, tagged):
        """The same by hardware steering, whose record has what is matched in the driver's order: jumps lead to the tables
        of the rules that they are for, tags are those that are looked at there."""
        rules = fdb(machine)
        web, = [rule for rule in rules if {80, 0x0a080000} <= set(rule.words)]
        gates = [rule for rule in rules if rule.action("set") and rule.action("counter") is None]
        self.assertEqual([gate.action("set")["value"] for gate in gates], ["0x1"] * 2)
        self.assertEqual(len({gate.action("dest_table")["table"] for gate in gates}), 2)
        if tagged:
            slot, = [rule for rule in rules if rule.header()]
            self.assertEqual((web.action("dest_table")["table"], web.action("set")["value"]), (slot.level, "0x1"))
            self.assertIsNotNone(slot.action("dest_wire"))
            self.assertIn(1, slot.words)
        else:
            self.assertEqual(web.header(), gateway.encap()["header"])
            self.assertIsNotNone(web.action("dest_wire"))

    def test_misses_of_the_tunnel_reach_the_workers(self):
        """The uplink is isolated: of what comes in only the tunnel's packets are culvert's, all else is the kernel's."""
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 1)
            of_wire = [rule for rule in machine.record().rules() if rule.where == "nic_rx" and WIRE in rule.match.items()]
            rule, = of_wire
            self.assertEqual(rule.level, 0)
            self.assertEqual(rule.kinds(), ["dest_tir"])
            self.assertEqual(rule.match["vxlan_vni"], (100, 0xffffff))
            self.finish(machine, gateway)


if __name__ == "__main__":
    unittest.main()
