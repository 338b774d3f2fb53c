#!/bin/bash
# Two tenants behind one trunk port, VLAN 100 and VLAN 200, in two VNIs towards the kernel's vxlan devices: numbered frames
# both ways, complete and apart. tshark is the judge, at the trunk and at the peer's two bridges. Both tenants use the
# same MACs and addresses. The kernel here may have no 8021q module: tagged frames are made by scapy.
. "$(dirname "$0")/lib.sh"

FRAMES=${FRAMES:-300}
topology
namespace "$NS-tc"
NAMESPACES+=("$NS-tc")
tc=$NS-tc
wire "$tc" eth0 "$peer" tenant1
kernel_vtep "$peer" 200 192.0.2.2 192.0.2.1 tenant1

cat > "$RUN/culvert.yaml" <<'YAML'
ports:
  - {name: uplink, ethdev: net_af_packet0, netdev: uplink0, kernel_path: bifurcated}
  - {name: trunk, ethdev: net_af_packet1}
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
  - {name: vx200, type: vxlan, vni: 200, local: 192.0.2.1, remote: 192.0.2.2}
networks:
  - {name: blue, type: l2, ports: [{port: trunk, vlan: 100}], tunnels: [vx100]}
  - {name: red, type: l2, ports: [{port: trunk, vlan: 200}], tunnels: [vx200]}
YAML
start_culvert
ctl wait 10 tunnel vx100
ctl wait 10 tunnel vx200

# What comes back out of the wire, in and out separately: tshark reads what came in at each place.
capture() { background "$1" tcpdump -q -i eth0 -Q in -w "$RUN/$2.pcap" -U -s 0 -B 65536 ether proto 0x8100 or udp 2> "$RUN/$2.log"; }
capture "$ta" trunk; capture "$tb" b; capture "$tc" c
for place in trunk b c; do wait_for 10 grep -q 'listening on' "$RUN/$place.log"; done

# send NS SOURCE DESTINATION SPORT TAGS...: numbered UDP datagrams (the number is the destination port), 200 a second or so: a
# port's queue holds 512
cat > "$RUN/send.py" <<'PYTHON'
import sys, time
from scapy.all import Dot1Q, Ether, IP, Raw, UDP, conf
source, destination, sport, count, tags = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5:]
socket = conf.L2socket(iface="eth0")
for number in range(count):
    frame = Ether(src=source, dst=destination)
    for tag in tags:
        frame = frame / Dot1Q(vlan=int(tag))
    frame = frame / IP(src="10.9.0.1", dst="10.9.0.2") / UDP(sport=sport, dport=10000 + number) / Raw(b"x" * 64)
    socket.send(bytes(frame))
    time.sleep(0.004)
PYTHON
send() { in_ns "$1" /usr/bin/python3 "$RUN/send.py" "${@:2:3}" "$FRAMES" "${@:5}"; }

A=02:00:00:00:77:01 B=02:00:00:00:77:02
# Everybody is heard once, so that the rest is unicast; then both tenants at the same time, each way.
FRAMES=1 send "$ta" $A ff:ff:ff:ff:ff:ff 9 100; FRAMES=1 send "$ta" $A ff:ff:ff:ff:ff:ff 9 200
FRAMES=1 send "$tb" $B ff:ff:ff:ff:ff:ff 9; FRAMES=1 send "$tc" $B ff:ff:ff:ff:ff:ff 9
learned() { [ "$(field '[.[] | [.network, .mac, .tunnel // .port, .vlan] | map(tostring) | join(" ")] | sort | join(", ")' show paths | tr , '\n' | grep -c 77:0)" = 4 ]; }
wait_for 10 learned || { ctl show paths; fail "not all four stations were learned"; }
[ "$(field ".[] | select(.network == \"red\" and .mac == \"$A\") | \"\(.port) \(.vlan)\"" show paths)" = "trunk 200" ] || { ctl show paths; fail "show paths does not say where"; }
send "$ta" $A $B 1100 100 & first=$!
send "$ta" $A $B 1200 200 & second=$!
wait $first $second
send "$tb" $B $A 2100 & first=$!
send "$tc" $B $A 2200 & second=$!
wait $first $second
# QinQ: the inner tag is data, in both directions; a VLAN of nobody, and no VLAN, go nowhere.
FRAMES=20 send "$ta" $A $B 1107 100 7
FRAMES=20 send "$tb" $B $A 2107 7
FRAMES=20 send "$ta" $A $B 1300 300
FRAMES=20 send "$ta" $A $B 1400
sleep 1
for pid in "${HELPERS[@]}"; do kill "$pid" 2> /dev/null || true; wait "$pid" 2> /dev/null || true; done
HELPERS=()

# count PLACE FILTER: different numbers among the frames there that tshark shows by it
count() { tshark -r "$RUN/$1.pcap" -Y "$2" -T fields -e udp.dstport 2> /dev/null | sort -u | wc -l; }
expect() { local got; got=$(count "$2" "$3"); [ "$got" = "$1" ] || { tshark -r "$RUN/$2.pcap" -c 20 2> /dev/null; fail "at $2, '$3': $got frames, expected $1"; }; }
expect "$FRAMES" b "udp.srcport == 1100 && !vlan"
expect "$FRAMES" c "udp.srcport == 1200 && !vlan"
expect 0 b "udp.srcport == 1200"
expect 0 c "udp.srcport == 1100"
expect "$FRAMES" trunk "udp.srcport == 2100 && vlan.id == 100 && vlan.priority == 0 && vlan.etype == 0x0800"
expect "$FRAMES" trunk "udp.srcport == 2200 && vlan.id == 200 && vlan.priority == 0 && vlan.etype == 0x0800"
expect 0 trunk "udp.srcport == 2100 && !(vlan.id == 100)"
expect 0 trunk "udp.srcport == 2200 && !(vlan.id == 200)"
expect 20 b "udp.srcport == 1107 && vlan.id == 7 && vlan.etype == 0x0800"
expect 20 trunk "udp.srcport == 2107 && vlan.id == 100 && vlan.id == 7"
expect 0 c "udp.srcport == 1107"
for place in b c; do expect 0 "$place" "udp.srcport == 1300 || udp.srcport == 1400"; done
[ "$(drops unknown_vlan)" -ge 40 ] || { ctl show stats; fail "what is in no VLAN was not counted"; }

# A static path names the VLAN.
ctl path add blue 02:00:00:00:77:05 port trunk vlan 100
[ "$(field '.[] | select(.mac == "02:00:00:00:77:05") | "\(.origin) \(.port) \(.vlan)"' show paths)" = "static trunk 100" ] ||
  { ctl show paths; fail "the static path is not behind the VLAN"; }
ctl path add blue 02:00:00:00:77:06 port trunk 2> "$RUN/path" && fail "a path to the trunk as a whole"
grep -q 'its ports: VLAN 100 of port trunk' "$RUN/path" || { cat "$RUN/path"; fail "path add says something else"; }
ctl path del blue 02:00:00:00:77:05

# VLAN 200 goes, VLAN 300 comes; 100 stays as it is.
sed -i 's/vlan: 200/vlan: 300/' "$RUN/culvert.yaml"
ctl reload
[ "$(field "[.[] | select(.network == \"red\" and .port != null)] | length" show paths)" = 0 ] || fail "rows of a VLAN that is gone"
[ "$(field "[.[] | select(.network == \"blue\" and .vlan == 100)] | length" show paths)" = 1 ] || fail "rows of another VLAN are gone"
sed -i 's/{port: trunk, vlan: 300}/trunk/' "$RUN/culvert.yaml"
ctl reload 2> "$RUN/reload" && fail "a port both as a whole and by its VLANs"
grep -q 'a port is a member as a whole or by its VLANs' "$RUN/reload" || { cat "$RUN/reload"; fail "reload says something else"; }
stop_culvert TERM || fail "culvert exit status $?"
say "trunk: two tenants, $FRAMES frames each way, complete and apart: ok"
