#!/usr/bin/python3
"""The two configurations of doc/mlx5.md with the devargs that stand above them, on the stand-in's NIC."""

import pathlib
import re
import shlex
import unittest

from gateway import MAC_A, Gateway
from machine import PCI, Machine

PAGE = (pathlib.Path(__file__).parent / "../../doc/mlx5.md").read_text()
NETDEV = "ens1f0"  # there


class Page(unittest.TestCase):
    def start(self, vfs):
        """The command and the YAML of the section, started; the first encap is in the NIC."""
        section = PAGE.split("\n## A PF and two VFs\n" if vfs else "\n## A PF alone\n")[1].split("\n## ")[0]
        words = shlex.split(re.search(r"^    culvert (.*) -- -c culvert.yaml$", section, re.M)[1])
        devargs = words[words.index("-a") + 1].removeprefix(f"{PCI},")
        more = words[words.index("--vdev"):] if "--vdev" in words else []
        yaml = re.search(r"```yaml\n(.*?)```", section, re.S)[1].replace(NETDEV, "mlx0")
        with Machine(vfs=vfs) as machine:
            gateway = Gateway(machine, yaml, devargs, more)
            gateway.neighbour(MAC_A)
            self.assertTrue(gateway.encap()["in_hardware"])
            gateway.ctl("verify")
            self.assertEqual(gateway.stop(), 0)

    def test_a_pf_alone(self):
        self.start(0)

    def test_a_pf_and_two_vfs(self):
        self.start(2)


if __name__ == "__main__":
    unittest.main()
