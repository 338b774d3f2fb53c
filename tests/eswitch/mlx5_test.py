#!/usr/bin/python3
"""profile=mlx5 against what the real net_mlx5 answered to the same testpmd commands (mlx5_answers/, one a line: ok or
NO, the command, and after => the error type and the driver's words). usage: mlx5_test.py LIBRTE_NET_ESWITCH.SO"""

import os
import pathlib
import re
import subprocess
import sys

from plugins import private_plugin

ANSWERS = pathlib.Path(__file__).parent / "mlx5_answers"


def shifted(command, count, known):
    """The command for a testpmd where the first `count` ethdevs are wires."""
    def shift(match):
        port = int(match[2])
        return match[1] + str(port + count if port < known else port)
    return re.sub(r"((?:create|indirect_action|port_id id is|port_id id|port_id is|port_id|ethdev_port_id is) )(\d+)",
                  shift, command)


def check(driver, name, wires):
    lines = (ANSWERS / f"{name}.txt").read_text().splitlines()
    cases = [re.match(r"(ok|NO) (.*?) =>(.*)", line).groups() for line in lines]
    said = converse(driver, wires, [shifted(command, wires, wires) for _, command, _ in cases])
    failures = 0
    for (verdict, command, words), out in zip(cases, said):
        refused = "Caught PMD error" in out or "Bad arguments" in out or "Failed to find" in out
        error = re.search(r"Caught PMD error (type \d+ \([^)]*\)): (?:cause: [^,]*, )?(.*?): [A-Z]", out)
        got = f"{error[1]}: {error[2]}".strip() if error else ""
        if refused != (verdict == "NO") or (words.strip().startswith("type") and got != words.strip()):
            failures += 1
            print(f"{name}: {command}\n  net_mlx5: {verdict} {words.strip()}\n  here:     {got or out.strip()}")
    print(f"{name}: {len(cases)} commands, {failures} answered otherwise")
    return failures


def converse(driver, wires, commands):
    """What testpmd prints after each command, both streams in the order of printing."""
    nulls = [word for i in range(wires) for word in ("--vdev", f"net_null{i},no-rx=1")]
    device = "net_eswitch0,uplink=net_null0," + "".join(f"rep=net_null{i}," for i in range(1, wires)) + "profile=mlx5"
    program = ["stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "512", "--no-pci", "--no-telemetry",
               f"--file-prefix=eswm{os.getpid()}", "-l", "0,1", "-d", driver, *nulls, "--vdev", device,
               "--", "-i", "--no-mlockall", "--total-num-mbufs=4096", "--rxq=4", "--txq=4"]
    typed = "".join(f"{command}\nshow port info 999\n" for command in commands) + "quit\n"
    out = subprocess.run(program, input=typed, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60,
                         check=True).stdout
    return re.split(r"Invalid port[^\n]*\n", out)[:len(commands)]


if __name__ == "__main__":
    driver = private_plugin(sys.argv[1])
    sys.exit(1 if sum(check(driver, name, wires) for name, wires in (("egress", 1), ("ingress", 1), ("esw", 3))) else 0)
