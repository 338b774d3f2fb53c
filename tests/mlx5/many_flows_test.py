#!/usr/bin/python3
"""100,000 flows on representors in the tagged layout: a new MAC is one rule made and one destroyed, in the record too.
usage: many_flows_test.py CULVERT_BENCH [FLOWS]"""

import re
import sys

from machine import PCI, Machine, representor

RUNS = 2


def check(bench, flows):
    with Machine(vfs=1) as machine:
        out = machine.run([bench, "-l", "0,1", "--no-huge", "-m", "512", "--no-telemetry", "--file-prefix", machine.prefix,
                           "-a", f"{PCI},dv_flow_en=1,representor=0", "--", "--json", "--runs", str(RUNS), "--ports",
                           f"{PCI},{representor(0)}", f"mac_change_tagged.{flows}"], timeout=120)
        measured = re.search(r'{"name".*}', out)
        assert measured, out
        print(measured[0])
        assert "a change created 1 and destroyed 1 rules" in measured[0], measured[0]
        operations = []  # of rules of the E-Switch, in the record: which rule came or went
        standing = set()
        with machine.record_file.open() as lines:
            for line in lines:
                words = line.split(None, 3)
                if words[0] == "rule" and words[1] != "refused":
                    operations.append("add")
                    standing.add(words[1])
                elif words[0] == "destroy" and words[1] in standing:
                    operations.append("remove")
                    standing.remove(words[1])
        story = "".join(operation[0] for operation in operations)  # "aaaa...aarararrrr": made, changed, withdrawn
        middle = re.search(f"a{{{flows},}}?((?:ar)*)r{{{flows},}}$", story)
        assert middle, f"{story.count('a')} rules made, {story.count('r')} destroyed"
        assert len(middle[1]) == 2 * (RUNS + 1), f"changes of {RUNS + 1} MACs: {middle[1]}"
        assert not standing, f"{len(standing)} rules are left"


if __name__ == "__main__":
    check(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100000)
