"""culvert on a machine of machine.py, with the peer 192.0.2.2 behind mlx0 as a neighbour that the test sets by hand."""

import json
import os
import subprocess
import time

from machine import PCI

BUILD = os.environ["BUILD"]
LOCAL, PEER = "192.0.2.1", "192.0.2.2"
MAC_A, MAC_B = "02:00:00:00:99:0a", "02:00:00:00:99:0b"


def wait_until(what, true, seconds=20):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.05)


class Gateway:
    """`ports`: more EAL arguments after the uplink's; `devargs`: after its PCI address."""

    def __init__(self, machine, yaml, devargs, eal=()):
        self.machine = machine
        machine.ip(f"address add {LOCAL}/24 dev mlx0")
        self.config = machine.folder / "culvert.yaml"
        self.config.write_text(yaml)
        self.log = machine.folder / "log"
        self.socket = machine.folder / "socket"
        with self.log.open("w") as log:
            self.process = machine.start(
                [f"{BUILD}/app/culvert/culvert", "--lcores", "0@0,1@0", "--no-huge", "-m", "512", "--file-prefix",
                 machine.prefix, "--log-level=culvert.offload:debug", "-a", f"{PCI},{devargs}", *eal, "--",
                 "-c", str(self.config), "--socket", str(self.socket)], stdout=log, stderr=subprocess.STDOUT)
        wait_until("culvert is ready", lambda: "culvert: ready" in self.said() or self.process.poll() is not None, 60)
        if self.process.poll() is not None:
            raise AssertionError(f"culvert ended:\n{self.said()}")

    def said(self):
        return self.log.read_text(errors="replace")

    def ctl(self, *words):
        """What a command answers; an error is raised in its own words."""
        command = [f"{BUILD}/app/culvertctl/culvertctl", "--socket", str(self.socket), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise AssertionError(f"{' '.join(words)}: {done.stderr}{done.stdout}\n{self.said()[-4000:]}")
        return done.stdout

    def show(self, *words):
        return json.loads(self.ctl("show", *words, "json"))

    def wait(self):
        self.ctl("wait", "20")

    def flow(self, name):
        return self.show("flows", name)[0]

    def encap(self, tunnel="vx100"):
        return next(encap for encap in self.show("encaps") if encap["tunnel"] == tunnel)

    def neighbour(self, mac, state="permanent"):
        """The peer's MAC, and all that follows from it is done."""
        self.machine.ip(f"neighbour replace {PEER} dev mlx0 lladdr {mac} nud {state}")
        self.wait()

    def neighbour_gone(self):
        self.machine.ip(f"neighbour del {PEER} dev mlx0")
        self.wait()

    def stop(self):
        """Its exit status."""
        self.process.terminate()
        return self.process.wait(30)


def tunnel(name="vx100", vni=100):
    return f"  - {{name: {name}, type: vxlan, vni: {vni}, local: {LOCAL}, remote: {PEER}}}\n"
