#!/bin/bash
# Two workers, a flow's two directions on different ones: once learned nothing is flooded, and a station that moves from
# one tunnel to another is followed by both.
. "$(dirname "$0")/lib.sh"

topology
# A second peer, in its own namespace on the same underlay, with the station's second home.
peer2=$NS-peer2
NAMESPACES+=("$peer2")
namespace "$peer2"
wire "$peer2" eth0 "$un" to-peer2
in_ns "$un" ip link set to-peer2 master br0
in_ns "$peer2" ip address add 192.0.2.3/24 dev eth0
wire "$tb" eth1 "$peer2" tenant0
kernel_vtep "$peer2" 100 192.0.2.3 192.0.2.1 tenant0
in_ns "$tb" ip link set eth1 mtu 1450

cat > "$RUN/culvert.yaml" <<'YAML'
ports:
  - {name: uplink, ethdev: net_af_packet0, netdev: uplink0}
  - {name: tenant, ethdev: net_af_packet1}
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
  - {name: vx100b, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.3}
networks:
  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100, vx100b]}
YAML
LCORES=0@0,1@0,2@1 start_culvert
ctl wait 10 tunnel vx100
ctl wait 10 tunnel vx100b
[ "$(field '[.lcores[] | select(.role == "worker")] | length' show stats)" = 2 ] || fail "expected two workers"

ping_all "$ta" 10.7.0.2
both() { [ "$(field '[.lcores[] | select(.role == "worker" and .rx > 10)] | length' show stats)" = 2 ]; }
both || { ctl show stats; fail "one worker does all the work"; }

# The stations are known: what goes to the second peer stands still while they talk.
sent() { field ".[] | select(.tunnel == \"$1\") | .packets" show encaps; }
mac=$(mac_of "$tb" eth0)
where() { field ".[] | select(.mac == \"$mac\") | .tunnel" show paths; }
[ "$(where)" = vx100 ] || { ctl show paths; fail "the station is not known at vx100"; }
before=$(sent vx100b)
flooded=$(field .flooded show stats)
in_ns "$ta" ping -q -c 200 -i 0.005 10.7.0.2 >/dev/null
after=$(sent vx100b)
[ $((after - before)) -le 3 ] || fail "flooded $((after - before)) packets of known stations to the second tunnel"
flooded=$(($(field .flooded show stats) - flooded))
[ "$flooded" -le 20 ] || fail "flooded $flooded frames while 200 pings went between known stations"

# The station moves: same MAC and address behind the other peer.
in_ns "$tb" ip link set eth0 down
in_ns "$tb" ip address flush dev eth0
in_ns "$tb" ip link set eth1 address "$mac"
in_ns "$tb" ip address add 10.7.0.2/24 dev eth1
in_ns "$tb" ping -q -c 3 -i 0.2 10.7.0.1 >/dev/null || true
moved() { [ "$(where)" = vx100b ]; }
wait_for 5 moved || { ctl show paths; fail "the move was not learned"; }
before=$(sent vx100)
ping_all "$ta" 10.7.0.2
ping_all "$tb" 10.7.0.1
after=$(sent vx100)
[ $((after - before)) -le 3 ] || fail "$((after - before)) packets still went to the old tunnel"
stop_culvert TERM || fail "culvert exit status $?"
