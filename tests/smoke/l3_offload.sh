#!/bin/bash
# An l2 and an l3 network on one embedded switch: the rules of the one stay right beside the other, whose packets all
# come to the workers. What becomes of the l3 network at a reload is nothing to the l2 network's rules.
. "$(dirname "$0")/l3_lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }

l3_topology
blue=$NS-blue far=$NS-far
NAMESPACES+=("$blue" "$far")
namespace "$blue"
namespace "$far"
wire "$blue" eth0 "$gw" tenant1
wire "$far" eth0 "$peer" tenant1
in_ns "$blue" ip address add 10.7.0.1/24 dev eth0
in_ns "$far" ip address add 10.7.0.2/24 dev eth0
kernel_vtep "$peer" 100 192.0.2.2 192.0.2.1 tenant1

UPLINK=net_eswitch0 TENANT=net_eswitch0_rep0
l3_config | sed -e 's/netdev: tenant0}/netdev: tenant0, kernel_path: none}\n  - {name: blue, ethdev: net_eswitch0_rep1}/' \
  -e 's/^networks:/  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}\nnetworks:\n  - {name: blue, type: l2, ports: [blue], tunnels: [vx100]}/' \
  > "$RUN/culvert.yaml"
start_culvert "${ESWITCH[@]::2}" --vdev net_af_packet0,iface=uplink0 --vdev net_af_packet1,iface=tenant0 \
  --vdev net_af_packet2,iface=tenant1 --vdev net_eswitch0,uplink=net_af_packet0,rep=net_af_packet1,rep=net_af_packet2
ctl wait 30 tunnel vx100
ctl wait 30 tunnel vx200

wait_for 10 in_ns "$blue" ping -q -c 1 -W 1 10.7.0.2 || fail "the l2 network does not carry"
wait_for 10 in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 || fail "the l3 network does not carry"
ctl wait 30
of_blue() { [ "$(field 'length > 1 and all(.name | contains(":blue:"))' show flows)" = true ]; }
of_blue || { ctl show flows; fail "flows of other than the l2 network"; }
[ "$(field 'all(.state == "offloaded")' show flows)" = true ] || { ctl show flows; fail "not offloaded"; }

# The NIC carries the l2 network's packets; the workers all of the l3 network's.
by_workers() { field .forwarded show stats; }
count=$(by_workers)
ping_all "$blue" 10.7.0.2
[ $(($(by_workers) - count)) -lt 10 ] || fail "the l2 network's packets came to the workers"
count=$(by_workers)
ping_all "$ta" 10.2.0.2
[ $(($(by_workers) - count)) -ge 40 ] || fail "the l3 network's packets did not come to the workers"
ctl verify > /dev/null || { ctl verify; fail "verify finds something"; }

# Another table, and back: the l2 network's rules are the same.
destroyed() { field .rules.destroyed show stats; }
before=$(destroyed)
sed -i 's/table: main/table: 100/' "$RUN/culvert.yaml"
ctl reload
ctl wait 30
in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 >/dev/null && fail "a table that is empty routes"
sed -i 's/table: 100/table: main/' "$RUN/culvert.yaml"
ctl reload
ctl wait 30
[ "$(destroyed)" = "$before" ] || fail "rules were made anew for a change of the l3 network"
ping_all "$ta" 10.2.0.2
ping_all "$blue" 10.7.0.2
ctl verify > /dev/null || { ctl verify; fail "verify finds something after the reload"; }
stop_culvert TERM || fail "culvert exit status $?"
say "l3_offload: ok"
