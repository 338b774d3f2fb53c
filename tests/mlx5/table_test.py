#!/usr/bin/python3
"""The table of shapes (shapes.txt): what culvert wants, what a PF, an uplink and a representor say to it with classic rules
and with templates, and what culvert does then. usage: table_test.py SHAPES_PROGRAM [--write]: writes the table anew."""

import collections
import pathlib
import sys

from machine import PCI, Machine

TABLE = pathlib.Path(__file__).parent / "shapes.txt"
HEAD = """Every rule that culvert can make, given to the real net_mlx5 (DPDK 22.11.11): on a plain PF, and in switchdev mode on the
uplink and on a VF's representor; with classic rules (dv_flow_en=1) and with templates (dv_flow_en=2). `yes`: taken. A
number: refused in the words below the table. culvert makes the rules of a switch on the uplink, so the representor's columns are what
it does without. A flow whose rule is refused is `software`, with these words as its reason. Checked by table_test.py.
"""
COLUMNS = ["PF classic", "PF templates", "uplink classic", "uplink templates", "representor classic", "representor templates"]


def answers(program):
    """{(column, shape): refusal} and {column: what culvert makes of it}."""
    refusals, culvert = {}, collections.defaultdict(list)
    for vfs, (steering, how) in ((vfs, way) for vfs in (0, 2) for way in ((1, "classic"), (2, "templates"))):
        with Machine(vfs=vfs) as machine:
            devargs = f"{PCI},dv_flow_en={steering}" + (",representor=[0-1]" if vfs else "")
            out = machine.run([program, "--no-huge", "-m", "512", "--lcores", "0@0", "--no-telemetry", "--file-prefix",
                               machine.prefix, "-a", devargs], recorded=False)
        lines = [line.split("\t") for line in out.splitlines() if line.startswith(("rule\t", "culvert\t"))]
        if not lines:
            raise AssertionError(out)
        for words in lines:
            if words[0] == "rule":
                refusals[f"{words[1]} {how}", words[2]] = words[3]
            else:
                culvert[f"{'uplink' if vfs else 'PF'} {how}"].append(words[1])
    return refusals, culvert


def table(refusals, culvert):
    shapes = list(dict.fromkeys(shape for _, shape in refusals))
    notes = list(dict.fromkeys(words for words in refusals.values() if words))
    width = max(map(len, shapes))
    lines = [HEAD, " | ".join(["what culvert wants".ljust(width), *COLUMNS])]
    lines.append("-|-".join("-" * len(cell) for cell in lines[-1].split(" | ")))
    for shape in shapes:
        cells = [refusals[column, shape] for column in COLUMNS]
        shown = ["yes" if not words else str(notes.index(words) + 1) for words in cells]
        cells = [cell.ljust(len(column)) for cell, column in zip(shown, COLUMNS)]
        lines.append(" | ".join([shape.ljust(width), *cells]).rstrip())
    lines += ["", *[f"{number}  {words}" for number, words in enumerate(notes, 1)], "", "What culvert does then:"]
    lines += [f"  {column}: {', '.join(said)}" for column, said in culvert.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    found = table(*answers(sys.argv[1]))
    if "--write" in sys.argv:
        TABLE.write_text(found)
    print(found)
    if found != TABLE.read_text():
        sys.exit(f"the table differs from {TABLE.name}; if that is right: table_test.py SHAPES_PROGRAM --write")
