#!/bin/bash
# The peer's MAC changes under traffic. After the event nothing goes to the old one; ping loses no more than between two
# plain kernels in the same set-up.
. "$(dirname "$0")/lib.sh"

topology
start_culvert
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2

# The plain kernels: gw and peer themselves, over the same wire.
pings() { ip netns exec "$1" ping -q -i 0.05 -c 160 "$2" > "$3" & }
lost() { awk '/packets transmitted/ { print $1 - $4 }' "$1"; }
pings "$ta" 10.7.0.2 "$RUN/culvert.ping"; one=$!
pings "$gw" 192.0.2.2 "$RUN/kernel.ping"; two=$!
HELPERS+=("$one" "$two")
sleep 1

old=$(mac_of "$peer" eth0)
new=02:00:00:00:aa:02
in_ns "$peer" ip link set eth0 address "$new"
followed() { peer_speaks; [ "$(field '.[0].dst_mac' show encaps)" = "$new" ]; }
wait_for 10 followed || fail "the MAC change was not followed"
background "$un" tcpdump -q --immediate-mode -i to-gw -w "$RUN/after.pcap" -U \
  "udp port 4789 and ether src $(mac_of "$gw" uplink0)" 2>/dev/null
dump=$!
sleep 1.5
captured() { tshark -r "$RUN/after.pcap" 2>/dev/null | wc -l; }
enough() { [ "$(captured)" -gt 10 ]; }
wait_for 5 enough || fail "only $(captured) packets seen after the change"
kill "$dump"; wait "$dump" 2>/dev/null || true
wait "$one" || true
wait "$two" || true

stale=$(tshark -r "$RUN/after.pcap" -Y "eth.dst[0:6] == $old" 2>/dev/null | wc -l)
all=$(captured)
[ "$stale" = 0 ] || fail "$stale of $all packets went to the old MAC after the change was handled"
culvert_lost=$(lost "$RUN/culvert.ping") kernel_lost=$(lost "$RUN/kernel.ping")
say "lost: through culvert $culvert_lost, between plain kernels $kernel_lost, of 160 pings each"
# One ping interval of difference is the scheduling of two pings, no loss of culvert's.
[ "$culvert_lost" -le $((kernel_lost + 1)) ] || fail "culvert loses more than the kernels"
ping_all "$ta" 10.7.0.2
stop_culvert TERM || fail "culvert exit status $?"
