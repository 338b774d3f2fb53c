#!/usr/bin/python3
"""The model against the driver: the same rules, some hundreds, go to the embedded switch with profile=mlx5 and to the real
net_mlx5, and both take it or refuse it in the same words.
usage: model_test.py LIBRTE_NET_ESWITCH.SO [--all]: prints every rule and answer."""

import itertools
import os
import re
import sys
import unittest

import testpmd
from machine import Machine

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../eswitch"))
from mlx5_test import converse as converse_with_model, shifted  # noqa: E402
from plugins import private_plugin  # noqa: E402

OUTER = "eth dst is 02:00:00:00:99:01 / ipv4 src is 192.0.2.1 dst is 192.0.2.2 ttl is 64"
PREPARATIONS = [
    f"set raw_encap 0 {OUTER} / udp src is 49152 dst is 4789 / vxlan vni is 100 / end_set",
    f"set raw_encap 1 {OUTER} proto is 47 / gre protocol is 0x0800 / end_set",
    "set raw_decap 2 eth / end_set",
    "set vxlan ip-version ipv4 vni 100 udp-src 49152 udp-dst 4789 ip-src 192.0.2.1 ip-dst 192.0.2.2 "
    "eth-src 02:00:00:00:03:00 eth-dst 02:00:00:00:99:01",
]
INNER = ["eth", "eth dst is 02:00:00:00:55:01", "eth src is 02:00:00:00:55:02", "eth / vlan vid is 100",
         "eth / ipv4 dst spec 10.8.0.0 dst prefix 16", "eth / ipv4 dst is 10.7.0.1 / tcp dst is 80",
         "eth / ipv4 / udp src is 53", "eth / ipv6 dst is 2001:db8:7::1", "eth / vlan / ipv4 src is 10.7.0.1"]
TUNNEL = "eth / ipv4 src is 192.0.2.2 dst is 192.0.2.1 / udp dst is 4789 / vxlan vni is 100"
COUNTED = ["{}", "count / {}"]
TAGGED = "set_tag index 0 data 7 mask 0xffffffff / jump group 2"

FROM, TO = "represented_port ethdev_port_id is", "represented_port ethdev_port_id"

EGRESS = {
    "patterns": [*INNER, "tag index is 0 data is 7", "meta data is 9", "meta data spec 8 data mask 8", TUNNEL],
    "actions": ["raw_encap index 0", "raw_decap index 2 / raw_encap index 1", "vxlan_encap", "drop", "jump group 3", TAGGED,
                "set_meta data 9 mask 0xffffffff / jump group 2", "mark id 1", "queue index 0", "vxlan_decap",
                "raw_encap index 0 / raw_encap index 0", "dec_ttl / raw_encap index 0", "raw_encap index 0 / dec_ttl",
                "age timeout 5 / raw_encap index 0", "raw_encap index 0 / jump group 3", "raw_decap index 2", "of_pop_vlan",
                "modify_field op set dst_type tag dst_level 0 src_type value src_value 07000000 width 32 / jump group 2",
                f"raw_encap index 0 / {TAGGED}", "jump group 0"],
}
INGRESS = {
    "patterns": [*INNER[:6], TUNNEL, f"{TUNNEL} / eth dst is 02:00:00:00:55:01", "eth / ipv4 / udp dst is 4789 / vxlan",
                 "tag index is 0 data is 7"],
    "actions": ["queue index 0", "rss queues 0 1 end", "drop", "mark id 1 / queue index 0",
                "mark id 1 / vxlan_decap / queue index 0", "vxlan_decap / queue index 0", "jump group 3", TAGGED,
                "raw_encap index 0 / queue index 0", "represented_port ethdev_port_id 0",
                "queue index 7", "queue index 0 / queue index 1", "drop / vxlan_decap", "vxlan_decap / drop", "jump group 0",
                "queue index 0 / vxlan_decap", "vxlan_decap / jump group 2", "dec_ttl / queue index 0",
                "queue index 0 / jump group 0", "jump group 0 / queue index 0"],
}
TRANSFER = {
    "patterns": [*[f"{FROM} 1 / {pattern}" for pattern in INNER], f"{FROM} 0 / {TUNNEL}", f"{FROM} 0 / eth / ipv4",
                 f"{FROM} 0 / {TUNNEL} / eth src is 02:00:00:00:55:01", "tag index is 0 data is 7",
                 "represented_port / tag index is 0 data is 7",
                 "represented_port / tag index is 0 data is 7 / eth dst is 02:00:00:00:55:01"],
    "actions": [f"raw_encap index 0 / {TO} 0", f"vxlan_encap / {TO} 0", f"{TO} 0", f"{TO} 2", "port_id id 1", "drop",
                "jump group 3", TAGGED, f"vxlan_decap / {TO} 1", "queue index 0", "port_representor port_id 1",
                "mark id 1 / drop", f"{TO} 0 / raw_encap index 0", "raw_encap index 0", "rss queues 0 1 end", f"{TO} 0 / drop",
                "set_meta data 9 mask 0xffffffff / jump group 2", "jump group 1",
                "vxlan_decap / set_tag index 1 data 1 mask 0xffffffff / jump group 3", f"dec_ttl / {TO} 0",
                f"age timeout 5 / raw_encap index 0 / {TO} 0", f"mark id 1 / {TO} 0", f"jump group 0 / {TO} 0"],
}
PLACES = [0, 1]  # groups


def rules(direction, shapes):
    """Every action with every pattern, counted or not, in one group or the other: a third of all, chosen so that each pair is
    among them."""
    for places in itertools.product(*map(enumerate, (PLACES, shapes["patterns"], shapes["actions"], COUNTED))):
        numbers, (group, pattern, action, counted) = zip(*places)
        if sum(numbers) % 3 == 0:
            yield f"flow create 0 {direction} group {group} pattern {pattern} / end actions {counted.format(action)} / end"


PORT = "represented_port ethdev_port_id mask 0xffff / eth"
WHOLE, HALF = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff::"
TRANSFER_TEMPLATES = {
    "items": [f"{PORT} / ipv4 dst mask 255.255.255.255", "tag data mask 0xffffffff index is 1",
              f"{PORT} dst mask ff:ff:ff:ff:ff:ff",
              f"{PORT} / ipv6 src mask {WHOLE} dst mask {WHOLE}", f"{PORT} / ipv6 dst mask {WHOLE} / udp dst mask 0xffff",
              f"{PORT} / ipv6 src mask {WHOLE} dst mask {HALF}",
              f"{PORT} / ipv6 src mask {WHOLE} dst mask {HALF} / udp src mask 0xffff dst mask 0xffff"],
    "actions": [f"count / raw_encap index 0 / {TO} 0", f"raw_encap index 0 / count / {TO} 0", f"vxlan_decap / count / {TO} 1",
                f"count / vxlan_decap / {TO} 1", "jump group 2", "drop", TAGGED, "count / drop", "port_representor port_id 1",
                f"{TO} 0 / raw_encap index 0", "mark id 1 / drop", "queue index 0", "rss queues 0 1 end", "drop / count",
                "MODIFY / jump group 2", "count / MODIFY / jump group 2", "MODIFY / count / jump group 2",
                "BAD_OPERATION / jump group 2", "BAD_LEVEL / jump group 2", "BAD_WIDTH / jump group 2"],
}
UDP_TUNNEL = "ipv4 src mask 255.255.255.255 dst mask 255.255.255.255 / udp dst mask 0xffff / vxlan vni mask 0xffffff"
EGRESS_TEMPLATES = {
    "items": ["meta data mask 0xffffffff", "meta data mask 0x80000000", "eth", "eth dst mask ff:ff:ff:ff:ff:ff",
              "eth / ipv4 dst mask 255.255.255.255", "eth / ipv4 tos mask 0x03", f"eth / {UDP_TUNNEL}"],
    "actions": ["count / raw_encap index 0", "raw_encap index 0 / count", "raw_encap index 0", "drop", "count / drop",
                "jump group 2", "count / jump group 2", "raw_encap index 0 / jump group 2", "queue index 0",
                "mark id 1 / drop", "vxlan_decap", "MODIFY / jump group 2"],
}
INGRESS_TEMPLATES = {
    "items": [f"eth / {UDP_TUNNEL}", "eth", "eth / ipv4", "eth / ipv4 tos mask 0x03 / udp dst mask 0xffff / vxlan vni mask 0xffffff",
              "eth dst mask ff:ff:ff:ff:ff:ff", "eth / vlan vid mask 0x0fff", "tag data mask 0xffffffff index is 1"],
    "actions": ["queue index 0", "rss queues 0 1 end", "count / queue index 0", "mark id 1 / queue index 0",
                "mark id 1 / vxlan_decap / queue index 0", "vxlan_decap / mark id 1 / rss queues 0 1 end",
                "mark id 1 / vxlan_decap / rss queues 0 1 end", "queue index 0 / vxlan_decap",
                "jump group 2", "drop", "count / drop", "raw_encap index 0 / queue index 0"],
}
TAG = "modify_field op {} dst_type tag dst_level {} {}src_type value src_value {} width {}"
ACTION = TAG.format("set", "1", "", "07000000", "32")
MODIFY = {  # the action and its mask
    "MODIFY": (ACTION, TAG.format("set", "4294967295", "dst_offset 4294967295 ", "00000000", "4294967295")),
    "BAD_OPERATION": (ACTION, TAG.format("add", "4294967295", "dst_offset 4294967295 ", "00000000", "4294967295")),
    "BAD_LEVEL": (ACTION, TAG.format("set", "1", "dst_offset 4294967295 ", "00000000", "4294967295")),
    "BAD_WIDTH": (ACTION, TAG.format("set", "4294967295", "dst_offset 4294967295 ", "00000000", "32")),
}


def templates(direction, shapes, ports):
    """Templates and a table for each pair, on a first port with flow queues."""
    yield "port stop all"
    for port in range(ports):
        yield f"flow configure {port} queues_number 1 queues_size 64 counters_number 64"
    yield "port start all"
    for number, (items, actions) in enumerate(itertools.product(shapes["items"], shapes["actions"]), 1):
        masks = actions
        for name, (action, mask) in MODIFY.items():
            actions, masks = actions.replace(name, action), masks.replace(name, mask)
        yield f"flow pattern_template 0 create {direction} pattern_template_id {number} template {items} / end"
        yield (f"flow actions_template 0 create {direction} actions_template_id {number} template {actions} / end "
               f"mask {masks} / end")
        yield (f"flow template_table 0 create table_id {number} group 1 priority 0 {direction} rules_number 8 "
               f"pattern_template {number} actions_template {number}")


def shifted_template(command, wires):
    """The same for a testpmd whose first ethdevs are the model's wires."""
    return re.sub(r"(flow (?:configure|pattern_template|actions_template|template_table) |ethdev_port_id |port_id )(\d+)",
                  lambda match: match[1] + str(int(match[2]) + wires), command)


class Model(unittest.TestCase):
    driver = None
    show = False

    def compare(self, vfs, commands, *devargs):
        commands = [*PREPARATIONS, *commands]
        with Machine(vfs=vfs) as machine:
            real = testpmd.converse(machine, commands, ",".join(["dv_flow_en=1", *devargs]), ["--rxq=2", "--txq=2"])[1:]
        wires = vfs + 1
        model = converse_with_model(self.driver, wires, [shifted(command, wires, wires) for command in commands])
        self.check(commands, real, model)

    def check(self, commands, real, model):
        answers, (real, model) = real, [list(map(testpmd.refusal, said)) for said in (real, model)]
        different = []
        for command, answer, here, there in zip(commands, answers, real, model):
            if self.show:
                print(f"{'NO' if here else 'ok'} {command} => {here or ''}")
            if here != there or (command.startswith("flow create") and not here and "created" not in answer):
                different.append(f"{command}\n  net_mlx5: {here or 'takes it'}\n  model:    {there or 'takes it'}")
        self.assertGreater(len(commands), 100)
        self.assertEqual(different, [], f"{len(different)} of {len(commands)} differ:\n" + "\n".join(different))
        print(f"{len(commands)} commands, {sum(map(bool, real))} of them refused, by both")

    def test_egress(self):
        self.compare(0, list(rules("egress", EGRESS)))

    def test_ingress(self):
        self.compare(0, list(rules("ingress", INGRESS)))

    def compare_templates(self, vfs, direction, shapes, *devargs):
        wires = vfs + 1
        commands = [*PREPARATIONS, *templates(direction, shapes, wires)]
        with Machine(vfs=vfs) as machine:
            real = testpmd.converse(machine, commands, ",".join(["dv_flow_en=2", *devargs]), ["--rxq=2", "--txq=2"])[1:]
        model = converse_with_model(self.driver, wires, [shifted_template(command, wires) for command in commands])
        self.check(commands, real, model)

    def test_egress_templates(self):
        self.compare_templates(0, "egress", EGRESS_TEMPLATES)

    def test_ingress_templates(self):
        self.compare_templates(0, "ingress", INGRESS_TEMPLATES)

    def test_transfer_templates(self):
        self.compare_templates(1, "transfer", TRANSFER_TEMPLATES, "representor=0")

    def test_transfer(self):
        self.compare(2, list(rules("transfer", TRANSFER)), "representor=[0-1]")


if __name__ == "__main__":
    Model.driver = private_plugin(sys.argv[1])
    Model.show = "--all" in sys.argv
    unittest.main(argv=sys.argv[:1])
