#!/bin/bash
# The tunnel follows the kernel's tables: each reason why it has no next hop is told, and heals when it is undone.
. "$(dirname "$0")/lib.sh"

topology
start_culvert
ctl wait 10 tunnel vx100
kernel() { in_ns "$gw" ip "$@"; }
heals() { ctl wait 15 tunnel vx100 || fail "did not heal after: $1"; ping_all "$ta" 10.7.0.2 -c 3 -i 0.2; }

kernel address del 192.0.2.1/24 dev uplink0
expect_reason 'no local address'
kernel address add 192.0.2.1/24 dev uplink0
heals 'address deleted'

kernel link set uplink0 down
expect_reason 'no route\|link down\|no local address'
kernel link set uplink0 up
heals 'link down'

kernel route add blackhole 192.0.2.2/32
expect_reason 'blackhole route 192.0.2.2/32'
kernel route replace unreachable 192.0.2.2/32
expect_reason 'unreachable route 192.0.2.2/32'
kernel route del unreachable 192.0.2.2/32
heals 'blackhole'

kernel route del 192.0.2.0/24 dev uplink0
expect_reason 'no route to 192.0.2.2'
kernel route add 192.0.2.0/24 dev uplink0
heals 'route deleted'

# Policy rules lead elsewhere.
kernel rule add to 192.0.2.2 ipproto udp dport 4789 lookup 100 pref 10
kernel route add unreachable default table 100
expect_reason 'unreachable route 0.0.0.0/0'
kernel route add 192.0.2.2/32 dev uplink0 table 100
heals 'a route in the table of a rule'
kernel route del 192.0.2.2/32 dev uplink0 table 100
expect_reason 'unreachable route 0.0.0.0/0'
kernel rule del pref 10
heals 'policy rule'
[ "$(field '.rules' show mirror)" = 5 ] || fail "the mirror has not five rules"

# Carrier: the far end of the wire goes down.
in_ns "$un" ip link set to-gw down
expect_reason 'link down'
in_ns "$un" ip link set to-gw up
heals 'carrier lost'

# A route by a link that is no culvert port, and one into a kernel tunnel.
kernel link add other type veth peer name other-end
kernel link set other up
kernel link set other-end up
kernel route add 192.0.2.2/32 dev other
expect_reason 'not a culvert port: other'
kernel route del 192.0.2.2/32 dev other
heals 'not a culvert port'
kernel link add kvx type vxlan id 9 dstport 9999 local 192.0.2.1 remote 192.0.2.2
kernel link set kvx up
kernel route add 192.0.2.2/32 dev kvx
expect_reason 'loops back into a tunnel'
kernel link del kvx
heals 'loop'

# The neighbour fails: nobody answers for the remote any more.
in_ns "$peer" ip link set eth0 arp off
kernel neighbour flush dev uplink0
expect_reason 'neighbour \(unresolved\|failed\)'
failed() { ctl show neighbours json | jq -e '.[] | select(.ip == "192.0.2.2") | .nud == "failed"'; }
wait_for 15 failed || fail "the neighbour does not fail"
expect_reason 'neighbour failed'
before=$(drops neighbour_unresolved)
! in_ns "$ta" ping -q -c 3 -i 0.2 -W 1 10.7.0.2 >/dev/null || fail "an answer without a neighbour"
[ "$(drops neighbour_unresolved)" -gt "$before" ] || fail "packets without a neighbour are not counted as neighbour_unresolved"
in_ns "$peer" ip link set eth0 arp on
heals 'neighbour failed'

# A gateway, then another, then another link.
kernel address add 198.51.100.1/24 dev uplink0
in_ns "$peer" ip address add 198.51.100.2/24 dev eth0
kernel route add 192.0.2.2/32 via 198.51.100.2 dev uplink0
via() { [ "$(field '.[0].via' show encaps)" = "$1" ]; }
wait_for 10 via 198.51.100.2 || fail "the gateway is not followed"
in_ns "$peer" ip address add 198.51.100.3/24 dev eth0
kernel route replace 192.0.2.2/32 via 198.51.100.3 dev uplink0
wait_for 10 via 198.51.100.3 || fail "the second gateway is not followed"
heals 'gateway changed'
kernel route del 192.0.2.2/32 via 198.51.100.3

# What the operator made stays as it was, after all of it.
kernel neighbour replace 192.0.2.2 lladdr "$(mac_of "$peer" eth0)" nud permanent dev uplink0
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2
kernel neighbour replace 192.0.2.2 lladdr "$(mac_of "$peer" eth0)" nud stale extern_learn dev uplink0
ctl wait 10 tunnel vx100
before=$(kernel -d neighbour show 192.0.2.2 dev uplink0)
ping_all "$ta" 10.7.0.2 -c 50
sleep 3
after=$(kernel -d neighbour show 192.0.2.2 dev uplink0)
case $after in *extern_learn*) ;; *) fail "extern_learn was stripped: '$before' became '$after'" ;; esac
kernel neighbour replace 192.0.2.2 lladdr "$(mac_of "$peer" eth0)" nud permanent dev uplink0
kernel link set uplink0 down; kernel link set uplink0 up
kernel neighbour replace 192.0.2.2 lladdr "$(mac_of "$peer" eth0)" nud permanent dev uplink0
ctl wait 10 tunnel vx100
sleep 3
kernel -d neighbour show 192.0.2.2 dev uplink0 | grep -q PERMANENT || fail "the permanent neighbour is none any more"
stop_culvert TERM || fail "culvert exit status $?"
