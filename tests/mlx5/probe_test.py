#!/usr/bin/python3
"""The stand-in is enough for the real net_mlx5 to probe, start and stop: a plain PF, two of them, and a PF with two VF
representors in switchdev mode, with classic rules and with templates."""

import unittest

import testpmd
from machine import PCI, Machine, representor


class Probe(unittest.TestCase):
    def ports(self, machine, devargs, count):
        """What testpmd tells of each port. They stop when it ends."""
        return testpmd.converse(machine, [f"show port info {port}" for port in range(count)], devargs)[1:]

    def test_plain_pf(self):
        for steering in (1, 2):
            with self.subTest(dv_flow_en=steering), Machine() as machine:
                info, = self.ports(machine, f"dv_flow_en={steering}", 1)
                self.assertIn("MAC address: 02:00:00:00:03:00", info)
                self.assertIn("Driver name: mlx5_pci", info)
                self.assertIn("Firmware-version: 22.31.1014", info)

    def test_two_pfs(self):
        with Machine(pfs=2) as machine:
            second = machine.run(["dpdk-testpmd", "--no-huge", "-m", "512", "--lcores", "0@0,1@0", "--no-telemetry",
                                  f"--file-prefix={machine.prefix}", "-a", PCI, "-a", "0000:03:00.1", "--", "-i",
                                  "--no-mlockall", "--total-num-mbufs=4096"], "show port summary all\nquit\n")
            self.assertIn("02:00:00:00:03:10 0000:03:00.1", second)

    def test_representors(self):
        for steering in (1, 2):
            with self.subTest(dv_flow_en=steering), Machine(vfs=2) as machine:
                uplink, first, second = self.ports(machine, f"dv_flow_en={steering},representor=vf[0-1]", 3)
                self.assertIn("Switch name: " + PCI, uplink)
                domain = uplink.split("Switch domain Id: ")[1].split()[0]
                self.assertIn(f"Switch domain Id: {domain}", first)
                self.assertIn(f"Device name: {representor(1)}", second)
                self.assertIn("MAC address: 02:00:00:00:03:02", second)

    def test_the_driver_takes_back_its_own_rules(self):
        with Machine() as machine:
            self.ports(machine, "dv_flow_en=1", 1)
            record = machine.record()
            made = [event.rule for event in record.events() if event.what == "add"]
            self.assertTrue(any(rule.where == "nic_rx" and rule.match.get("dmac_15_0") for rule in made))
            self.assertEqual(record.rules(), [])


if __name__ == "__main__":
    unittest.main()
