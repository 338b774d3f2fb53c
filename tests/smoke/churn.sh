#!/bin/bash
# Everything at once: four shells add and delete flows, neighbours flap, the uplink's link bounces, keepalive runs. Now and
# then all of them pause, and what culvert says must be what the kernel says, in the packet path and in the NIC.
# ROUNDS: how often.
. "$(dirname "$0")/lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }
ROUNDS=${ROUNDS:-3}

topology
in_ns "$gw" ip ntable change name arp_cache dev uplink0 base_reachable 2000 delay_probe 500 retrans 200
start_culvert "${ESWITCH[@]}"
ctl wait 10 tunnel vx100
for i in $(seq 8); do ctl tunnel add "t$i" type vxlan vni "$i" local 192.0.2.1 remote "192.0.2.1$i"; done
background "$ta" ping -q -i 0.02 10.7.0.2 > /dev/null

users() { # SEED: adds and deletes, as fast as the shell answers
  awk -v seed="$1" 'BEGIN { srand(seed); for (i = 0; i < 400; i++) {
    name = "f" int(rand() * 200)
    if (rand() < 0.4) print "flow del " name
    else printf "flow add %s port tenant match ipv4_dst 10.%d.0.0/16 tunnel t%d priority %d\n",
                name, 10 + int(rand() * 200), 1 + int(rand() * 8), int(rand() * 3)
  } }' | ctl > /dev/null 2>&1 || true  # there is no such flow, or one already
}
set_neighbours() { # ROUND
  for i in $(seq 8); do
    printf 'neighbour replace 192.0.2.1%d dev uplink0 lladdr 02:00:00:00:%02x:%02x nud permanent\n' "$i" "$1" "$i"
  done | in_ns "$gw" ip -batch -
}
flap() {
  local n
  for n in $(seq 30); do
    set_neighbours "$n"
    in_ns "$gw" ip neighbour del "192.0.2.1$((1 + n % 8))" dev uplink0 2>/dev/null || true  # gone with the link
  done
}
bounce() {
  local n
  for n in 1 2; do
    sleep 0.3
    in_ns "$gw" ip link set uplink0 down
    sleep 0.1
    in_ns "$gw" ip link set uplink0 up
  done
}

# What the kernel has, and what the encaps have: "192.0.2.11 02:00:...".
of_kernel() { in_ns "$gw" ip -json -4 neighbour show dev uplink0 | jq -r '.[] | select(.dst != null and .lladdr != null) | "\(.dst) \(.lladdr)"' | sort; }
of_encaps() { field '.[] | select(.dst_mac != null) | "\(.via) \(.dst_mac)"' show encaps | sort -u; }
check() {
  set_neighbours $((100 + $1))
  all_resolved() { [ "$(field 'map(select(.state == "resolved")) | length' show tunnels)" = 9 ]; }
  wait_for 40 all_resolved || { ctl show tunnels; fail "not all tunnels came back"; }
  ctl wait 30
  [ "$(of_encaps)" = "$(of_kernel)" ] || { of_kernel; of_encaps; fail "encaps differ from the kernel's neighbours"; }
  [ "$(field 'map(select(.in_hardware | not)) | length' show encaps)" = 0 ] || { ctl show encaps; fail "encaps not in hardware"; }
  [ "$(field 'map(select(.state != "offloaded" and (.state != "software" or .reason == null))) | length' show flows)" = 0 ] ||
    { ctl show flows; fail "flows neither in hardware nor in software with a reason"; }
  ctl verify > /dev/null || { ctl verify; fail "verify finds something"; }
}

for round in $(seq "$ROUNDS"); do
  jobs=()
  for i in 1 2 3 4; do users "$round$i" & jobs+=($!); done
  flap & jobs+=($!)
  bounce & jobs+=($!)
  wait "${jobs[@]}"
  check "$round"
done

# After all is taken out nothing is left in the NIC.
sed -i '/^tunnels:/,$d' "$RUN/culvert.yaml"
ctl flow flush
for i in $(seq 8); do ctl tunnel del "t$i"; done
ctl reload
ctl wait 30
[ "$(field .rules.installed show stats)" = 0 ] || { ctl show stats; fail "rules are left in the NIC"; }
stop_culvert TERM || fail "culvert did not stop cleanly"
say "churn: ok"
