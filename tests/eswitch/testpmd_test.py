#!/usr/bin/python3
"""dpdk-testpmd with the driver and nothing else: rules typed in, frames in on one wire, frames out on another compared
byte by byte with scapy's and read back by tshark. usage: testpmd_test.py LIBRTE_NET_ESWITCH.SO; root. Everything
happens in a network namespace that ends with this process."""

import os
import re
import select
import socket
import struct
import subprocess
import sys
import tempfile
import time

if os.environ.get("ESWITCH_TEST_NETNS") is None:
    os.environ["ESWITCH_TEST_NETNS"] = "1"
    os.execvp("unshare", ["unshare", "--net", "/usr/bin/python3", *sys.argv])

from scapy.all import (  # noqa: E402
    ARP, GRE, ICMP, IP, TCP, UDP, VXLAN, Dot1Q, Ether, IPv6, Raw, raw, wrpcap)

from plugins import private_plugin  # noqa: E402

A, B = "02:00:00:00:07:01", "02:00:00:00:07:02"
M, N = "02:00:00:00:03:00", "02:00:00:00:99:01"
UP, REP = 2, 3  # ethdev ids; 0 and 1 are their wires
FROM_REP = f"represented_port ethdev_port_id is {REP}"
FROM_UP = f"represented_port ethdev_port_id is {UP}"
TO_UP = f"represented_port ethdev_port_id {UP}"
TO_REP = f"represented_port ethdev_port_id {REP}"

INNER = Ether(src=A, dst=B) / IP(src="10.7.0.1", dst="10.7.0.2", ttl=9) / UDP(sport=1000, dport=2000) / Raw(b"payload!" * 5)
OUTER_IP = IP(src="192.0.2.1", dst="192.0.2.2", ttl=64, id=0)


def sh(command):
    subprocess.run(command, shell=True, check=True)


class Testpmd:
    def __init__(self, driver):
        options = "framesz=2048,blocksz=4096,framecnt=512"
        self.process = subprocess.Popen(
            ["stdbuf", "-oL", "dpdk-testpmd", "--no-huge", "-m", "512", "--no-pci", "--no-telemetry",
             f"--file-prefix=eswt{os.getpid()}", "-l", "0,1", "-d", driver,
             "--vdev", f"net_af_packet0,iface=u0,{options}", "--vdev", f"net_af_packet1,iface=r0,{options}",
             "--vdev", "net_eswitch0,uplink=net_af_packet0,rep=net_af_packet1",
             "--", "-i", "--no-mlockall", "--total-num-mbufs=2048"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, bufsize=1)

    def say(self, *commands):
        """Types commands and gives back what testpmd printed until it had done them."""
        self.process.stdin.write("\n".join([*commands, "show port info 999", ""]))  # refused: the mark
        self.process.stdin.flush()
        lines = []
        while True:
            line = self.process.stdout.readline()
            if not line:
                raise RuntimeError("testpmd ended:\n" + "".join(lines))
            lines.append(line)
            if re.match(r"Invalid port", line):
                return "".join(lines)

    def quit(self):
        self.process.stdin.write("quit\n")
        self.process.stdin.close()
        self.process.stdout.read()
        return self.process.wait()


class Link:
    def __init__(self, name):
        self.socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.socket.setsockopt(263, 8, 1)  # SOL_PACKET, PACKET_AUXDATA: the kernel takes VLAN tags out of the frame
        self.socket.bind((name, 0))

    def send(self, frame):
        self.socket.send(raw(frame))

    def receive(self, seconds):
        """The next frame that came in, or None."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if select.select([self.socket], [], [], left)[0]:
                data, extra, _, address = self.socket.recvmsg(4096, socket.CMSG_SPACE(20))
                if address[2] == socket.PACKET_OUTGOING:
                    continue
                status, *_, tci, tpid = struct.unpack("IIIHHHH", extra[0][2])
                return data[:12] + struct.pack("!HH", tpid, tci) + data[12:] if status & 0x10 else data
        return None


def encapsulated(headers, inner):
    """The bytes of headers / inner, checksums and lengths by scapy, and no UDP checksum, as hardware sends it."""
    return raw(headers / inner)


def vxlan(vni, ip=OUTER_IP):
    return Ether(src=M, dst=N) / ip / UDP(sport=49152, dport=4789, chksum=0) / VXLAN(flags=8, vni=vni)


class Test:
    def __init__(self, driver):
        for near, far in (("u0", "u1"), ("r0", "r1")):
            sh(f"ip link add {near} type veth peer name {far}")
            for name in (near, far):
                sh(f"sysctl -qw net.ipv6.conf.{name}.disable_ipv6=1 && ip link set {name} up")
        self.testpmd = Testpmd(driver)
        self.up, self.rep = Link("u1"), Link("r1")
        self.outputs, self.failures, self.checks = [], [], 0
        self.testpmd.say(
            "set vxlan ip-version ipv4 vni 100 udp-src 5 udp-dst 4789 ip-src 192.0.2.1 ip-dst 192.0.2.2 "
            f"eth-src {M} eth-dst {N}",
            f"set nvgre ip-version ipv4 tni 100 ip-src 192.0.2.1 ip-dst 192.0.2.2 eth-src {M} eth-dst {N}",
            f"set raw_encap 0 eth src is {M} dst is {N} / ipv4 src is 192.0.2.1 dst is 192.0.2.2 ttl is 64 / "
            "udp src is 49152 dst is 4789 / vxlan vni is 7 / end_set",
            f"set raw_encap 1 eth src is {M} dst is {N} / ipv4 src is 192.0.2.1 dst is 192.0.2.2 ttl is 64 proto is 47 "
            "/ gre protocol is 0x0800 / end_set",
            f"set raw_encap 2 eth src is {A} dst is {B} type is 0x0800 / end_set",
            f"set raw_encap 3 eth src is {M} dst is {N} / ipv6 src is 2001:db8::1 dst is 2001:db8::2 hop is 64 / "
            "udp src is 49152 dst is 4789 / vxlan vni is 8 / end_set",
            "set raw_decap 1 eth / ipv4 / gre / end_set", "set raw_decap 2 eth / end_set",
            "set raw_decap 3 eth / ipv4 / udp / vxlan / end_set")

    def fail(self, what):
        self.failures.append(what)
        print("FAIL", what, flush=True)

    def rules(self, name, *rules):
        """Removes what was, and makes these rules on the uplink's port."""
        out = self.testpmd.say(f"flow flush {UP}", f"flow flush {REP}", *(f"flow create {UP} {rule}" for rule in rules))
        if out.count("created") != len(rules):
            self.fail(f"{name}: refused:\n{out}")

    def expect(self, name, into, frame, out, wanted, entropy=False):
        """`frame` goes in; exactly `wanted` (bytes or None) comes out."""
        self.checks += 1
        into.send(frame)
        got = out.receive(2 if wanted is not None else 0.15)
        if got is not None and entropy:  # the source port is the driver's choice
            at = got.find(b"\x12\xb5") - 2
            if not 49152 <= int.from_bytes(got[at:at + 2], "big") <= 65535:
                self.fail(f"{name}: UDP source port {got[at:at + 2].hex()}")
            got = got[:at] + b"\xc0\x00" + got[at + 2:]
        if got is not None:
            self.outputs.append(got)
        if got != wanted:
            self.fail(f"{name}:\n  wanted {wanted and wanted.hex()}\n  got    {got and got.hex()}")

    def tunnels(self):
        wire = encapsulated
        self.rules("vxlan_encap", f"transfer pattern {FROM_REP} / eth / end actions vxlan_encap / {TO_UP} / end")
        self.expect("vxlan_encap", self.rep, INNER, self.up, wire(vxlan(100), INNER), entropy=True)
        self.rules("raw_encap vxlan", f"transfer pattern {FROM_REP} / eth / end actions raw_encap index 0 / {TO_UP} / end")
        self.expect("raw_encap vxlan", self.rep, INNER, self.up, wire(vxlan(7), INNER), entropy=True)
        self.rules("raw_encap ipv6", f"transfer pattern {FROM_REP} / eth / end actions raw_encap index 3 / {TO_UP} / end")
        outer6 = IPv6(src="2001:db8::1", dst="2001:db8::2", hlim=64)
        self.expect("raw_encap ipv6", self.rep, INNER, self.up, wire(vxlan(8, outer6), INNER), entropy=True)
        nvgre = Ether(src=M, dst=N) / OUTER_IP / GRE(proto=0x6558, key_present=1, key=100 << 8)
        self.rules("nvgre_encap", f"transfer pattern {FROM_REP} / eth / end actions nvgre_encap / {TO_UP} / end")
        self.expect("nvgre_encap", self.rep, INNER, self.up, wire(nvgre, INNER))
        gre = Ether(src=M, dst=N) / OUTER_IP / GRE(proto=0x0800)
        self.rules("gre encap", f"transfer pattern {FROM_REP} / eth / ipv4 / end "
                   f"actions raw_decap index 2 / raw_encap index 1 / {TO_UP} / end")
        self.expect("gre encap", self.rep, INNER, self.up, wire(gre, INNER[IP]))
        self.rules("decaps",
                   f"transfer pattern {FROM_UP} / eth / ipv4 / udp / vxlan vni is 100 / end actions vxlan_decap / {TO_REP} / end",
                   f"transfer pattern {FROM_UP} / eth / ipv4 / udp / vxlan vni is 7 / end actions raw_decap index 3 / {TO_REP} / end",
                   f"transfer pattern {FROM_UP} / eth / ipv4 / nvgre tni is 100 / end actions nvgre_decap / {TO_REP} / end",
                   f"transfer pattern {FROM_UP} / eth / ipv4 / gre protocol is 0x0800 / end "
                   f"actions raw_decap index 1 / raw_encap index 2 / {TO_REP} / end")
        for name, headers in (("vxlan_decap", vxlan(100)), ("raw_decap vxlan", vxlan(7)), ("nvgre_decap", nvgre)):
            self.expect(name, self.up, headers / INNER, self.rep, raw(INNER))
        self.expect("vxlan of another VNI", self.up, vxlan(9) / INNER, self.rep, None)
        keyed = Ether(src=M, dst=N) / OUTER_IP / GRE(proto=0x0800, key_present=1, key=5)
        for name, headers in (("gre decap", gre), ("gre decap with a key", keyed)):
            self.expect(name, self.up, headers / INNER[IP], self.rep, raw(INNER))

    def actions(self):
        def changed(**fields):
            packet = Ether(raw(INNER))
            for layer, values in fields.items():
                for field, value in values.items():
                    setattr(packet[{"eth": Ether, "ip": IP, "udp": UDP}[layer]], field, value)
            del packet[IP].chksum, packet[UDP].chksum
            return raw(packet)

        tag = Ether(src=A, dst=B) / Dot1Q(vlan=5) / INNER[IP]
        for name, actions, frame, wanted in (
                ("plain", "", INNER, raw(INNER)),
                ("dec_ttl", "dec_ttl /", INNER, changed(ip={"ttl": 8})),
                ("set_mac", f"set_mac_src mac_addr {M} / set_mac_dst mac_addr {N} /", INNER,
                 changed(eth={"src": M, "dst": N})),
                ("push vlan", "of_push_vlan ethertype 0x8100 / of_set_vlan_vid vlan_vid 5 /", INNER, raw(tag)),
                ("pop vlan", "of_pop_vlan /", tag, raw(INNER)),
                ("void, count, age", "void / count / age timeout 60 /", INNER, raw(INNER)),
                ("modify set", "modify_field op set dst_type ipv4_dst src_type value src_value 0a080009 width 32 /",
                 INNER, changed(ip={"dst": "10.8.0.9"})),
                ("modify add", "modify_field op add dst_type udp_port_dst src_type value src_value 0010 width 16 /",
                 INNER, changed(udp={"dport": 2016})),
                ("modify copy", "modify_field op set dst_type ipv4_src src_type ipv4_dst width 32 /", INNER,
                 changed(ip={"src": "10.7.0.2"}))):
            self.rules(name, f"transfer pattern {FROM_REP} / end actions {actions} {TO_UP} / end")
            self.expect(name, self.rep, frame, self.up, wanted)
        self.rules("drop", f"transfer pattern {FROM_REP} / end actions count / drop / end")
        self.expect("drop", self.rep, INNER, self.up, None)
        deadline = time.monotonic() + 5
        while "hits: 1\n" not in self.testpmd.say(f"flow query {UP} 0 count"):
            if time.monotonic() > deadline:
                self.fail("drop: not counted")
        self.rules("tag, jump, priority",
                   f"transfer pattern {FROM_REP} / eth / ipv4 / end "
                   "actions set_tag index 0 data 7 mask 0xffffffff / jump group 1 / end",
                   f"transfer group 1 pattern {FROM_REP} / tag data is 6 index is 0 / end actions drop / end",
                   f"transfer group 1 priority 1 pattern {FROM_REP} / tag data is 7 index is 0 / end actions drop / end",
                   f"transfer group 1 pattern {FROM_REP} / tag data is 7 index is 0 / end actions {TO_UP} / end")
        self.expect("tag, jump, priority", self.rep, INNER, self.up, raw(INNER))
        self.rules("passthru, set_meta, port_id",
                   f"transfer pattern {FROM_REP} / eth / end actions set_meta data 5 mask 0xffff / passthru / end",
                   f"transfer priority 1 pattern {FROM_REP} / meta data is 5 / end actions port_id id {UP} / end")
        self.expect("passthru, set_meta, port_id", self.rep, INNER, self.up, raw(INNER))
        self.rules("mark, mark item",
                   f"transfer pattern {FROM_REP} / eth / end actions mark id 3 / jump group 1 / end",
                   f"transfer group 1 pattern {FROM_REP} / mark id is 4 / end actions drop / end",
                   f"transfer group 1 priority 1 pattern {FROM_REP} / mark id is 3 / end actions {TO_UP} / end")
        self.expect("mark, mark item", self.rep, INNER, self.up, raw(INNER))
        if "group 1 priority 1 pattern represented_port / mark / end actions represented_port / end" not in \
                self.testpmd.say(f"flow dump {UP} all"):
            self.fail("dump: the rule is not told")
        self.indirect()

    def indirect(self):
        self.testpmd.say(f"flow flush {UP}", f"flow indirect_action {UP} create action_id 1 transfer action count / end")
        self.rules("indirect", f"transfer pattern {FROM_REP} / end actions indirect 1 / {TO_UP} / end")
        self.expect("indirect", self.rep, INNER, self.up, raw(INNER))
        if "hits: 1\n" not in self.testpmd.say(f"flow indirect_action {UP} query 1"):
            self.fail("indirect: not counted")

    def items(self):
        ip6 = Ether(src=A, dst=B) / IPv6(src="2001:db8::1", dst="2001:db8::2") / UDP(sport=1, dport=2)
        tcp = Ether(src=A, dst=B) / IP(src="10.7.0.1", dst="10.7.0.2") / TCP(sport=5, dport=80, flags="S")
        icmp = Ether(src=A, dst=B) / IP(src="10.7.0.1", dst="10.7.0.2") / ICMP(type=8)
        tagged = Ether(src=A, dst=B) / Dot1Q(vlan=100) / INNER[IP]
        gre = Ether(src=M, dst=N) / OUTER_IP / GRE(proto=0x0800, key_present=1, key=77) / INNER[IP]
        arp = Ether(src=A, dst=B) / ARP(pdst="10.7.0.2")
        for name, pattern, hit, miss in (
                ("eth", f"eth dst is {B}", INNER, Ether(src=B, dst=A) / INNER[IP]),
                ("eth type", "eth type is 0x0806", arp, INNER),
                ("vlan", "eth / vlan vid is 100", tagged, Ether(src=A, dst=B) / Dot1Q(vlan=101) / INNER[IP]),
                ("ipv4 prefix", "eth / ipv4 dst spec 10.7.0.0 dst mask 255.255.0.0", INNER,
                 Ether(src=A, dst=B) / IP(dst="10.8.0.1")),
                ("ipv6", "eth / ipv6 dst is 2001:db8::2", ip6, INNER),
                ("udp range", "eth / ipv4 / udp dst spec 1990 dst last 2010 dst mask 0xffff", INNER,
                 Ether(src=A, dst=B) / IP(dst="10.7.0.2") / UDP(dport=2011)),
                ("tcp", "eth / ipv4 / tcp dst is 80", tcp, INNER),
                ("icmp", "eth / ipv4 / icmp type is 8", icmp, Ether(src=A, dst=B) / IP() / ICMP(type=0)),
                ("vxlan inner", f"eth / ipv4 / udp / vxlan vni is 7 / eth dst is {B} / ipv4 dst is 10.7.0.2",
                 vxlan(7) / INNER, vxlan(7) / Ether(src=B, dst=A) / INNER[IP]),
                ("gre key", "eth / ipv4 / gre / gre_key value is 77 / ipv4 src is 10.7.0.1", gre,
                 Ether(src=M, dst=N) / OUTER_IP / GRE(proto=0x0800) / INNER[IP]),
                ("port_id", f"port_id id is {REP} / eth", INNER, None)):
            source = "" if "port_id" in name else FROM_REP + " / "
            self.rules(name, f"transfer pattern {source}{pattern} / end actions {TO_UP} / end")
            self.expect(name, self.rep, hit, self.up, raw(hit))
            if miss is not None:
                self.expect(name + ": another", self.rep, miss, self.up, None)

    def application(self):
        """NIC rules: what misses the transfer rules goes through the application, which forwards it."""
        self.testpmd.say("set fwd io", "start")
        self.rules("none")
        self.expect("through the application", self.rep, INNER, self.up, raw(INNER))
        self.rules("egress", "egress pattern eth / ipv4 / end actions count / raw_encap index 0 / end")
        self.expect("egress", self.rep, INNER, self.up, encapsulated(vxlan(7), INNER), entropy=True)
        self.expect("egress miss", self.rep, Ether(src=A, dst=B) / ARP(), self.up, raw(Ether(src=A, dst=B) / ARP()))
        self.rules("ingress", "ingress pattern eth / ipv4 / udp / vxlan vni is 7 / end actions mark id 3 / vxlan_decap / queue index 0 / end",
                   "ingress priority 1 pattern eth / end actions count / drop / end")
        self.expect("ingress", self.up, vxlan(7) / INNER, self.rep, raw(INNER))
        self.expect("ingress drop", self.up, INNER, self.rep, None)
        self.rules("port_representor", f"transfer pattern port_representor port_id is {UP} / eth / end "
                   f"actions raw_encap index 0 / {TO_UP} / end")
        self.expect("port_representor", self.rep, INNER, self.up, encapsulated(vxlan(7), INNER), entropy=True)
        self.rules("port_representor action", f"transfer pattern {FROM_UP} / eth / end actions port_representor "
                   f"port_id {REP} / end")  # the application on the representor, which forwards to the uplink
        self.expect("port_representor action", self.up, INNER, self.up, raw(INNER))
        self.testpmd.say("stop")

    def errors(self):
        for rule, words in (
                ("transfer pattern eth / end actions queue index 0 / end", "unsupported action QUEUE"),
                ("transfer pattern port_id id is 9 / end actions drop / end", "failed to obtain E-Switch info for port"),
                ("ingress pattern port_id id is 3 / end actions drop / end", "valid only when transfer flag"),
                ("ingress pattern eth / sctp / end actions drop / end", "item not supported"),
                ("ingress pattern ipv4 / eth / end actions drop / end", "out of order"),
                ("ingress pattern eth / end actions queue index 9 / end", "queue index out of range"),
                ("ingress pattern eth / end actions drop / queue index 0 / end", "can't have 2 fate actions"),
                ("egress pattern eth / end actions port_id id 3 / end", "valid in transfer mode only"),
                ("ingress egress pattern eth / end actions drop / end", "exactly one of")):
            self.checks += 1
            out = self.testpmd.say(f"flow validate {UP} {rule}")
            if words not in out:
                self.fail(f"{rule}: said\n{out}")

    def tshark(self):
        """Every frame that came out is whole, to tshark too, and its IPv4 checksums are right."""
        with tempfile.NamedTemporaryFile(suffix=".pcap") as file:
            wrpcap(file.name, [Ether(frame) for frame in self.outputs])
            strict = ["-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
            read = ["tshark", "-r", file.name, *strict]
            bad = subprocess.run([*read, "-Y", "_ws.malformed || ip.checksum.status == 0 || udp.checksum.status == 0"],
                                 capture_output=True, text=True, check=True).stdout
            tunnels = subprocess.run([*read, "-T", "fields", "-e", "vxlan.vni", "-e", "gre.key", "-e", "udp.length"],
                                     capture_output=True, text=True, check=True).stdout
        if bad:
            self.fail("tshark: " + bad)
        if len(re.findall(r"^(7|8|100)\t", tunnels, re.M)) < 5 or "0x00006400" not in tunnels:
            self.fail("tshark saw other tunnels:\n" + tunnels)

    def run(self):
        try:
            for part in (self.tunnels, self.actions, self.items, self.application, self.errors):
                part()
            self.tshark()
            if self.testpmd.quit() != 0:
                self.fail("testpmd's exit status")
        finally:
            self.testpmd.process.kill()
        print(f"{self.checks} checks, {len(self.outputs)} frames compared, {len(self.failures)} failures")
        return 1 if self.failures else 0


if __name__ == "__main__":
    sys.exit(Test(private_plugin(sys.argv[1])).run())
