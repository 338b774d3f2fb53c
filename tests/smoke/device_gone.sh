#!/bin/bash
# The kernel's link under 1,000 offloaded flows is deleted, and the NIC takes its time for each rule: first the tunnel is
# unresolved, then its rules leave, and its encap is in hardware until the last one has. Meanwhile another tunnel is
# deleted whose rules are still on their way out, and a third, over another link of the same NIC, carries all its traffic.
# The NIC takes 50 ms a rule until all has been looked at, then half a millisecond: no machine is too slow to see it.
. "$(dirname "$0")/lib.sh"
with_eswitch rep=net_af_packet2 || { say "skipped: the embedded switch was not built"; exit 77; }
ESWITCH=(--vdev net_af_packet2,iface=uplink1 "${ESWITCH[@]}" --log-level=culvert.offload:debug)
FLOWS=1000

# tenant A 10.8.0.1 ... uplink1 198.51.100.1 ---- 198.51.100.2 vxlan200 ... tenant B 10.8.0.2
topology
wire "$gw" uplink1 "$peer" eth1
wire "$tb" eth1 "$peer" tenant1
in_ns "$gw" ip address add 198.51.100.1/24 dev uplink1
in_ns "$peer" ip address add 198.51.100.2/24 dev eth1
in_ns "$ta" ip address add 10.8.0.1/24 dev eth0
in_ns "$tb" ip address add 10.8.0.2/24 dev eth1
in_ns "$tb" ip link set eth1 mtu 1450
kernel_vtep "$peer" 200 198.51.100.2 198.51.100.1 tenant1

cat > "$RUN/culvert.yaml" <<YAML
ports:
  - {name: uplink, ethdev: net_eswitch0, netdev: uplink0, kernel_path: bifurcated}
  - {name: tenant, ethdev: net_eswitch0_rep0}
  - {name: uplink1, ethdev: net_eswitch0_rep1, netdev: uplink1, kernel_path: bifurcated}
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
  - {name: vx200, type: vxlan, vni: 200, local: 198.51.100.1, remote: 198.51.100.2}
networks:
  - {name: blue, type: l2, ports: [tenant], tunnels: [vx200]}
offload: {mode: auto, layout: flat}  # tagged: only the rule of the slot would leave
flows:
YAML
for i in $(seq $FLOWS); do
  echo "  - {name: flow$i, port: tenant, match: {ipv4_dst: 10.9.$((i / 250)).$((i % 250))}, tunnel: vx100}"
done >> "$RUN/culvert.yaml"

start_culvert "${ESWITCH[@]}"
for tunnel in vx100 vx200; do ctl wait 60 tunnel $tunnel; done
ctl tunnel add vx101 type vxlan vni 101 local 192.0.2.1 remote 192.0.2.2
for i in $(seq 50); do echo "flow add brief$i port tenant match ipv4_dst 10.10.0.$i tunnel vx101"; done | ctl
ping_all "$ta" 10.8.0.2
ctl wait 60
# count FIELD VALUE SOURCE: flows of the tunnel or network whose FIELD is VALUE
count() { field "[.[] | select(.source == \"$3\" and .$1 == \"$2\")] | length" show flows; }
[ "$(count state offloaded config)" = $FLOWS ] || { ctl show flows | head; fail "not all flows are offloaded"; }
in_hardware() { field ".[] | select(.tunnel == \"$1\") | .in_hardware" show encaps; }
# slow US: how long the NIC takes for a rule
slow() { eswitch "faults,net_eswitch0,latency_us=$1" > /dev/null; }
worker_packets() { field '.encapsulated + .decapsulated - .flooded' show stats; }

# vx200's traffic, before, during and after.
replied=$(replies "$ta")
in_ns "$ta" ping -q -i 0.02 -c 300 10.8.0.2 > "$RUN/other.ping" & PING=$!
HELPERS+=("$PING")
sleep 0.5
workers=$(worker_packets) lines=$(wc -l < "$RUN/culvert.log")
slow 50000
background "$gw" ip link del uplink0  # the kernel tells at once and may come back late
is_unresolved() { ! is_resolved vx100; }
wait_for 30 is_unresolved || fail "the tunnel over the deleted link is resolved"
[ "$(in_hardware vx100)" = true ] || fail "the encap is not in hardware while its rules are on their way out"
say "unresolved: $(reason); rules in the NIC: $(field .rules.installed show stats)"
# A tunnel may go while its rules are on their way out, and its number be another's at once.
ctl flow flush
ctl tunnel del vx101
ctl tunnel add vx102 type vxlan vni 102 local 198.51.100.1 remote 198.51.100.2
ctl flow add next port tenant match ipv4_dst 10.10.0.1 tunnel vx102
[ "$(in_hardware vx100)" = true ] || fail "the encap is not in hardware while its rules are on their way out"
slow 500
out_of_hardware() { [ "$(in_hardware vx100)" = false ]; }
wait_for 120 out_of_hardware || fail "the encap stays in hardware"
ctl wait 60
[ "$(count state pending config)" = $FLOWS ] || { ctl show flows | head; fail "not all flows are pending"; }
[ "$(field '[.[] | select(.source == "config") | .reason] | unique | length' show flows)" = 1 ] || fail "reasons differ"
[ "$(field '.[0].reason' show flows flow1)" = "$(reason)" ] || fail "reason of a flow: $(ctl show flows flow1)"
[ "$(field '.[0].state' show flows next)" = offloaded ] || { ctl flow explain next; fail "the tunnel that came next"; }
ctl flow del next
ctl wait 60
[ "$(in_hardware vx102)" = false ] || fail "rules of tunnels that went are counted for the one that came next"
ctl verify > /dev/null || { ctl verify; fail "verify finds something"; }

# In the log: who did what before whom.
tail -n "+$((lines + 1))" "$RUN/culvert.log" > "$RUN/events"
line_of() { grep -nE -m "$2" "$1" "$RUN/events" | tail -n 1 | cut -d : -f 1; }
left='offload: flow (flow|brief)[0-9]+: a rule of it has left the NIC'
unresolved=$(line_of 'tunnel vx100: unresolved' 1) first=$(line_of "$left" 1)
of_flows=$(grep -cE 'offload: flow flow[0-9]+: a rule of it has left' "$RUN/events") || true
[ "$unresolved" -lt "$first" ] || fail "a rule left before its tunnel was unresolved"
[ "$of_flows" = $FLOWS ] || fail "$of_flows rules have left the NIC, $FLOWS were to"
say "log: line $unresolved 'tunnel vx100: unresolved', line $first the first rule leaves, line $(line_of "$left" 100000) the last"

wait "$PING" || true
all_answered "$ta" "$replied" "$RUN/other.ping" || fail "the other tunnel lost packets"
[ $(($(worker_packets) - workers)) -le 10 ] || fail "the workers carried packets of the other tunnel"
ping_all "$ta" 10.8.0.2
stop_culvert TERM || fail "culvert did not stop cleanly"
say "device gone: ok"
