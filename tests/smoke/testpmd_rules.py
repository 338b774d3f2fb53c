#!/usr/bin/python3
"""The lines that culvert logs for its rules, typed into dpdk-testpmd with the embedded switch: each is taken, and a
`set raw_encap` line makes the very bytes. usage: testpmd_rules.py RULE_LINES LIBRTE_NET_ESWITCH.SO"""

import os
import re
import shutil
import subprocess
import sys
import tempfile


def converse(driver, wires, commands):
    """What testpmd prints after each command."""
    nulls = [word for i in range(wires) for word in ("--vdev", f"net_null{i},no-rx=1")]
    device = "net_eswitch0,uplink=net_null0" + "".join(f",rep=net_null{i}" for i in range(1, wires))
    program = ["stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "512", "--no-pci", "--no-telemetry",
               f"--file-prefix=rules{os.getpid()}", "-l", "0,1", "-d", driver, *nulls, "--vdev", device,
               "--", "-i", "--no-mlockall", "--total-num-mbufs=4096", "--rxq=2", "--txq=2"]
    typed = "".join(f"{command}\nshow port info 999\n" for command in commands) + "quit\n"
    out = subprocess.run(program, input=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                         check=True).stdout
    return re.split(r"Invalid port[^\n]*\n", out)[:len(commands)]


def hex_dump(text):
    """The bytes of rte_hexdump: `00000000: 02 00 ... | ....`."""
    return "".join("".join(re.findall(r"\b[0-9A-Fa-f]{2}\b", line[1])).lower()
                   for line in re.finditer(r"^[0-9A-Fa-f]{8}: ([^|]*)\|", text, re.M))


def check(lines_program, driver, kind, wires):
    lines = subprocess.run([lines_program, kind, str(wires)], stdout=subprocess.PIPE, text=True, check=True).stdout
    commands, headers = [], {}
    for line in lines.splitlines():
        if line.startswith("# "):
            header = line[2:]
            continue
        commands.append(line)
        if line.startswith("set raw_encap"):
            headers[len(commands)] = header
            commands.append("show raw_encap 0")
    failures = 0
    answers = converse(driver, wires, commands)
    if len(answers) != len(commands):
        sys.exit(f"{kind}: {len(commands)} commands, {len(answers)} answers:\n{answers[-1]}")
    for number, (command, out) in enumerate(zip(commands, answers)):
        if number in headers:
            good = hex_dump(out) == headers[number]
        elif command.startswith("set "):
            good = "Bad arguments" not in out
        else:
            good = re.search(r"Flow rule #\d+ created", out) is not None
        if not good:
            failures += 1
            print(f"{kind}: {command}\n{headers.get(number, '')}\n{out.strip()}")
    print(f"{kind}: {len(commands)} commands, {failures} failures")
    return failures


if __name__ == "__main__":
    # EAL loads no plugin from a folder that others may write to, and a clone may lie under /tmp.
    with tempfile.TemporaryDirectory(dir="/run") as folder:
        plugin = shutil.copy(sys.argv[2], folder)
        failures = check(sys.argv[1], plugin, "switch", 2) + check(sys.argv[1], plugin, "nic", 1)
    sys.exit(1 if failures else 0)
