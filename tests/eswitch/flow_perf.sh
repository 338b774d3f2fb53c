#!/bin/sh
# dpdk-test-flow-perf on the switch: rules a second made and destroyed, K a second, one line a kind of rule.
# usage: flow_perf.sh LIBRTE_NET_ESWITCH.SO FIRST_PORT.SO [RULES]
set -eu
plugins=$("$(dirname "$0")/../private_plugins.sh" "$1" "$2")
trap 'rm -rf "$plugins"' EXIT
driver=$plugins/$(basename "$1") first_port=$plugins/$(basename "$2") rules=${3:-100000}
run() {
  name=$1
  shift
  out=$(dpdk-test-flow-perf --no-huge -m 512 --no-pci --no-telemetry --file-prefix="eswfp$$" -l 0,1 -d "$driver" \
    -d "$first_port" --vdev first_port_hold --vdev net_null0,no-rx=1 --vdev first_port_release \
    --vdev net_eswitch0,uplink=net_null0 -- --rules-count="$rules" --rules-batch="$rules" --portmask=0x1 \
    --deletion-rate "$@" 2>&1) || { echo "$out"; exit 1; }
  echo "$out" | awk -v name="$name" '
    /insertion rate/ { made = $(NF - 2) }
    /deletion rate/ { gone = $(NF - 2) }
    END { if (made == "" || gone == "") exit 1; print name ": insertion", made, "K/s, deletion", gone, "K/s" }' ||
    { echo "$out"; exit 1; }
}
run "egress group 1, raw_encap" --egress --group=1 --ether --ipv4 --raw-encap=ether,ipv4,udp,vxlan
run "egress group 1, count + raw_encap" --egress --group=1 --ether --ipv4 --count --raw-encap=ether,ipv4,udp,vxlan
run "ingress group 0, queue" --ingress --ether --ipv4 --queue
