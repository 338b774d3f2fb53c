#!/bin/bash
# An l3 network: tenant A's subnet behind culvert and tenant B's behind a kernel that routes into its own vxlan device.
# The routes are the kernel's (table main) and the configuration's; what becomes of them, of nexthop objects and of
# neighbours is seen by the next packet.
#
#   $ta 10.1.0.2 ---- 10.1.0.1 tenant0 $gw uplink0 192.0.2.1 ---- $un ---- 192.0.2.2 .3 $peer 10.2.0.1 ---- 10.2.0.2 $tb
. "$(dirname "$0")/l3_lib.sh"

l3_topology
in_ns "$gw" ip ntable change name ndisc_cache dev tenant0 base_reachable 2000 delay_probe 500 retrans 200
background "$un" tcpdump -q -i to-gw -w "$RUN/underlay.pcap" -s 0 -U udp port 4789 2>/dev/null
l3_config > "$RUN/culvert.yaml"
start_culvert
ctl wait 10 tunnel vx200
ctl wait 10 tunnel vx201

# Both ways, both families. The first packets wait for a MAC, which the kernel is asked for.
wait_for 10 in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 || fail "A does not reach B"
wait_for 10 in_ns "$tb" ping -q -c 1 -W 1 fd01::2 || fail "B does not reach A by IPv6"
ping_all "$ta" 10.2.0.2
ping_all "$tb" 10.1.0.2
ping_all "$ta" fd02::2
ping_all "$tb" fd01::2
ping_all "$ta" 10.2.0.2 -s 1372 -M do -c 3  # 1400 bytes: 50 more fit
# The kernel is at home at its own addresses.
ping_all "$ta" 10.1.0.1
ping_all "$ta" fd01::1
[ "$(field '.exceptions > 20' show stats)" = true ] || fail "the kernel's packets are not counted as such"

# One hop less, and the Ethernet header of the tunnel: seen on the wire. The peer's kernel takes one more.
headers() {
  tshark -r "$RUN/underlay.pcap" -Y 'icmp.type == 8 and ip.src == 10.1.0.2' -o ip.check_checksum:TRUE -T fields \
    -e vxlan.vni -e eth.dst -e eth.src -e ip.ttl -e ip.checksum.status 2>/dev/null | sort -u
}
wanted=$(printf '200\t%s,02:00:00:00:07:01\t%s,02:00:00:00:07:02\t64,63\t1,1' "$(mac_of "$peer" eth0)" "$(mac_of "$gw" uplink0)")
[ "$(headers)" = "$wanted" ] || { headers; say "$wanted"; fail "the inner headers are not what they should be"; }
in_ns "$ta" ping -c 1 10.2.0.2 | grep -q 'ttl=62' || fail "the way back does not take two hops"

# Its last hop is here.
expired=$(drops ttl_expired)
in_ns "$ta" ping -q -c 3 -i 0.02 -W 1 -t 1 10.2.0.2 >/dev/null && fail "a packet with TTL 1 came through"
[ "$(drops ttl_expired)" = $((expired + 3)) ] || fail "expired packets are not counted"

# drops_as REASON ADDRESS [TENANT]: what goes there is dropped as such
drops_as() {
  ctl wait 10
  local before; before=$(drops "$1")
  in_ns "${3:-$ta}" ping -q -c 3 -i 0.02 -W 1 "$2" >/dev/null 2>&1 && fail "$2 answers"
  [ "$(drops "$1")" = $((before + 3)) ] || { ctl show stats; fail "packets to $2 are not counted as $1"; }
}
in_ns "$gw" ip route add blackhole 10.2.9.0/24
drops_as route_blackhole 10.2.9.1
in_ns "$gw" ip route replace unreachable 10.2.9.0/24
drops_as route_unreachable 10.2.9.1
in_ns "$gw" ip route replace prohibit 10.2.9.0/24
drops_as route_prohibit 10.2.9.1
in_ns "$gw" ip route del 10.2.9.0/24
drops_as no_route 10.99.0.1
drops_as hop_elsewhere 192.0.2.77  # the underlay is no port of the network
drops_as neighbour_unresolved 10.1.0.77 "$tb"

# sent TUNNEL: packets that it has carried; went_to TUNNEL ADDRESS: three more go there
sent() { field ".[] | select(.tunnel == \"$1\") | .packets" show encaps; }
went_to() {
  ctl wait 10
  local before; before=$(sent "$1")
  in_ns "$ta" ping -q -c 3 -i 0.02 -W 1 "$2" >/dev/null 2>&1 || true
  [ "$(sent "$1")" -ge $((before + 3)) ] || { ctl show encaps; fail "packets to $2 do not go into $1"; }
}

# Two ways, weighted three to one: each flow keeps to one.
in_ns "$gw" ip route add 10.3.0.0/16 nexthop via 192.0.2.2 weight 3 nexthop via 192.0.2.3 weight 1
ctl wait 10
one=$(sent vx200) other=$(sent vx201)
in_ns "$ta" /usr/bin/python3 -c '
import socket, time
for flow in range(400):
    time.sleep(0.005)  # the receive ring of a port holds 512
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    for _ in range(2):
        s.sendto(b"x", ("10.3.0.%d" % (flow % 200 + 1), 9))
    s.close()'
shared() { [ $(($(sent vx200) - one + $(sent vx201) - other)) -ge 800 ]; }
wait_for 5 shared || fail "not all packets went into the tunnels"
one=$(($(sent vx200) - one)) other=$(($(sent vx201) - other))
[ "$one" -gt 480 ] && [ "$other" -gt 100 ] || fail "$one and $other of 800 packets are not three to one"

# A nexthop object under a thousand routes: one event moves them all.
in_ns "$gw" ip nexthop add id 7 via 192.0.2.2 dev uplink0
seq 0 999 | awk '{ printf "route add 10.4.%d.%d/32 nhid 7\n", $1 / 250, $1 % 250 }' | in_ns "$gw" ip -batch -
went_to vx200 10.4.0.1
in_ns "$gw" ip nexthop replace id 7 via 192.0.2.3 dev uplink0
went_to vx201 10.4.0.1
went_to vx201 10.4.3.249
in_ns "$gw" ip nexthop replace id 7 blackhole
drops_as route_blackhole 10.4.0.1
in_ns "$gw" ip nexthop del id 7
drops_as no_route 10.4.3.249

# A tenant's MAC changes.
in_ns "$ta" ip link set eth0 address 02:00:00:00:0a:99
in_ns "$gw" ip neighbour replace 10.1.0.2 dev tenant0 lladdr 02:00:00:00:0a:99 nud reachable
ctl wait 10
ping_all "$tb" 10.1.0.2
# Of IPv6 nobody says so: the kernel is told that the old one is in use, and finds out.
wait_for 30 in_ns "$tb" ping -q -c 1 -W 1 fd01::2 || fail "A's new MAC is not found out"

# Routes of the configuration come before the kernel's, and only what differs is touched by a reload.
l3_config '{prefix: 10.2.0.2/32, tunnel: vx201}' '{prefix: 10.5.0.0/16, tunnel: vx201}' > "$RUN/culvert.yaml"
in_ns "$gw" ip route add 10.2.0.2/32 via 192.0.2.2
ctl reload
went_to vx201 10.2.0.2
went_to vx201 10.5.0.1
sed 's/10.5.0.0/10.5.0.1/' "$RUN/culvert.yaml" > "$RUN/bad.yaml"
cp "$RUN/culvert.yaml" "$RUN/good.yaml"
cp "$RUN/bad.yaml" "$RUN/culvert.yaml"
ctl reload 2> "$RUN/reload.err" && fail "a bad configuration was taken"
grep -q 'no bits set behind' "$RUN/reload.err" || fail "$(cat "$RUN/reload.err")"
went_to vx201 10.5.0.1
l3_config > "$RUN/culvert.yaml"
ctl reload
went_to vx200 10.2.0.2
drops_as no_route 10.5.0.1
ping_all "$ta" 10.2.0.2

# The network becomes an l2 one and goes; then it is there again.
sed '/networks:/,$d' "$RUN/culvert.yaml" > "$RUN/none.yaml"
cp "$RUN/culvert.yaml" "$RUN/good.yaml"
cp "$RUN/none.yaml" "$RUN/culvert.yaml"
ctl reload
in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 >/dev/null && fail "a network that is gone routes on"
cp "$RUN/good.yaml" "$RUN/culvert.yaml"
ctl reload
wait_for 10 in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 || fail "the network that is back does not route"
ping_all "$tb" fd01::2
stop_culvert TERM || fail "culvert exit status $?"
say "l3: ok"
