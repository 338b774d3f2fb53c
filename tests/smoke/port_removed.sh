#!/bin/bash
# The NIC under offloaded flows is pulled out (DPDK's RTE_ETH_EVENT_INTR_RMV; the kernel's link stays): its tunnel is
# unresolved and says why, its rules are forgotten, the port is closed, and the rest runs on. Then the operator moves the
# tunnel's route to the other uplink, and the workers carry everything.
. "$(dirname "$0")/lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }
ESWITCH+=(--vdev net_af_packet2,iface=uplink1)
FLOWS=100

topology
wire "$gw" uplink1 "$peer" eth1
in_ns "$gw" ip address add 198.51.100.1/24 dev uplink1
in_ns "$peer" ip address add 198.51.100.2/24 dev eth1
config > "$RUN/culvert.yaml"
sed -i '/name: tenant/a\  - {name: uplink1, ethdev: net_af_packet2, netdev: uplink1, kernel_path: bifurcated}' "$RUN/culvert.yaml"
echo 'flows:' >> "$RUN/culvert.yaml"
for i in $(seq $FLOWS); do
  echo "  - {name: flow$i, port: tenant, match: {ipv4_dst: 10.9.0.$i}, tunnel: vx100}"
done >> "$RUN/culvert.yaml"
start_culvert "${ESWITCH[@]}"
ctl wait 30 tunnel vx100
ping_all "$ta" 10.7.0.2
ctl wait 30
count() { field "[.[] | select(.source == \"config\" and .$1 == \"$2\")] | length" show flows; }
[ "$(count state offloaded)" = $FLOWS ] || { ctl show flows; fail "not all flows are offloaded"; }
[ "$(eswitch remove,net_eswitch7)" = '{"/net_eswitch/remove":null}' ] || fail "a port that is not there was removed"

background "$ta" ping -q -i 0.02 10.7.0.2 > "$RUN/ping.out"; PING=$!
sleep 0.5
eswitch remove,net_eswitch0 > /dev/null
expect_reason 'port removed: the device of uplink0 is gone'
ctl wait 30
[ "$(count state pending)" = $FLOWS ] || { ctl show flows | head; fail "not all flows are pending"; }
[ "$(count reason "$(reason)")" = $FLOWS ] || { ctl show flows | head; fail "their reasons are others"; }
[ "$(field .rules.installed show stats)" = 0 ] || fail "rules are left: $(ctl show stats)"
[ "$(field '.[] | select(.name == "uplink") | .removed' show ports)" = true ] || { ctl show ports; fail "show ports"; }
closed() { grep -q 'port uplink: closed' "$RUN/culvert.log"; }
wait_for 10 closed || fail "the port is not closed"
ctl verify > /dev/null || { ctl verify; fail "verify finds something"; }
ctl flow explain flow1 | grep -q 'port removed' || { ctl flow explain flow1; fail "explain does not say it"; }
say "removed: $(reason); flows pending: $FLOWS; rules: 0; closed"

in_ns "$gw" ip route add 192.0.2.2/32 via 198.51.100.2 dev uplink1 src 192.0.2.1
in_ns "$peer" ip route add 192.0.2.1/32 via 198.51.100.1 dev eth1 src 192.0.2.2
ctl wait 30 tunnel vx100
ping_all "$ta" 10.7.0.2
[ "$(count state software)" = $FLOWS ] || { ctl show flows | head; fail "not all flows are in software"; }
kill -INT "$PING"; wait "$PING" || true
ctl flow add one port tenant match ipv4_dst 10.9.1.1 tunnel vx100
ctl reload
ctl verify > /dev/null || { ctl verify; fail "verify finds something"; }
stop_culvert TERM || fail "culvert did not stop cleanly"
say "port removed: ok"
