#!/usr/bin/python3
"""culvert on a ConnectX in switchdev mode: the uplink and two VF representors, in both layouts, with classic rules and with
templates. The record is held against what the shell shows: reformat bytes, masks and values, what a new MAC costs."""

import itertools
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
LEVEL = 10  # of a group; group 0 is level 1


def slot_tag(templates):
    """Which register of the NIC the driver takes for it."""
    return "reg_c_2" if templates else "reg_c_3"


def network_tag(templates):
    return "reg_c_1" if templates else "reg_c_2"


def whole(name, value, bits=32):
    return name, (value, (1 << bits) - 1)


def fdb(machine):
    """culvert's rules on the E-Switch that stand: the driver's own have no level of ours."""
    return [rule for rule in machine.record().rules() if rule.where == "fdb" and rule.level != 0 and not drivers(rule)]


def drivers(rule):
    """The driver's own way from its send queues to a port."""
    return "source_sqn" in rule.match


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
            self.check_rules(machine, gateway, templates=False, tagged=True)
            old, new, events = self.change_mac(machine, gateway)
            self.assertEqual([(what, rule.header()) for what, rule in events], [("add", new), ("remove", old)])
            self.assertEqual(events[0][1].match, events[1][1].match)
            self.assertLess(events[0][1].priority, events[1][1].priority)
            self.finish(machine, gateway)

    def test_flat_classic(self):
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 1, "flat")
            self.assertIn("flat, classic", self.layout_of(gateway))
            self.check_rules(machine, gateway, templates=False, tagged=False)
            self.check_flat_change(machine, gateway)
            self.finish(machine, gateway)

    def test_flat_templates(self):
        """What a miss does is not known here, so `auto` is flat."""
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 2)
            self.assertIn("flat, asynchronous", self.layout_of(gateway))
            self.check_rules(machine, gateway, templates=True, tagged=False)
            self.check_flat_change(machine, gateway)
            self.finish(machine, gateway)

    def test_tagged_templates(self):
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, 2, "tagged")
            self.assertIn("tagged, asynchronous", self.layout_of(gateway))
            self.check_rules(machine, gateway, templates=True, tagged=True)
            old, new, events = self.change_mac(machine, gateway)
            self.assertEqual([(what, rule.header()) for what, rule in events], [("add", new), ("remove", old)])
            self.assertEqual(events[0][1].match, events[1][1].match)
            self.finish(machine, gateway)

    def check_flat_change(self, machine, gateway):
        """Each of the two flows has the header: each one's new rule comes before its old one goes."""
        old, new, events = self.change_mac(machine, gateway)
        self.assertEqual(sorted((what, rule.header()) for what, rule in events), sorted([("add", new), ("remove", old)] * 2))
        for place, (what, rule) in enumerate(events):
            if what == "remove":
                same = [other for what, other in events[:place] if what == "add" and other.match == rule.match]
                self.assertEqual(len(same), 1, f"no new rule before the end of {rule}")

    def check_rules(self, machine, gateway, templates, tagged):
        """Every rule of culvert's on the E-Switch, field by field."""
        standing = fdb(machine)
        found = {frozenset(rule.match.items()): rule for rule in standing}
        self.assertEqual(len(found), len(standing), [str(rule) for rule in standing])
        rules = {name: found.pop(frozenset(match), None) for name, match in self.matches(gateway, templates, tagged).items()}
        self.assertEqual({name for name, rule in rules.items() if rule is None}, set(), [str(rule) for rule in found.values()])
        self.assertEqual(list(found.values()), [], "rules that nobody asked for")
        self.check_order(rules, templates)
        self.check_actions(rules, gateway.encap()["header"], templates, tagged)

    def matches(self, gateway, templates, tagged):
        """Matchers of hardware steering look at what the packet's parser found, and have one place for ports."""
        tag = f"metadata_{slot_tag(templates)}"
        if templates:
            ipv4, tcp, udp = ("l3_type", (1, 3)), ("l4_type", (1, 3)), ("l4_type", (2, 3))
            src, dst, tcp_dport, udp_dport, source = "src_ipv4", "dst_ipv4", "l4_dport", "l4_dport", [WIRE]
        else:
            ipv4, tcp, udp = ("ip_version", (4, 4)), whole("ip_protocol", 6, 8), whole("ip_protocol", 17, 8)
            src, dst, tcp_dport, udp_dport = "src_ipv4_src_ipv6", "dst_ipv4_dst_ipv6", "tcp_dport", "udp_dport"
            source = [("source_port", (0xffff, 0xffff)), WIRE]
        return {
            "web": [FROM_T1, ipv4, tcp, whole(tcp_dport, 80, 16), (dst, (0x0a080000, 0xffff0000))],
            "all": [FROM_T1, ipv4, (dst, (0x0a080000, 0xfffe0000))],
            "tunnel gate": [ipv4, udp, whole(udp_dport, 4789, 16), whole(src, 0xc0000202), whole(dst, 0xc0000201),
                            ("tunnel_header_1", (100 << 8, 0xffffff00)), *source],
            "tenant gate": [FROM_T0],
            "congested": [*source, ipv4, ("ip_ecn", (3, 3))],
            **({"slot": [whole(tag, gateway.encap()["id"] + 1)]} if tagged else {}),
        }

    def check_order(self, rules, templates):
        """Tables, and who is looked at first in the one where packets come in."""
        of_wire, of_tenants = ("congested", "tunnel gate"), ("web", "all", "tenant gate")
        entry, = {rules[name].level for name in (*of_wire, *of_tenants)}
        for names in of_wire, of_tenants:
            for first, second in itertools.pairwise(names):
                self.assertLess(rules[first].priority, rules[second].priority, f"{first}, {second}")
        lead = {name: rule.action("dest_table")["level"] for name, rule in rules.items() if rule.action("dest_table")}
        if templates:  # tables have names of the driver's there
            self.assertEqual(len({lead["congested"], lead["tunnel gate"], lead["tenant gate"], entry}), 4)
        else:
            self.assertEqual(entry, 1)
            self.assertEqual((lead["tunnel gate"], lead["tenant gate"]), (2 * LEVEL + 1, LEVEL + 1))
        if "slot" in rules:
            self.assertEqual((lead["web"], lead["all"]), (rules["slot"].level,) * 2)
            if not templates:
                self.assertEqual(rules["slot"].level, 3 * LEVEL + 1)

    def check_actions(self, rules, header, templates, tagged):
        def commands(name):
            return rules[name].action("modify_header")["commands"]

        for name in ("web", "all"):
            self.assertIsNotNone(rules[name].action("counter"), name)
            if tagged:
                self.assertEqual(commands(name), [f"set {slot_tag(templates)}=0x1"])
        for name in ("slot",) if tagged else ("web", "all"):
            self.assertEqual(rules[name].header(), header)
            self.assertIsNotNone(rules[name].action("counter"))
            if templates:
                self.assertIsNotNone(rules[name].action("dest_wire"))
            else:
                self.assertEqual(rules[name].action("dest_ib_port")["port"], "1")
        for name in ("tunnel gate", "tenant gate"):
            self.assertEqual(commands(name), [f"set {network_tag(templates)}=0x1"])

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
