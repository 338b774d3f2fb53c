#!/bin/bash
# A neighbour that only the NIC talks to is kept alive, an idle one ages, and the operator's are left alone. The
# kernel's timers are shortened: REACHABLE lasts 1 to 3 s, DELAY 0.5 s.
# (Where REACHABLE is the shorter, the kernel itself probes an idle entry for ever.) LOOKS: for how many tenths of a second.
. "$(dirname "$0")/lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }
LOOKS=${LOOKS:-80}

topology
in_ns "$gw" ip ntable change name arp_cache dev uplink0 base_reachable 2000 delay_probe 500 retrans 200
# A peer that never asks, so that the gateway's kernel learns nothing from it.
silence() { in_ns "$peer" ip neighbour replace 192.0.2.1 lladdr "$(mac_of "$gw" uplink0)" dev eth0; }
silence
in_ns "$peer" ip address add 192.0.2.5/24 dev eth0
start_culvert "${ESWITCH[@]}" "--trace=culvert.offload.*" --trace-dir "$RUN"
# Only now: a net_af_packet port sets its own MAC when it starts, and the kernel forgets all neighbours.
in_ns "$gw" ip neighbour add 192.0.2.3 dev uplink0 lladdr 02:00:00:00:00:03 nud permanent
in_ns "$gw" ip neighbour add 192.0.2.4 dev uplink0 lladdr 02:00:00:00:00:04 nud stale extern_learn
in_ns "$gw" ip neighbour add 192.0.2.5 dev uplink0 managed
for i in 3 4 5; do
  ctl tunnel add "vx$i" type vxlan vni "$i" local 192.0.2.1 remote "192.0.2.$i"
  ctl flow add "to$i" port tenant match ipv4_dst "10.7.0.10$i" tunnel "vx$i"
  in_ns "$ta" ip neighbour add "10.7.0.10$i" dev eth0 lladdr "02:00:00:00:01:0$i"
done
ctl wait 10
ping_all "$ta" 10.7.0.2
ctl wait 10
[ "$(field '[.[] | .state] | unique | join(" ")' show flows)" = offloaded ] || fail "not all flows are offloaded"
worker_packets() { field '.encapsulated - .flooded' show stats; }

# What the kernel says of a neighbour; and of one that is used, seconds ago: used, confirmed, updated.
neighbour() { in_ns "$gw" ip "${2:--d}" neighbour show "$1" dev uplink0; }
permanent=$(neighbour 192.0.2.3)
learned=$(neighbour 192.0.2.4)
confirmed() { neighbour 192.0.2.2 -s | sed -n 's|.* used [0-9]*/\([0-9]*\)/.*|\1|p'; }

for i in 2 103 104 105; do background "$ta" ping -q -i 0.05 "10.7.0.$i" > /dev/null; done
workers=$(worker_packets) oldest=0
for _ in $(seq "$LOOKS"); do
  sleep 0.1
  state=$(neighbour 192.0.2.2)
  case $state in *REACHABLE*|*STALE*|*DELAY*|*PROBE*) ;; *) fail "the neighbour in use: '$state'" ;; esac
  age=$(confirmed)
  [ "$age" -le "$oldest" ] || oldest=$age
  neighbour 192.0.2.5 | grep -q 'managed' || fail "the managed neighbour: $(neighbour 192.0.2.5)"
done
[ $(($(worker_packets) - workers)) -le 10 ] || fail "the workers carried packets"
# At most 3 s REACHABLE, 0.5 s DELAY, and the ways there and back; ip counts whole seconds.
[ "$oldest" -le 5 ] || fail "confirmed only after $oldest s"
[ "$(neighbour 192.0.2.3)" = "$permanent" ] || fail "the permanent neighbour: $(neighbour 192.0.2.3)"
[ "$(neighbour 192.0.2.4)" = "$learned" ] || fail "the learned neighbour: $(neighbour 192.0.2.4)"

# The peer's MAC changes and it says nothing: found when the kernel's probes stay without an answer. (With its
# MAC a link forgets its neighbours; while the tunnel is down nothing asks for them.)
in_ns "$peer" ip link set vxlan100 down
in_ns "$peer" ip link set eth0 address 02:00:00:00:aa:02
silence
in_ns "$peer" ip link set vxlan100 up
start=$(date +%s%N)
followed() { [ "$(field '.[] | select(.tunnel == "vx100") | .dst_mac' show encaps)" = 02:00:00:00:aa:02 ]; }
wait_for 15 followed || fail "the silent peer's new MAC was not found"
found_ms=$((($(date +%s%N) - start) / 1000000))

# Without traffic it becomes STALE, and stays so: NTF_USE would make it DELAY. (A second for the last look.)
in_ns "$ta" ip link set eth0 down
in_ns "$tb" ip link set eth0 down
sleep 1
is_stale() { neighbour 192.0.2.2 | grep -q STALE; }
wait_for 15 is_stale || fail "an idle neighbour: $(neighbour 192.0.2.2)"
for _ in $(seq 30); do
  sleep 0.1
  is_stale || fail "an idle neighbour was used: $(neighbour 192.0.2.2)"
done
ctl flow del to3
ctl wait 10
stop_culvert TERM || fail "culvert did not stop cleanly"

# What was traced of it.
babeltrace2 "$(dirname "$RUN"/*/metadata)" > "$RUN/trace.txt" 2> "$RUN/trace.err" || { cat "$RUN/trace.err"; fail "babeltrace2 cannot read the traces"; }
traced() { grep -Eq "culvert\.offload\.$1: .*$2" "$RUN/trace.txt" || { tail -n 20 "$RUN/trace.txt"; fail "no trace of $1 with $2"; }; }
traced flow_add 'name = "to3"'
traced flow_del 'name = "to3"'
traced neigh_update 'mac = "02:00:00:00:aa:02"'
traced neigh_used 'encap = 0x[0-9A-F]+, packets = 0x'
say "keepalive: ok (confirmed at the latest after $oldest s, a silent peer's new MAC found after $found_ms ms)"
