#!/usr/bin/python3
"""A learning network on a ConnectX in switchdev mode, with stations at a tenant's port and behind the tunnel, and a flow that
waits for its neighbour ahead of one that does not: every rule in the record, in both layouts, with classic rules and with templates."""

import unittest

from gateway import tunnel
from machine import Machine
from switch import FROM_T0, FROM_T1, LEVEL, SwitchTest, congested, fdb, from_peer, ipv4, mac, network_tag, slot, vxlan, whole

YAML = f"""tunnels:
{tunnel()}  - {{name: vx200, type: vxlan, vni: 200, local: 192.0.2.1, remote: 192.0.2.3}}
networks:
  - name: blue
    type: l2
    ports: [t0]
    tunnels: [vx100]
    paths: [{{mac: "02:00:00:00:00:09", tunnel: vx100}}, {{mac: "02:00:00:00:00:08", port: t0}}]
flows:
  - {{name: waits, port: t1, match: {{ipv4_dst: 10.8.0.1}}, tunnel: vx200, priority: 10}}
  - {{name: all, port: t1, match: {{ipv4_dst: 10.8.0.0/15}}, tunnel: vx100}}
"""
WAITING = {"waits": "pending"}
PATH = "path:blue:02:00:00:00:00:09"


class Network(SwitchTest):
    def test_tagged_classic(self):
        self.life(1, tagged=True)

    def test_flat_classic(self):
        self.life(1, tagged=False)

    def test_tagged_templates(self):
        self.life(2, tagged=True)

    def test_flat_templates(self):
        self.life(2, tagged=False)

    def life(self, steering, tagged):
        """The path and the flow have the header, or the slot for both."""
        templates = steering == 2
        with Machine(vfs=2) as machine:
            gateway = self.gateway(machine, YAML, steering, "tagged" if tagged else "flat", WAITING)
            rules = self.named(machine, self.matches(gateway, templates, tagged))
            leads = ("path", "all", "slot") if tagged else ("path", "all")
            self.check_encaps(gateway, {name: rules[name] for name in leads}, tagged, templates)
            self.check_ways(rules, templates)
            self.check_decap(rules["decap"], templates)
            self.check_new_mac(machine, gateway, 1 if tagged else 2, templates)
            self.finish(machine, gateway)

    def matches(self, gateway, templates, tagged):
        dst = "dst_ipv4" if templates else "dst_ipv4_dst_ipv6"
        network = whole(f"metadata_{network_tag(templates)}", 1)
        return {
            "path": [network, *mac("dmac", 9)],
            "decap": [network, *vxlan(templates), *mac("inner.dmac", 8)],
            "known at the tenant": [FROM_T0, *mac("smac", 8)],
            "known behind the tunnel": [*from_peer(templates), *mac("inner.smac", 9)],
            "waits": [FROM_T1, ipv4(templates), whole(dst, 0x0a080001)],
            "all": [FROM_T1, ipv4(templates), (dst, (0x0a080000, 0xfffe0000))],
            "congested": congested(templates),
            **({"slot": slot(gateway, templates)} if tagged else {}),
        }

    def check_ways(self, rules, templates):
        """From known sources to the table of destinations; what waits is held for the packet path, ahead of what does not."""
        def way(name):
            return rules[name].action("dest_table")["level"]

        for source, destination in ("known at the tenant", "path"), ("known behind the tunnel", "decap"):
            self.assertEqual(rules[source].action("modify_header")["commands"], [f"set {network_tag(templates)}=0x1"])
            self.assertIsNotNone(rules[source].action("counter"))
            self.assertEqual(way(source), rules[destination].level)
        self.assertEqual(rules["waits"].kinds(), ["dest_table"])
        self.assertEqual(way("waits"), way("congested"))
        self.assertNotIn(way("waits"), {rule.level for rule in rules.values()}, "the table of misses has no rules")
        self.assertLess(rules["waits"].priority, rules["all"].priority)
        self.assertLess(rules["congested"].priority, rules["known behind the tunnel"].priority)
        if not templates:  # tables have names of the driver's there
            self.assertEqual([way(name) for name in ("known at the tenant", "known behind the tunnel", "waits")],
                             [group * LEVEL + 1 for group in (1, 2, 4)])

    def check_decap(self, rule, templates):
        """Out of the outer headers, counted, to the tenant."""
        self.assertIsNotNone(rule.action("counter"))
        if templates:
            self.assertIsNotNone(rule.action("remove_header"))
            self.assertEqual(rule.action("dest_vport")["vport"], "1")
        else:
            self.assertEqual(rule.action("reformat")["type"], "l2_tunnel_to_l2")
            self.assertEqual(rule.action("dest_ib_port")["port"], "2")

    def test_connectx_5(self):
        """It writes no header onto what comes from the wire, and a path is for any source: the packet path carries it, and
        says why. A flow of a port and what comes out of the tunnel are the NIC's."""
        with Machine(vfs=2, capabilities="steering_format_version=0") as machine:
            gateway = self.gateway(machine, YAML, 1, others={**WAITING, PATH: "software"})
            refused = "hardware refuses to create flow"
            self.assertRegex(gateway.ctl("flow", "explain", PATH), f"layout .*flat, classic rules\n(.*\n)*driver .*{refused}")
            with self.assertRaisesRegex(AssertionError, f"1 of what is wanted .*\nflow {PATH}: the NIC refused its rule: {refused}"):
                gateway.ctl("verify")
            headers = [rule for rule in fdb(machine) if rule.header()]
            self.assertEqual([rule.header() for rule in headers], [gateway.encap()["header"]])
            self.assertIn(FROM_T1, headers[0].match.items())
            self.assertEqual(gateway.stop(), 0)
            self.assertEqual(machine.record().rules(), [])


if __name__ == "__main__":
    unittest.main()
