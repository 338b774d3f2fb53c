#!/bin/bash
# Installs, builds and shows culvert's main job on real packets: two tenants talk through culvert and the kernel's own
# vxlan device on the far side; the kernel's FIB and neighbour table tell culvert the next hop, also when it changes.
# usage: sudo ./demo.sh
set -eu
cd "$(dirname "$0")"
[ "$(id -u)" = 0 ] || { echo "demo.sh makes network namespaces: run it as root (sudo ./demo.sh)" >&2; exit 1; }

echo "== Installing what is missing, building into build/"
tests/install.sh demo
drivers/fetch_driver_headers.sh build/dpdk-driver-headers || echo "going on without drivers/net/eswitch: nothing is offloaded"
[ -f build/build.ninja ] || meson setup build >/dev/null
ninja -C build >build/demo-build.log 2>&1 || { tail -n 30 build/demo-build.log; exit 1; }

. tests/smoke/lib.sh

step() { printf '\n== %s\n' "$*"; }
run() { printf '   $ %s\n' "$*"; }

step "Five network namespaces: tenant A - culvert - underlay - kernel VXLAN peer - tenant B"
topology
options=()
if with_eswitch; then options=("${ESWITCH[@]}"); fi
config > "$RUN/culvert.yaml"
sed 's/^/   /' "$RUN/culvert.yaml"

step "culvert starts: its ports are an embedded switch in software over the uplink (which the kernel uses too) and the tenant"
start_culvert "${options[@]}"
ctl wait 10 tunnel vx100
say "   The tunnel's next hop comes from the kernel's own tables:"
run "culvertctl show tunnels"; ctl show tunnels | sed 's/^/   /'
run "culvertctl show encaps"; ctl show encaps | sed 's/^/   /'

step "Ping both ways, through culvert and the kernel's vxlan100"
for pair in "$ta 10.7.0.2" "$tb 10.7.0.1" "$ta fd00:7::2"; do
  set -- $pair
  run "ping $2"
  ping_all "$1" "$2"
  grep 'packet loss' "$RUN/ping.out" | sed 's/^/   /'
done

step "iperf3 both ways"
background "$tb" iperf3 -s >/dev/null 2>&1
wait_for 5 in_ns "$tb" sh -c 'ss -ltn | grep -q :5201' || fail "iperf3 does not listen"
for options in "" "-R" "-u -b 50M" "-u -b 50M -R"; do
  run "iperf3 -c 10.7.0.2 $options"
  # shellcheck disable=SC2086  # options are words
  in_ns "$ta" iperf3 -c 10.7.0.2 -t 2 $options > "$RUN/iperf.out" || { cat "$RUN/iperf.out"; fail "iperf3 $options"; }
  grep receiver "$RUN/iperf.out" | sed 's/^/   /'
done

step "Who carries: the rules in the NIC, not the workers"
carried() {
  local workers nic
  workers=$(field '.encapsulated + .decapsulated - .flooded' show stats)
  nic=$(field '.[0].packets' show encaps)
  say "   $1: workers $workers packets, in all $nic into the tunnel"
}
offloaded() { [ "$(field '[.[] | .state] | unique | join(" ")' show flows)" = offloaded ]; }
if [ ${#options[@]} -gt 0 ]; then
  run "culvertctl show flows"; ctl show flows | sed 's/^/   /'
  offloaded || fail "not every flow is offloaded"
fi

step "The peer's underlay MAC changes while tenants ping each other ten times a second"
before=$(field '.[0].dst_mac' show encaps)
workers_before=$(field '.encapsulated + .decapsulated - .flooded' show stats)
carried before
background "$ta" ping -q -i 0.1 -c 60 10.7.0.2 > "$RUN/ping.out"
PING=$!
sleep 1
run "ip -n peer link set eth0 address 02:00:00:00:aa:02"
in_ns "$peer" ip link set eth0 address 02:00:00:00:aa:02
carried during
followed() { peer_speaks; [ "$(field '.[0].dst_mac' show encaps)" = 02:00:00:00:aa:02 ]; }
wait_for 10 followed || fail "culvert did not follow the MAC change"
wait "$PING" || true
sleep 0.2
carried after
after=$(field '.[0].dst_mac' show encaps)
say "   the encap's destination MAC: before $before, after $after"
grep 'packet loss' "$RUN/ping.out" | sed 's/^/   /'
say "   (the loss is the kernel's: it believes a new MAC a second after the last one at the soonest, arp(7) locktime;"
say "   tests/smoke/mac_change.sh shows that two plain kernels lose the same)"
if [ ${#options[@]} -gt 0 ]; then
  moved=$(($(field '.encapsulated + .decapsulated - .flooded' show stats) - workers_before))
  [ $moved -le 4 ] || fail "the workers carried $moved packets that the NIC should have carried"
  run "culvertctl verify"; ctl verify | sed 's/^/   /' || fail "verify finds a difference"
fi
run "culvertctl show tunnels"; ctl show tunnels | sed 's/^/   /'
run "culvertctl show encaps"; ctl show encaps | sed 's/^/   /'
ping_all "$ta" 10.7.0.2

step "What culvert did"
run "culvertctl show paths"; ctl show paths | sed 's/^/   /'
run "culvertctl show stats"; ctl show stats | sed 's/^/   /'

step "Everything is taken down again"
stop_culvert TERM || fail "culvert did not stop cleanly"
echo "demo: all steps passed"
