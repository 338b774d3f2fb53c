#!/usr/bin/python3
"""Rules a second through the real net_mlx5 over tests/mlx5's stand-in: culvert-bench, its floor (the same rules by the calls
of rte_flow alone) and dpdk-test-flow-perf on the same port, in turns; medians, and how many times the others' time culvert
takes: by medians, by the median of what each round gave, and by the fastest round of each: other guests of a virtual
machine's host add time, and more to two threads than to one. What a NIC itself needs is in none.
usage: mlx5_rules.py BUILD [ROUNDS [RULES]]   RULES: 100000 or 1000

Both make RULES transfer rules in group 0 on the uplink of a switch with one representor, as rules.sh says: flow-perf's
figure is rte_flow_create and no more; culvert's begins at Offload::Client::add and has the flow's name, precedence and
state in it, its match has the port and the protocol besides, and in the flat layout its counter is an action of its own.
culvert's offload thread has the second core."""

import os
import pathlib
import re
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE / "../mlx5"))
BUILD = pathlib.Path(sys.argv[1])
ROUNDS = int(sys.argv[2]) if len(sys.argv) > 2 else 5
FLOWS = int(sys.argv[3]) if len(sys.argv) > 3 else 100000
os.environ["STAND_IN"] = str((BUILD / "tests/mlx5/libmlx5_stand_in.so").resolve())
from machine import PCI, Machine, representor  # noqa: E402

ACTIONS = {"flat": ["--count", "--raw-encap=ether,ipv4,udp,vxlan", "--port-id=1"],
           "tagged": ["--count", "--set-tag", "--jump"]}


def eal(machine, lcores="-l0,1"):
    return [lcores, "--no-huge", "-m", "1024", "--no-telemetry", "--log-level=warning", "--file-prefix", machine.prefix,
            "-a", f"{PCI},dv_flow_en=1,representor=0"]


def flow_perf(layout):
    """{"insert": rules a second, "delete": rules a second}"""
    with Machine(vfs=1) as machine:
        out = machine.run(["dpdk-test-flow-perf", *eal(machine), "--", f"--rules-count={FLOWS}", f"--rules-batch={FLOWS}",
                           "--portmask=0x1", "--deletion-rate", "--transfer", "--group=0", "--ether", "--ipv4", "--udp",
                           *ACTIONS[layout]], recorded=False, timeout=300)
    rates = {what: re.search(rf"Rules {word}[^\n]*?([\d.]+) K Rule", out) or re.search(rf"Total[^\n]*{word}[^\n]* ([\d.]+) K", out)
             for what, word in (("insert", "insertion"), ("delete", "deletion"))}
    if None in rates.values():
        sys.exit(out)
    return {what: float(rate[1]) * 1000 for what, rate in rates.items()}


def culvert(layout):
    return bench("rule", layout)


def floor(layout):
    return bench("floor_rule", layout)


def bench(kind, layout):
    rates = {}
    for what in ("insert", "delete"):
        with Machine(vfs=1) as machine:
            out = machine.run([str(BUILD / "app/bench/culvert-bench"), *eal(machine, "--lcores=0@0,1@0"), "--", "--json",
                               "--runs", "1", "--ports", f"{PCI},{representor(0)}", f"{kind}_{what}_{layout}.{FLOWS}"],
                              recorded=False, timeout=300)
        rate = re.search(r'"value":([\d.]+)', out)
        if not rate:
            sys.exit(out)
        rates[what] = float(rate[1])
    return rates


if __name__ == "__main__":
    seen = {}
    print(subprocess.run("uptime", capture_output=True, text=True).stdout.strip())
    for _ in range(ROUNDS):
        for layout in ACTIONS:
            for who in (flow_perf, culvert, floor):
                for what, rate in who(layout).items():
                    seen.setdefault((what, layout), {}).setdefault(who, []).append(rate)
    for (what, layout), rates in seen.items():
        for how, pick in (("medians", statistics.median), ("fastest", max)):
            ours, alone, theirs = (pick(rates[who]) for who in (culvert, floor, flow_perf))
            print(f"{what} {layout}, {how} of {ROUNDS}: culvert {ours:.0f} rules/s, the calls alone {alone:.0f}, "
                  f"flow-perf {theirs:.0f}; {alone / ours:.2f} and {theirs / ours:.2f} times the time")
        alone, theirs = (statistics.median(b / a for a, b in zip(rates[culvert], rates[who])) for who in (floor, flow_perf))
        print(f"{what} {layout}, median of the rounds' own: {alone:.2f} and {theirs:.2f} times the time")
