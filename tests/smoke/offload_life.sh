#!/bin/bash
# The life of offloaded flows: whatever takes the tunnel's next hop away takes its rules out of the NIC, and they come
# back with it; a station that moves takes its rules along.
. "$(dirname "$0")/lib.sh"
with_eswitch profile=mlx5 || { say "skipped: the embedded switch was not built"; exit 77; }

topology
config > "$RUN/culvert.yaml"
echo "flows: [{name: all, port: tenant, match: {ipv4_dst: 10.7.0.9}, tunnel: vx100}]" >> "$RUN/culvert.yaml"
start_culvert "${ESWITCH[@]}"
ctl wait 10 tunnel vx100
kernel() { in_ns "$gw" ip "$@"; }
states() { field '[.[] | .state] | unique | join(" ")' show flows; }
in_hardware() { field '.[0].in_hardware' show encaps; }
paths() { field '[.[] | select(.source == "path") | .name] | length' show flows; }
leaves() {
  ctl wait 10
  [ "$(in_hardware)" = false ] || fail "its header is in the NIC: $1"
  [ "$(field '.[] | select(.name == "all") | .state' show flows)" = pending ] || { ctl show flows; fail "not pending: $1"; }
  ctl verify >/dev/null || { ctl verify; fail "verify finds something: $1"; }
}
# The NIC carries again, and the workers nothing but what is for everybody.
returns() {
  ctl wait 15 tunnel vx100 || fail "did not heal after: $1"
  ping_all "$ta" 10.7.0.2 -c 3 -i 0.2  # who is where is learned anew if it was forgotten
  ctl wait 10
  [ "$(states)" = offloaded ] || { ctl show flows; fail "not all flows are offloaded after: $1"; }
  [ "$(in_hardware)" = true ] || fail "its header is not in the NIC after: $1"
  local before after
  before=$(field '.encapsulated + .decapsulated - .flooded' show stats)
  ping_all "$ta" 10.7.0.2
  after=$(field '.encapsulated + .decapsulated - .flooded' show stats)
  [ $((after - before)) -le 4 ] || fail "the workers carried $((after - before)) packets after: $1"
  ctl verify >/dev/null || { ctl verify; fail "verify finds something after: $1"; }
}
ping_all "$tb" 10.7.0.1 -c 3
returns 'start'

kernel address del 192.0.2.1/24 dev uplink0
expect_reason 'no local address'
leaves 'address deleted'
kernel address add 192.0.2.1/24 dev uplink0
returns 'address deleted'

kernel link set uplink0 down
expect_reason 'no route\|link down\|no local address'
leaves 'link down'
kernel link set uplink0 up
returns 'link down'

kernel route add unreachable 192.0.2.2/32
expect_reason 'unreachable route 192.0.2.2/32'
leaves 'unreachable'
kernel route del unreachable 192.0.2.2/32
returns 'unreachable'

in_ns "$un" ip link set to-gw down
expect_reason 'link down'
leaves 'carrier lost'
in_ns "$un" ip link set to-gw up
returns 'carrier lost'

# The route moves to another next hop: one rule is made and one goes.
in_ns "$peer" sysctl -qw net.ipv4.ip_forward=1
in_ns "$peer" ip link add mv0 link eth0 type macvlan mode bridge
in_ns "$peer" ip address add 192.0.2.3/24 dev mv0
in_ns "$peer" ip link set mv0 up
in_ns "$peer" sysctl -qw net.ipv4.conf.all.arp_ignore=1
kernel neighbour replace 192.0.2.3 dev uplink0 lladdr "$(mac_of "$peer" mv0)" nud permanent
ctl wait 10
rules() { field '"\(.rules.created) \(.rules.destroyed)"' show stats; }
before=$(rules)
kernel route add 192.0.2.2/32 via 192.0.2.3
moved() { [ "$(field '.[0].via' show encaps)" = 192.0.2.3 ]; }
wait_for 10 moved || fail "the encap did not follow the route"
ctl wait 10
[ "$(rules)" = "$(echo "$before" | awk '{print $1 + 1, $2 + 1}')" ] || fail "a route that moves cost $before -> $(rules)"
[ "$(field '.[0].dst_mac' show encaps)" = "$(mac_of "$peer" mv0)" ] || fail "not the new next hop's MAC"
returns 'route moved'
kernel route del 192.0.2.2/32 via 192.0.2.3
returns 'route moved back'

# Tenant B's station appears behind the tenant's port, and goes back behind the tunnel.
[ "$(paths)" -ge 1 ] || fail "no path is offloaded"
mac_b=$(mac_of "$tb" eth0)
speak() {  # NS: one frame of B's station from there
  in_ns "$1" /usr/bin/python3 - "$mac_b" <<'PY'
import sys
from scapy.all import Ether, sendp
sendp(Ether(src=sys.argv[1], dst="02:00:00:00:00:77", type=0x88b5) / (b"x" * 46), iface="eth0", verbose=False)
PY
}
where() { field ".[] | select(.mac == \"$mac_b\") | .port // .tunnel" show paths; }
is_at() { [ "$(where)" = "$1" ]; }
kinds() { field "[.[] | select(.name | endswith(\"$mac_b\")) | .source] | join(\" \")" show flows; }
speak "$ta"
wait_for 5 is_at tenant || fail "the station's move was not learned: $(where)"
ctl wait 10
[ "$(kinds)" = decap ] || fail "its rules did not move: $(kinds)"
speak "$tb"
wait_for 5 is_at vx100 || fail "the station's way back was not learned: $(where)"
ctl wait 10
[ "$(kinds)" = path ] || fail "its rules did not move back: $(kinds)"
returns 'station moved'
stop_culvert TERM || fail "culvert did not stop cleanly"
say "life of offloaded flows: ok"
