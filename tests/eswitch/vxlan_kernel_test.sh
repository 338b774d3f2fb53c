#!/bin/bash
# The kernel's own vxlan device on one side, on the other the switch with rules typed into testpmd and an application
# that touches no packet: ping and iperf3 both ways.
#
#   host (10.7.0.1) -- eh | er rep0 [switch] uplink eu -- ek | vxlan100 over 192.0.2.2 (10.7.0.2)
#
# usage: vxlan_kernel_test.sh LIBRTE_NET_ESWITCH.SO [IPERF_SECONDS]; root; makes and removes its own namespaces.
set -euo pipefail

plugins=$("$(dirname "$0")/../private_plugins.sh" "$1")
driver=$plugins/$(basename "$1")
seconds=${2:-3}
id=esw$$
host=$id-h far=$id-f middle=$id-m
work=$(mktemp -d)
testpmd_pid=

cleanup() {
  if [ -n "$testpmd_pid" ]; then
    exec 3>&-
    kill "$testpmd_pid" 2>/dev/null || true
    wait "$testpmd_pid" 2>/dev/null || true
  fi
  for ns in "$host" "$far" "$middle"; do
    ip netns pids "$ns" 2>/dev/null | xargs -r kill 2>/dev/null || true
    ip netns del "$ns" 2>/dev/null || true
  done
  rm -rf "$work" "$plugins"
}
trap cleanup EXIT

fail() { echo "FAIL: $*"; cat "$work/out"; exit 1; }

for ns in "$host" "$far" "$middle"; do
  ip netns add "$ns"
  ip netns exec "$ns" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
done
ip link add eh netns "$host" type veth peer name er netns "$middle"
ip link add ek netns "$far" type veth peer name eu netns "$middle"
ip -n "$host" link set eh address 02:00:00:00:07:01 mtu 1450
ip -n "$far" link set ek address 02:00:00:00:99:01
ip -n "$middle" link set eu address 02:00:00:00:03:00
for at in "$host eh" "$far ek" "$middle er" "$middle eu"; do
  set -- $at
  # af_packet sees frames as the kernel leaves them: no checksum or segmentation left for a NIC to do.
  ip netns exec "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
  ip -n "$1" link set "$2" up
done
ip -n "$host" addr add 10.7.0.1/24 dev eh
ip -n "$far" addr add 192.0.2.2/24 dev ek
ip -n "$far" neigh add 192.0.2.1 lladdr 02:00:00:00:03:00 dev ek
ip -n "$far" link add vx100 type vxlan id 100 local 192.0.2.2 remote 192.0.2.1 dstport 4789 dev ek
ip -n "$far" link set vx100 address 02:00:00:00:07:02 up
ip -n "$far" addr add 10.7.0.2/24 dev vx100

mkfifo "$work/in"
ip netns exec "$middle" stdbuf -oL dpdk-testpmd --no-huge -m 512 --no-pci --no-telemetry --file-prefix="$id" -l 0,1 -d "$driver" \
  --vdev net_af_packet0,iface=eu,framesz=2048,blocksz=4096,framecnt=512 \
  --vdev net_af_packet1,iface=er,framesz=2048,blocksz=4096,framecnt=512 \
  --vdev net_eswitch0,uplink=net_af_packet0,rep=net_af_packet1 \
  -- -i --no-mlockall --total-num-mbufs=2048 <"$work/in" >"$work/out" 2>&1 &
testpmd_pid=$!
exec 3>"$work/in"

# Ports 0 and 1 are the wires; 2 is the uplink, 3 the representor. Nothing is ever started with `start`.
cat >&3 <<'COMMANDS'
set vxlan ip-version ipv4 vni 100 udp-src 0 udp-dst 4789 ip-src 192.0.2.1 ip-dst 192.0.2.2 eth-src 02:00:00:00:03:00 eth-dst 02:00:00:00:99:01
flow create 2 transfer pattern represented_port ethdev_port_id is 3 / eth / end actions count / vxlan_encap / represented_port ethdev_port_id 2 / end
flow create 2 transfer pattern represented_port ethdev_port_id is 2 / eth / ipv4 src is 192.0.2.2 dst is 192.0.2.1 / udp dst is 4789 / vxlan vni is 100 / end actions count / vxlan_decap / represented_port ethdev_port_id 3 / end
COMMANDS
for _ in $(seq 100); do
  grep -q "Flow rule #1 created" "$work/out" && break
  kill -0 "$testpmd_pid" || fail "testpmd died"
  sleep 0.2
done
grep -q "Flow rule #1 created" "$work/out" || fail "no rules"

ip netns exec "$host" ping -q -c 5 -i 0.2 -W 2 10.7.0.2 || fail "ping from the host"
ip netns exec "$far" ping -q -c 5 -i 0.2 -W 2 10.7.0.1 || fail "ping from the far side"
ip netns exec "$far" iperf3 -s -D --pidfile "$work/iperf.pid"
sleep 0.5
for way in "" -R; do
  ip netns exec "$host" iperf3 -c 10.7.0.2 -t "$seconds" -b 500M $way | grep -E "sender|receiver" || fail "iperf3 $way"
done

printf 'flow query 2 0 count\nflow query 2 1 count\nshow port stats all\nshow port xstats 2\nquit\n' >&3
exec 3>&-
wait "$testpmd_pid" || fail "testpmd's exit"
testpmd_pid=
grep "^ hits:" "$work/out"
[ "$(grep -Ec '^ hits: [1-9][0-9]{2,}' "$work/out")" -eq 2 ] || fail "the rules' counters did not move"
# The application's queues saw nothing of it (stray frames of the underlay, ARP, aside).
awk '/TX-packets:/ && $2 > 0 { exit 1 }' "$work/out" || fail "the application sent packets"
echo PASS
