"""What the tests of culvert on a ConnectX in switchdev mode have in common: the names of what its rules look at, and a test
case that starts it there and holds the record against what is asked for."""

import unittest

from gateway import MAC_A, MAC_B, Gateway
from machine import PCI, representor

# The uplink stands last on purpose: culvert starts it first.
PORTS = f"""ports:
  - {{name: t0, ethdev: "{representor(0)}"}}
  - {{name: t1, ethdev: "{representor(1)}"}}
  - {{name: uplink, ethdev: "{PCI}", netdev: mlx0, kernel_path: bifurcated}}
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


def of_wire(templates):
    """What comes in by the wire."""
    return [WIRE] if templates else [("source_port", (0xffff, 0xffff)), WIRE]


def mac(which, last):
    """02:00:00:00:00:LAST as "smac" or "dmac", or "inner.smac" or "inner.dmac" of the frame in a tunnel's packet."""
    return [whole(f"{which}_47_16", 0x02000000), whole(f"{which}_15_0", last, 16)]


def ipv4(templates):
    return ("l3_type", (1, 3)) if templates else ("ip_version", (4, 4))


def congested(templates):
    """What met congestion under way: the packet path's."""
    return [*of_wire(templates), ipv4(templates), ("ip_ecn", (3, 3))]


def slot(gateway, templates):
    return [whole(f"metadata_{slot_tag(templates)}", gateway.encap()["id"] + 1)]


def from_peer(templates):
    """VXLAN packets of the peer's tunnel, of network 100. Matchers of hardware steering look at what the packet's parser
    found, and have one place for ports."""
    ends = [whole(name + ("" if templates else f"_{name[:3]}_ipv6"), address)
            for name, address in (("src_ipv4", 0xc0000202), ("dst_ipv4", 0xc0000201))]
    return [*vxlan(templates), *ends, ("tunnel_header_1", (100 << 8, 0xffffff00))]


def vxlan(templates):
    if templates:
        return [ipv4(templates), ("l4_type", (2, 3)), whole("l4_dport", 4789, 16), *of_wire(templates)]
    return [ipv4(templates), whole("ip_protocol", 17, 8), whole("udp_dport", 4789, 16), *of_wire(templates)]


class SwitchTest(unittest.TestCase):
    def gateway(self, machine, yaml, steering, layout="auto", others=None):
        """culvert with all flows offloaded but `others`: {name: state}."""
        gateway = Gateway(machine, PORTS + yaml + f"offload: {{layout: {layout}}}\n", f"dv_flow_en={steering},representor=[0-1]")
        gateway.neighbour(MAC_A)
        for flow in gateway.show("flows"):
            wanted = (others or {}).get(flow["name"], "offloaded")
            self.assertEqual(flow["state"], wanted, gateway.ctl("flow", "explain", flow["name"]))
        return gateway

    def finish(self, machine, gateway):
        gateway.ctl("verify")
        self.assertEqual(gateway.stop(), 0, gateway.said()[-2000:])
        self.assertNotIn("could not be withdrawn", gateway.said())
        self.assertEqual(machine.record().rules(), [])

    def named(self, machine, matches):
        """{name: rule} of culvert's on the E-Switch by {name: match}: these stand and no others."""
        standing = fdb(machine)
        found = {frozenset(rule.match.items()): rule for rule in standing}
        self.assertEqual(len(found), len(standing), [str(rule) for rule in standing])
        rules = {name: found.pop(frozenset(match), None) for name, match in matches.items()}
        self.assertEqual({name for name, rule in rules.items() if rule is None}, set(), [str(rule) for rule in found.values()])
        self.assertEqual(list(found.values()), [], "rules that nobody asked for")
        return rules

    def check_encaps(self, gateway, rules, tagged, templates):
        """`rules`: those of what goes into the tunnel, and the slot."""
        for name, rule in rules.items():
            self.assertIsNotNone(rule.action("counter"), name)
            if tagged and name != "slot":
                self.assertEqual(rule.action("modify_header")["commands"], [f"set {slot_tag(templates)}=0x1"])
                self.assertEqual(rule.action("dest_table")["level"], rules["slot"].level)
                continue
            self.assertEqual(rule.header(), gateway.encap()["header"], name)
            if templates:
                self.assertIsNotNone(rule.action("dest_wire"))
            else:
                self.assertEqual(rule.action("dest_ib_port")["port"], "1")

    def check_new_mac(self, machine, gateway, headers, templates):
        """The neighbour has a new MAC: each of so many rules that have the header is made anew, before the old one goes."""
        mark = machine.record().mark()
        old = gateway.encap()["header"]
        gateway.neighbour(MAC_B)
        new = gateway.encap()["header"]
        self.assertEqual(new, old.replace(MAC_A.replace(":", ""), MAC_B.replace(":", "")))
        events = [(event.what, event.rule) for event in machine.record().events(mark)]
        self.assertEqual(sorted((what, rule.header()) for what, rule in events), sorted([("add", new), ("remove", old)] * headers))
        for place, (what, rule) in enumerate(events):
            if what == "remove":
                same = [other for what, other in events[:place] if what == "add" and other.match == rule.match]
                self.assertEqual(len(same), 1, f"no new rule before the end of {rule}")
                if not templates:  # there an event's priority is not known
                    self.assertLess(same[0].priority, rule.priority)
