#!/bin/bash
# Tenants talk both ways through culvert and the kernel's vxlan device: ping, ARP, ND, sizes, VLAN tags, TCP and UDP.
# tshark reads every underlay packet: VXLAN, with right IP and UDP checksums.
. "$(dirname "$0")/lib.sh"

topology
background "$un" tcpdump -q -i to-gw -w "$RUN/underlay.pcap" -s 0 -B 65536 udp 2>/dev/null
start_culvert
ctl wait 10 tunnel vx100

ping_all "$ta" 10.7.0.2
ping_all "$tb" 10.7.0.1
ping_all "$ta" fd00:7::2
ping_all "$tb" fd00:7::1

# Inner frames of 60 to 1450 bytes: an ICMP payload of 18 makes 60, one of 1408 makes 1450.
for payload in 18 19 100 511 512 1000 1407 1408; do
  ping_all "$ta" 10.7.0.2 -s "$payload" -c 3 -M do
  ping_all "$tb" 10.7.0.1 -s "$payload" -c 3 -M do
done

# Tagged frames: sent by hand, seen on the other side. (net_af_packet of DPDK 22.11 writes the outermost tag anew with
# ethertype 0x8100, whatever it was: the tags are what is compared.)
background "$tb" tcpdump -q -i eth0 -w "$RUN/tagged.pcap" -U ether src 02:00:00:00:77:01 2>/dev/null
sleep 1
in_ns "$ta" /usr/bin/python3 - <<'PY'
from scapy.all import Dot1AD, Dot1Q, Ether, IP, Raw, UDP, sendp
import socket
src, dst = "02:00:00:00:77:01", "ff:ff:ff:ff:ff:ff"
inner = IP(src="10.9.0.1", dst="10.9.0.2") / UDP(sport=1, dport=2) / Raw(b"x" * 64)
sendp([Ether(src=src, dst=dst) / Dot1Q(vlan=42, prio=5) / inner,
       Ether(src=src, dst=dst, type=0x88a8) / Dot1AD(vlan=7) / Dot1Q(vlan=8) / inner], iface="eth0", verbose=False)
PY
tagged() { /usr/bin/python3 - "$RUN/tagged.pcap" <<'PY'
import sys
from scapy.all import Dot1AD, Dot1Q, rdpcap
packets = rdpcap(sys.argv[1])
def tags(packet):
    found, layer = [], packet.payload
    while isinstance(layer, (Dot1Q, Dot1AD)):
        found.append((layer.vlan, layer.prio))
        layer = layer.payload
    return found
seen = [tags(p) for p in packets]
assert [(42, 5)] in seen and [(7, 0), (8, 0)] in seen, seen
PY
}
wait_for 5 tagged || fail "tagged frames did not arrive as they were sent"

background "$tb" iperf3 -s >/dev/null 2>&1
wait_for 5 in_ns "$tb" sh -c 'ss -ltn | grep -q :5201'
for options in "-n 15M" "-n 15M -R" "-u -b 20M -l 1380 -t 1" "-u -b 20M -l 1380 -t 1 -R"; do
  in_ns "$ta" iperf3 -J -c 10.7.0.2 $options > "$RUN/iperf.json" || fail "iperf3 $options: $(jq -r .error "$RUN/iperf.json")"
  jq -e '.end.sum_received.bytes // .end.sum.bytes | . > 1000000' "$RUN/iperf.json" >/dev/null || fail "iperf3 $options moved nothing"
done

kill "${HELPERS[0]}"; wait "${HELPERS[0]}" 2>/dev/null || true
frames=$(tshark -r "$RUN/underlay.pcap" -o ip.check_checksum:TRUE -o udp.check_checksum:TRUE -T fields \
  -e vxlan.vni -e ip.checksum.status -e udp.checksum.status -e ip.src 2>/dev/null |
  awk '$1 != 100 || $2 !~ /^1/ { bad++ } $4 ~ /^192.0.2.1,/ && $3 !~ /^(1|3)/ { bad++ } END { print NR, bad + 0 }')
set -- $frames
[ "$1" -gt 1000 ] || fail "tshark saw only $1 packets"
[ "$2" = 0 ] || fail "tshark calls $2 of $1 packets wrong"

[ "$(field '.encapsulated > 1000 and .decapsulated > 1000' show stats)" = true ] || fail "culvert did not count"
[ "$(field '[.drops | to_entries[] | select(.key != "own_frame") | .value] | add' show stats)" -lt 20 ] || { ctl show stats; fail "unexpected drops"; }

# What the driver loses is told too: here the tenant's link is down.
in_ns "$gw" ip link set tenant0 down
in_ns "$tb" ping -q -c 5 -i 0.01 -W 1 10.7.0.1 >/dev/null || true
[ "$(field '.[] | select(.name == "tenant") | .tx_errors' show ports)" -ge 5 ] || { ctl show ports; fail "frames were lost in silence"; }
stop_culvert TERM || fail "culvert exit status $?"
