#!/usr/bin/python3
"""culvert on a ConnectX in switchdev mode: the uplink and two VF representors, in both layouts, with classic rules and with
templates. The record is held against what the shell shows: reformat bytes, masks and values, what a new MAC costs."""

import itertools
import unittest

from gateway import tunnel
from machine import Machine
from switch import FROM_T0, FROM_T1, LEVEL, WIRE, SwitchTest, congested, from_peer, ipv4, network_tag, slot, whole

YAML = f"""tunnels:
{tunnel()}networks:
  - {{name: blue, type: l2, ports: [t0], tunnels: [vx100], learning: false}}
flows:
  - {{name: web, port: t1, match: {{ipv4_dst: 10.8.0.0/16, ip_proto: tcp, l4_dst: 80}}, tunnel: vx100, priority: 10}}
  - {{name: all, port: t1, match: {{ipv4_dst: 10.8.0.0/15}}, tunnel: vx100}}
"""


class SwitchPort(SwitchTest):
    def test_tagged_classic(self):
        self.life(1, "auto", tagged=True, said="tagged, classic")

    def test_flat_classic(self):
        self.life(1, "flat", tagged=False, said="flat, classic")

    def test_flat_templates(self):
        """What a miss does is not known here, so `auto` is flat."""
        self.life(2, "auto", tagged=False, said="flat, asynchronous")

    def test_tagged_templates(self):
        self.life(2, "tagged", tagged=True, said="tagged, asynchronous")

    def life(self, steering, layout, tagged, said):
        """Each of the two flows has the header, or the slot for both."""
        templates = steering == 2
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, YAML, steering, layout)
            explained = gateway.ctl("flow", "explain", "web")
            self.assertIn(said, next(line for line in explained.splitlines() if line.startswith("layout")))
            rules = self.named(machine, self.matches(gateway, templates, tagged))
            self.check_order(rules, templates)
            leads = ("web", "all", "slot") if tagged else ("web", "all")
            self.check_encaps(gateway, {name: rules[name] for name in leads}, tagged, templates)
            for name in ("tunnel gate", "tenant gate"):
                self.assertEqual(rules[name].action("modify_header")["commands"], [f"set {network_tag(templates)}=0x1"])
            self.check_new_mac(machine, gateway, 1 if tagged else 2, templates)
            self.finish(machine, gateway)

    def matches(self, gateway, templates, tagged):
        tcp = ("l4_type", (1, 3)) if templates else whole("ip_protocol", 6, 8)
        dst, dport = ("dst_ipv4", "l4_dport") if templates else ("dst_ipv4_dst_ipv6", "tcp_dport")
        return {
            "web": [FROM_T1, ipv4(templates), tcp, whole(dport, 80, 16), (dst, (0x0a080000, 0xffff0000))],
            "all": [FROM_T1, ipv4(templates), (dst, (0x0a080000, 0xfffe0000))],
            "tunnel gate": from_peer(templates),
            "tenant gate": [FROM_T0],
            "congested": congested(templates),
            **({"slot": slot(gateway, templates)} if tagged else {}),
        }

    def check_order(self, rules, templates):
        """Tables, and who is looked at first in the one where packets come in."""
        wires, tenants = ("congested", "tunnel gate"), ("web", "all", "tenant gate")
        entry, = {rules[name].level for name in (*wires, *tenants)}
        for names in wires, tenants:
            for first, second in itertools.pairwise(names):
                self.assertLess(rules[first].priority, rules[second].priority, f"{first}, {second}")
        lead = {name: rule.action("dest_table")["level"] for name, rule in rules.items() if rule.action("dest_table")}
        if templates:  # tables have names of the driver's there
            self.assertEqual(len({lead["congested"], lead["tunnel gate"], lead["tenant gate"], entry}), 4)
        else:
            self.assertEqual(entry, 1)
            self.assertEqual((lead["tunnel gate"], lead["tenant gate"]), (2 * LEVEL + 1, LEVEL + 1))
            if "slot" in rules:
                self.assertEqual(rules["slot"].level, 3 * LEVEL + 1)

    def test_misses_of_the_tunnel_reach_the_workers(self):
        """The uplink is isolated: of what comes in only the tunnel's packets are culvert's, all else is the kernel's."""
        for steering in 1, 2:
            with self.subTest(steering=steering), Machine(vfs=2) as machine:
                gateway = self.gateway(machine, YAML, steering)
                rule, = [rule for rule in machine.record().rules() if rule.where == "nic_rx" and WIRE in rule.match.items()]
                self.assertEqual(rule.level, 0)
                self.assertEqual(rule.kinds(), ["dest_tir"] if steering == 1 else ["dest"])  # a TIR of the driver's, by its number
                self.assertEqual(rule.match["vxlan_vni"], (100, 0xffffff))
                self.finish(machine, gateway)


if __name__ == "__main__":
    unittest.main()
