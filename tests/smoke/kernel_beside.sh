#!/bin/bash
# The kernel sees the uplink's packets too: it sends no ICMP port unreachable, its own frames are no tenant's, a kernel
# vxlan device with the same VNI is refused; with veth offloads left on nothing arrives broken without being counted.
. "$(dirname "$0")/lib.sh"

OFFLOADS=on topology
start_culvert
background "$un" tcpdump -q -i to-gw -w "$RUN/icmp.pcap" -U icmp 2>/dev/null
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2
ping_all "$tb" 10.7.0.1

# Checksums that veth leaves to a hardware that is not there: TCP and UDP still arrive whole, or the loss has a name. (So
# slow that the server's socket holds the datagrams of most of a second.)
background "$tb" iperf3 -s >/dev/null 2>&1
wait_for 5 in_ns "$tb" sh -c 'ss -ltn | grep -q :5201'
in_ns "$ta" iperf3 -J -u -b 1M -l 1000 -t 2 -c 10.7.0.2 > "$RUN/udp.json" || fail "iperf3 UDP: $(jq -r .error "$RUN/udp.json")"
jq -e '.end.sum.lost_percent < 5' "$RUN/udp.json" >/dev/null || { ctl show stats; fail "UDP with offloads on: $(jq .end.sum.lost_percent "$RUN/udp.json") % lost"; }
in_ns "$ta" timeout 10 iperf3 -J -t 2 -c 10.7.0.2 > "$RUN/tcp.json" || true
jq -e '.end.sum_received.bytes > 10000' "$RUN/tcp.json" >/dev/null || [ "$(drops truncated)" -gt 0 ] ||
  { ctl show stats; fail "TCP with offloads on neither works nor is counted"; }
broken=$(in_ns "$tb" nstat -asz '*InCsumErrors' | awk '/InCsumErrors/ { names++; bad += $2 } END { print (names >= 2 ? bad : "no counters") }')
[ "$broken" = 0 ] || fail "packets with broken checksums arrived: $broken"

kill "${HELPERS[0]}"; wait "${HELPERS[0]}" 2>/dev/null || true
[ "$(tshark -r "$RUN/icmp.pcap" -Y 'icmp.type == 3 and icmp.code == 3' 2>/dev/null | wc -l)" = 0 ] ||
  fail "the kernel answered tunnel packets with port unreachable"

# The holder keeps nothing: no queue grows.
in_ns "$gw" ss -Hlun 'sport = :4789' | awk '{ exit $2 != 0 }' || fail "the holder's socket queues packets"

# Killed, and started again at once.
kill -KILL "$CULVERT_PID"; wait "$CULVERT_PID" 2>/dev/null || true
start_culvert
ctl wait 10 tunnel vx100
wait_for 5 in_ns "$ta" ping -q -c 1 -W 1 10.7.0.2 || fail "no traffic after a kill and a new start"
stop_culvert TERM || fail "culvert exit status $?"

# A kernel vxlan device with the same VNI on the same UDP port: refused. With another VNI: it holds the port for us.
in_ns "$gw" ip link add kvx type vxlan id 100 dstport 4789 local 192.0.2.1 remote 192.0.2.9
in_ns "$gw" ip link set kvx up
if (start_culvert) 2>/dev/null; then fail "started beside a kernel vxlan device with the same VNI"; fi
grep -q 'kvx.*VNI 100' "$RUN/culvert.log" || { cat "$RUN/culvert.log"; fail "the refusal does not name the device"; }
in_ns "$gw" ip link del kvx
in_ns "$gw" ip link add kvx type vxlan id 7 dstport 4789 local 192.0.2.1 remote 192.0.2.9
in_ns "$gw" ip link set kvx up
start_culvert
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2
stop_culvert TERM || fail "culvert exit status $?"
