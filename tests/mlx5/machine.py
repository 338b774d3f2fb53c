"""A machine with ConnectX NICs that are not there: a network namespace, a tree for sysfs and the stand-in (README.md).

    with Machine(vfs=2) as machine:
        machine.run(["dpdk-testpmd", ...])

Several at once do not disturb each other; what a machine made goes with it, also when SIGTERM or ctrl-C ends the test.
Root only: for others a test is skipped. $STAND_IN: the stand-in's library.

By hand: machine.py VFS COMMAND ..., e.g. machine.py 2 dpdk-testpmd --no-huge -m 512 --lcores 0@0,1@0
-a 0000:03:00.0,dv_flow_en=1,representor=[0-1] -- -i --no-mlockall
--total-num-mbufs=4096; then it prints the rules that came and went.
"""

import itertools
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

from record import Record

PCI = "0000:03:00.0"  # of the first NIC; the second is 0000:03:00.1
_number = itertools.count()
signal.signal(signal.SIGTERM, signal.default_int_handler)  # meson's at a timeout: machines are closed, unittest goes no further
if os.geteuid() != 0:
    print("skipped: a machine needs root, for its network namespace")
    sys.exit(77)  # meson's code for that


def representor(vf):
    """The ethdev of a VF's representor."""
    return f"{PCI}_representor_vf{vf}"


class Machine:
    """`pfs` NICs, links mlx0, mlx1, ... whose far ends are wire0, ...; with `vfs` in switchdev mode: representor links
    mlx0vf0, ... with the far ends guest0vf0, .... `capabilities`: other ones than a ConnectX-6 Dx's, as $STAND_IN_CAPS."""

    def __init__(self, vfs=0, pfs=1, capabilities=""):
        self.prefix = f"cvm{os.getpid()}-{next(_number)}"
        self.netns = self.prefix
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="culvert-mlx5-"))
        self.tree = self.folder / "tree"
        self.record_file = self.folder / "record"
        self.counters_file = self.folder / "counters"
        self.full_file = self.folder / "full"
        self.events_file = self.folder / "events"
        os.mkfifo(self.events_file)
        self.capabilities = capabilities
        self.processes = []
        try:
            subprocess.run(["ip", "netns", "add", self.netns], check=True)
            self.ip("link set lo up")
            (self.tree / "bus/pci/drivers/mlx5_core").mkdir(parents=True)
            for pf in range(pfs):
                self._make_nic(pf, vfs)
        except BaseException:
            self.close()
            raise

    def _make_nic(self, pf, vfs):
        device = self.tree / f"bus/pci/devices/0000:03:00.{pf}"
        infiniband = self.tree / f"class/infiniband/mlx5_{pf}"
        (device / f"net/mlx{pf}").mkdir(parents=True)
        infiniband.mkdir(parents=True)
        files = {"vendor": "0x15b3", "device": "0x101d", "subsystem_vendor": "0x15b3", "subsystem_device": "0x0016",
                 "class": "0x020000", "sriov_numvfs": vfs, "max_vfs": 8, "numa_node": -1, "resource": "0x0 0x0 0x0\n" * 6,
                 "uevent": f"DRIVER=mlx5_core\nPCI_SLOT_NAME=0000:03:00.{pf}", f"net/mlx{pf}/dev_port": 0}
        for name, content in files.items():
            (device / name).write_text(f"{content}\n")
        (device / "driver").symlink_to("../../drivers/mlx5_core")
        (infiniband / "device").symlink_to(f"../../../bus/pci/devices/0000:03:00.{pf}")
        self._make_link(pf, 1, f"mlx{pf}", f"wire{pf}", f"p{pf}" if vfs else None)
        (self.tree / f"class/net/mlx{pf}/device").mkdir()  # by which the driver knows the PF among its ports
        for vf in range(vfs):
            self._make_link(pf, vf + 2, f"mlx{pf}vf{vf}", f"guest{pf}vf{vf}", f"pf{pf}vf{vf}")

    def _make_link(self, pf, port, name, far_end, port_name):
        """Port `port` of the infiniband device is the link `name`; a NIC with an E-Switch names its ports."""
        self.ip(f"link add {name} address 02:00:00:00:03:{pf}{port - 1} type veth peer name {far_end}")
        self.ip(f"link set {name} up")
        self.ip(f"link set {far_end} up")
        link = self.tree / f"class/net/{name}"
        ports = self.tree / f"class/infiniband/mlx5_{pf}/ports/{port}"
        link.mkdir(parents=True)
        ports.mkdir(parents=True)
        (ports / "netdev").write_text(f"{name}\n")
        if port_name:
            (link / "phys_port_name").write_text(f"{port_name}\n")
            (link / "phys_switch_id").write_text(f"000000000000000{pf + 1}\n")

    def ip(self, arguments):
        """`ip` in the machine's namespace; its output."""
        return subprocess.run(["ip", "-n", self.netns, *arguments.split()], check=True, capture_output=True, text=True).stdout

    def environment(self, recorded=True):
        return {**os.environ, "STAND_IN_TREE": str(self.tree), "STAND_IN_COUNTERS": str(self.counters_file),
                "STAND_IN_FULL": str(self.full_file) if recorded else "", "STAND_IN_RECORD": str(self.record_file) if recorded else "",
                "STAND_IN_EVENTS": str(self.events_file),
                "STAND_IN_CAPS": self.capabilities or os.environ.get("STAND_IN_CAPS", ""),
                "SYSFS_PCI_DEVICES": str(self.tree / "bus/pci/devices"), "LD_PRELOAD": os.environ["STAND_IN"]}

    def start(self, command, recorded=True, **options):
        """A DPDK program on the machine; the record starts anew."""
        self.record_file.unlink(missing_ok=True)
        process = subprocess.Popen(["ip", "netns", "exec", self.netns, *command], env=self.environment(recorded), **options)
        self.processes.append(process)
        return process

    def run(self, command, typed="", timeout=60, recorded=True):
        """What a program prints, both streams, with `typed` as its input."""
        process = self.start(command, recorded, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             text=True)
        return process.communicate(typed, timeout=timeout)[0]

    def record(self):
        return Record(self.record_file)

    def count(self, *lines):
        """What the counters stand at from now on: lines of `COUNTER PACKETS BYTES [PACKETS_A_SECOND BYTES_A_SECOND]`."""
        new = self.folder / "counters.new"
        new.write_text("".join(f"{line}\n" for line in lines))
        new.rename(self.counters_file)

    def fill(self, full=True):
        """Until it is told otherwise, the NIC takes no rule."""
        if full:
            self.full_file.touch()
        else:
            self.full_file.unlink(missing_ok=True)

    def fail(self):
        """The device of the running program is lost (IBV_EVENT_DEVICE_FATAL)."""
        self.events_file.write_text("x")

    def close(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()
        if pathlib.Path("/run/netns", self.netns).exists():
            subprocess.run(["ip", "netns", "del", self.netns], check=True)
        shutil.rmtree(self.folder)
        shutil.rmtree(f"/run/dpdk/{self.prefix}", ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()


if __name__ == "__main__":
    with Machine(vfs=int(sys.argv[1])) as by_hand:
        by_hand.start(sys.argv[2:]).wait()
        for event in by_hand.record().events():
            print(event.what, event.rule or "")
