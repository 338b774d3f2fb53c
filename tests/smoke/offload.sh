#!/bin/bash
# The NIC carries: on an embedded switch in software the workers' counters stand still while ping and iperf3 run
# both ways against the kernel's vxlan device, before, during and after a change of the peer's MAC.
. "$(dirname "$0")/lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }

topology
config > "$RUN/culvert.yaml"
start_culvert "${ESWITCH[@]}"
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2
ping_all "$tb" 10.7.0.1
ctl wait 10

# Both stations are known, and where they are is in the NIC.
flow_states() { field '[.[] | .state] | unique | join(" ")' show flows; }
[ "$(flow_states)" = offloaded ] || { ctl show flows; fail "not all flows are offloaded"; }
[ "$(field '[.[] | .source] | unique | join(" ")' show flows)" = "decap path" ] || fail "sources of flows"
[ "$(field '.[0].in_hardware' show encaps)" = true ] || fail "the encap is not in hardware"
ctl verify >/dev/null || { ctl verify; fail "verify finds something"; }

# What the workers do meanwhile: nothing but to flood what is for everybody (ARP, neighbour discovery).
worker_packets() { field '.encapsulated + .decapsulated - .flooded' show stats; }
hardware_packets() { field '.[0].packets' show encaps; }
still() {
  local before after carried=$1; shift
  before=$(worker_packets); local hardware=$(hardware_packets)
  "$@"
  told() { [ $(($(hardware_packets) - hardware)) -ge "$carried" ]; }
  wait_for 5 told || fail "$1: the NIC carried too little"
  after=$(worker_packets)
  [ $((after - before)) -le 4 ] || fail "$1: the workers carried $((after - before)) packets"
}
many_pings() { ping_all "$ta" 10.7.0.2 -i 0.01 -c 200; }
still 200 many_pings

# The peer has another MAC. What it loses until the kernel has noticed is the kernel's; the workers carry nothing of it.
followed() { peer_speaks; [ "$(field '.[0].dst_mac' show encaps)" = 02:00:00:00:aa:02 ]; }
new_mac() {
  in_ns "$ta" ping -q -i 0.02 -c 300 10.7.0.2 > "$RUN/ping.out" &
  local ping=$!
  sleep 1
  in_ns "$peer" ip link set eth0 address 02:00:00:00:aa:02
  wait_for 10 followed || fail "culvert did not follow the MAC change"
  wait "$ping" || { cat "$RUN/ping.out"; fail "no ping was answered"; }
  ctl wait 10
}
still 200 new_mac
still 200 many_pings
ctl verify >/dev/null || { ctl verify; fail "verify finds something after the MAC change"; }

# A neighbour that goes takes its rule along, and gives it back.
in_ns "$gw" ip neighbour replace 192.0.2.2 dev uplink0 lladdr 02:00:00:00:aa:02 nud permanent
ctl wait 10
in_ns "$gw" ip neighbour del 192.0.2.2 dev uplink0
in_ns "$gw" ip neighbour replace 192.0.2.2 dev uplink0 lladdr 02:00:00:00:aa:02 nud permanent
ctl wait 10 tunnel vx100
still 200 many_pings

# Explicit flows, and what they were told by the NIC.
ctl flow add web port tenant match ip_proto tcp l4_dst 80 tunnel vx100 priority 10
ctl wait 10
[ "$(field '.[0].state' show flows web)" = offloaded ] || { ctl flow explain web; fail "web is not offloaded"; }
ctl flow explain web | grep -q tagged || fail "explain names the layout"
ctl flow del web

# What the NIC does not see costs it nothing: the tunnel's MTU.
rules_made() { field .rules.created show stats; }
before=$(rules_made)
in_ns "$gw" ip link set uplink0 mtu 1480
narrow() { [ "$(field '.[0].mtu' show encaps)" = 1480 ]; }
wait_for 5 narrow || fail "the encap's MTU did not follow the link's"
ctl wait 10
[ "$(rules_made)" = "$before" ] || fail "an MTU made rules"
in_ns "$gw" ip link set uplink0 mtu 1500

# `reload` of what stays the same touches no rule; of the layout, or of the whole offload, loses no packet.
ctl reload
ctl wait 10
[ "$(rules_made)" = "$before" ] || fail "a reload of the same made rules"
before=$(replies "$ta")
in_ns "$ta" ping -q -i 0.005 -c 1000 10.7.0.2 > "$RUN/reload.ping" &
PING=$!
for offload in "layout: flat" "layout: tagged" "mode: off" "mode: auto"; do
  sleep 0.5
  { config; echo "offload: {$offload}"; } > "$RUN/culvert.yaml"
  ctl reload
  ctl wait 10
  ctl verify >/dev/null || { ctl verify; fail "verify finds something with $offload"; }
  case $offload in
    "mode: off") [ "$(flow_states)" = software ] || fail "rules with offload.mode off" ;;
    *) [ "$(flow_states)" = offloaded ] || { ctl show flows; fail "not all flows are offloaded with $offload"; } ;;
  esac
done
wait "$PING" || fail "no ping was answered"
all_answered "$ta" "$before" "$RUN/reload.ping" || fail "a reload of offload lost pings"
still 200 many_pings
stop_culvert TERM || fail "culvert did not stop cleanly"
say "offload: ok"
