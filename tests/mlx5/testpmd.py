"""dpdk-testpmd on a machine of machine.py: types commands, tells what it answered to each."""

import re

from machine import PCI

MARK = "Invalid port"  # testpmd's answer to a command that only marks where an answer ends


def converse(machine, commands, devargs="dv_flow_en=1", arguments=()):
    """What testpmd prints at its start, and then after each command."""
    typed = "".join(f"{command}\nshow port info 999\n" for command in ["", *commands]) + "quit\n"
    out = machine.run(["stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "512", "--lcores", "0@0,1@0", "--no-telemetry",
                       f"--file-prefix={machine.prefix}", "-a", f"{PCI},{devargs}", "--", "-i", "--no-mlockall",
                       "--total-num-mbufs=4096", *arguments], typed, timeout=120)
    parts = re.split(rf"{MARK}[^\n]*\n(?:The valid ports array[^\n]*\n)?", out)
    if len(parts) < len(commands) + 2:
        raise AssertionError(f"testpmd ended early:\n{out}")
    return parts[:len(commands) + 1]


def refusal(answer):
    """The driver's words, with the error's type before them; None: it refused nothing."""
    error = re.search(r"Caught PMD error (type \d+ \([^)]*\)): (?:cause: [^,]*, )?(.*?): [A-Z]", answer)
    if error:
        return f"{error[1]}: {error[2]}".strip()
    return answer.strip() if re.search("Bad arguments|Failed to find|Caught PMD error", answer) else None
