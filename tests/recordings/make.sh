#!/bin/bash
# Records sessions of FRR (zebra, staticd, bgpd, ospfd) with `culvert --record`, and beside each what iproute2 says of the
# kernel at its end. Needs root, FRR, and culvert built; not part of test.sh. usage: make.sh [NAME ...]
#
#   isp1  eth0 ---- eth1  gw  eth2 ---- eth0  isp2          gw is recorded; eth3 leads nowhere
#   192.0.2.1       192.0.2.0  192.0.2.2      192.0.2.3     (and 2001:db8:1::/64, 2001:db8:2::/64)
set -eu

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$ROOT/build}
OUT=$ROOT/tests/recordings
RUN=$(mktemp -d /tmp/culvert-frr.XXXXXX)
NS=cvr$$
gw=$NS-gw isp1=$NS-isp1 isp2=$NS-isp2
CULVERT_PID=

cleanup() {
  local pid ns
  set +e
  for pid in $CULVERT_PID $(cat "$RUN/pids"); do  # daemons that subshells started, too
    kill "$pid" 2>/dev/null
  done
  sleep 1
  for pid in $(cat "$RUN/pids"); do kill -9 "$pid" 2>/dev/null; done
  wait
  for ns in "$gw" "$isp1" "$isp2"; do [ -e "/run/netns/$ns" ] && ip netns del "$ns"; done
  [ -n "${KEEP:-}" ] || rm -rf "$RUN" "/run/dpdk/$NS"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

in_gw() { ip netns exec "$gw" "$@"; }
ctl() { "$BUILD/app/culvertctl/culvertctl" --socket "$RUN/culvert.sock" "$@"; }

wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || { echo "in vain: $*" >&2; return 1; }
    sleep 0.1
  done
}

topology() {
  local ns
  for ns in "$gw" "$isp1" "$isp2"; do
    ip netns add "$ns"
    ip netns exec "$ns" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv6.conf.default.accept_dad=0
    ip -n "$ns" link set lo up
  done
  ip link add eth1 netns "$gw" type veth peer name eth0 netns "$isp1"
  ip link add eth2 netns "$gw" type veth peer name eth0 netns "$isp2"
  ip link add eth3 netns "$gw" type veth peer name eth4 netns "$gw"
  ip -n "$gw" address add 192.0.2.0/31 dev eth1
  ip -n "$gw" address add 192.0.2.2/31 dev eth2
  ip -n "$gw" address add 198.18.0.1/24 dev eth3
  ip -n "$gw" address add 2001:db8:1::1/64 dev eth1
  ip -n "$gw" address add 2001:db8:2::1/64 dev eth2
  ip -n "$isp1" address add 192.0.2.1/31 dev eth0
  ip -n "$isp2" address add 192.0.2.3/31 dev eth0
  ip -n "$isp1" address add 2001:db8:1::2/64 dev eth0
  ip -n "$isp2" address add 2001:db8:2::2/64 dev eth0
  for ns in "$gw" "$isp1" "$isp2"; do
    for link in eth0 eth1 eth2 eth3 eth4; do ip -n "$ns" link set "$link" up 2>/dev/null || true; done  # not all have five
  done
}

# frr NAMESPACE DAEMON ... < configuration
frr() {
  local ns=$1 daemon; shift
  mkdir -p "$RUN/$ns"
  cat > "$RUN/$ns/frr.conf"
  chown -R frr:frr "$RUN/$ns"
  for daemon in zebra "$@"; do
    ip netns exec "$ns" /usr/lib/frr/"$daemon" -f "$RUN/$ns/frr.conf" -i "$RUN/$ns/$daemon.pid" -z "$RUN/$ns/zebra.api" \
      --vty_socket "$RUN/$ns" -P 0 > "$RUN/$ns/$daemon.log" 2>&1 & echo $! >> "$RUN/pids"
    [ "$daemon" != zebra ] || wait_for 10 test -S "$RUN/$ns/zebra.api"
  done
}
# vty NAMESPACE COMMAND ...
vty() {
  local ns=$1 command arguments=(); shift
  for command in "$@"; do arguments+=(-c "$command"); done
  vtysh --vty_socket "$RUN/$ns" "${arguments[@]}" 2>/dev/null
}

# Prefixes of ISP $1, from number $2 to $3, each line with $4 before it.
prefixes4() { local i; for i in $(seq "$2" "$3"); do echo "$4 203.$1.$i.0/24"; done; }
prefixes6() { local i; for i in $(seq "$2" "$3"); do printf '%s 2001:db8:%x:%x::/64\n' "$4" $((0x1000 + $1)) "$i"; done; }

routes() { in_gw ip route show proto "$1" table all | grep -c '^[^[:space:]]'; }
has_routes() { [ "$(routes "$1")" -ge "$2" ]; }
has_at_most() { [ "$(routes "$1")" -le "$2" ]; }

start() {
  chmod 755 "$RUN"
  topology
  echo 'ports: [{name: tenant, ethdev: net_null0}]' > "$RUN/culvert.yaml"
  ip netns exec "$gw" "$BUILD/app/culvert/culvert" -l 0,1 --no-huge -m 256 --no-pci --file-prefix "$NS" --vdev net_null0 -- \
    -c "$RUN/culvert.yaml" --socket "$RUN/culvert.sock" --record "$RUN/recording" > "$RUN/culvert.log" 2>&1 & CULVERT_PID=$!
  wait_for 30 grep -q '^culvert: ready' "$RUN/culvert.log"
}

# What iproute2 says when all is quiet; then `resync`, so that the recording ends with a fresh dump too.
finish() {
  sleep 4
  ctl wait
  {
    printf '{"links":'; in_gw ip -j -d link show
    printf ',"addresses":'; in_gw ip -j address show
    printf ',"nexthops":'; in_gw ip -j -N nexthop show
    printf ',"routes":'; in_gw ip -j -N -d route show table all  # both families
    printf '}\n'
  } > "$RUN/expected"
  ctl resync
  ctl wait
  kill "$CULVERT_PID"; wait "$CULVERT_PID"; CULVERT_PID=
  xz -9ec "$RUN/recording" > "$OUT/$1.rec.xz"
  xz -9ec "$RUN/expected" > "$OUT/$1.json.xz"
  ls -l "$RUN/recording" "$OUT/$1".*
}

# Two providers announce the same 120 prefixes: nexthop groups. A wire is cut and mended, a session is reset, prefixes
# are withdrawn, preferred elsewhere, and announced anew.
bgp() {
  local isp
  for isp in 1 2; do
    { echo "router bgp 6450$isp"; echo " bgp router-id 192.0.2.$((isp * 2 - 1))"; echo ' no bgp ebgp-requires-policy'
      echo ' no bgp network import-check'; echo ' timers bgp 1 3'
      echo " neighbor 192.0.2.$((isp * 2 - 2)) remote-as 64500"; echo " neighbor 2001:db8:$isp::1 remote-as 64500"
      echo ' address-family ipv4 unicast'; prefixes4 0 1 100 '  network'; prefixes4 "$isp" 1 20 '  network'; echo ' exit-address-family'
      echo ' address-family ipv6 unicast'; echo "  neighbor 2001:db8:$isp::1 activate"
      prefixes6 0 1 40 '  network'; echo ' exit-address-family'
    } | frr "$([ $isp = 1 ] && echo "$isp1" || echo "$isp2")" bgpd
  done
  frr "$gw" bgpd <<'CONF'
router bgp 64500
 bgp router-id 192.0.2.0
 no bgp ebgp-requires-policy
 bgp bestpath as-path multipath-relax
 timers bgp 1 3
 neighbor 192.0.2.1 remote-as 64501
 neighbor 192.0.2.1 timers connect 1
 neighbor 192.0.2.3 remote-as 64502
 neighbor 192.0.2.3 timers connect 1
 neighbor 2001:db8:1::2 remote-as 64501
 neighbor 2001:db8:1::2 timers connect 1
 neighbor 2001:db8:2::2 remote-as 64502
 neighbor 2001:db8:2::2 timers connect 1
 address-family ipv4 unicast
  maximum-paths 4
 exit-address-family
 address-family ipv6 unicast
  neighbor 2001:db8:1::2 activate
  neighbor 2001:db8:2::2 activate
  maximum-paths 4
 exit-address-family
CONF
  wait_for 60 has_routes bgp 180
  sleep 2
  ip -n "$isp1" link set eth0 down   # gw loses its carrier
  wait_for 30 has_at_most bgp 160
  sleep 2
  ip -n "$isp1" link set eth0 up
  ip -n "$isp1" address replace 2001:db8:1::2/64 dev eth0  # it went with the link
  wait_for 60 has_routes bgp 180
  sleep 2
  vty "$gw" 'clear bgp ipv4 unicast 192.0.2.3'
  sleep 3
  wait_for 60 has_routes bgp 180
  { echo configure terminal; echo router bgp 64502; echo address-family ipv4 unicast; prefixes4 0 1 50 'no network'; } > "$RUN/withdraw"
  vtysh --vty_socket "$RUN/$isp2" < "$RUN/withdraw" > /dev/null 2>&1
  sleep 2
  vty "$gw" 'configure terminal' 'route-map nearer permit 10' 'set weight 100' 'exit' 'router bgp 64500' \
    'address-family ipv4 unicast' 'neighbor 192.0.2.3 route-map nearer in'
  sleep 2
  { echo configure terminal; echo router bgp 64502; echo address-family ipv4 unicast; prefixes4 0 1 25 network; } > "$RUN/announce"
  vtysh --vty_socket "$RUN/$isp2" < "$RUN/announce" > /dev/null 2>&1
  sleep 2
  ip -n "$gw" link set eth1 down     # by the operator, this time
  sleep 2
  ip -n "$gw" link set eth1 up
  ip -n "$gw" address replace 2001:db8:1::1/64 dev eth1  # it went with the link
  wait_for 60 has_routes bgp 180
}

# Static routes of all kinds, some of them over others; links and addresses come and go under them.
static() {
  { for i in $(seq 1 40); do echo "ip route 203.0.$i.0/24 192.0.2.1"; done
    for i in $(seq 1 20); do echo "ip route 203.1.$i.0/24 192.0.2.1"; echo "ip route 203.1.$i.0/24 192.0.2.3"; done
    for i in $(seq 1 10); do echo "ip route 203.2.$i.0/24 203.0.1.1"; done
    for i in $(seq 1 10); do echo "ip route 203.3.$i.0/24 blackhole"; echo "ip route 203.4.$i.0/24 198.18.0.9 $((i * 10))"; done
    for i in $(seq 1 10); do printf 'ipv6 route 2001:db8:100:%x::/64 2001:db8:1::2\n' "$i"; done
    echo 'ip route 203.0.113.0/24 198.18.0.9 table 100'
  } | frr "$gw" staticd
  wait_for 30 has_routes 196 80  # staticd's number
  sleep 1
  ip -n "$gw" link set eth3 down
  sleep 1
  ip -n "$gw" link set eth3 up
  sleep 1
  vty "$gw" 'configure terminal' 'no ip route 203.0.1.0/24 192.0.2.1' 'ip route 203.0.1.0/24 192.0.2.3'
  sleep 1
  ip -n "$gw" address del 198.18.0.1/24 dev eth3
  sleep 1
  ip -n "$gw" address add 198.18.0.1/24 dev eth3
  sleep 1
  ip -n "$gw" link set eth1 down
  sleep 1
  ip -n "$gw" link set eth1 up
  sleep 1
  ip -n "$gw" link del eth3
  sleep 1
}

# Two equal ways to the same prefixes, a cost that changes, a wire that is cut.
ospf() {
  local isp
  for isp in 1 2; do
    { echo 'interface eth0'; echo ' ip ospf hello-interval 1'; echo ' ip ospf dead-interval 3'; echo ' ip ospf network point-to-point'
      for i in $(seq 1 60); do echo "ip route 203.0.$i.0/24 blackhole"; done
      echo 'router ospf'; echo " ospf router-id 192.0.2.$((isp * 2 - 1))"; echo ' redistribute static'
      echo ' timers throttle spf 10 50 100'; echo ' network 192.0.2.0/24 area 0'
    } | frr "$([ $isp = 1 ] && echo "$isp1" || echo "$isp2")" staticd ospfd
  done
  { for i in 1 2; do
      echo "interface eth$i"; echo ' ip ospf hello-interval 1'; echo ' ip ospf dead-interval 3'; echo ' ip ospf network point-to-point'
    done
    echo 'router ospf'; echo ' ospf router-id 192.0.2.0'; echo ' timers throttle spf 10 50 100'; echo ' network 192.0.2.0/24 area 0'
  } | frr "$gw" ospfd
  wait_for 60 has_routes ospf 60
  sleep 3
  vty "$gw" 'configure terminal' 'interface eth1' 'ip ospf cost 100'
  sleep 3
  vty "$gw" 'configure terminal' 'interface eth1' 'no ip ospf cost'
  sleep 3
  ip -n "$isp2" link set eth0 down
  sleep 4
  ip -n "$isp2" link set eth0 up
  sleep 5
  vty "$gw" 'clear ip ospf process'
  sleep 1
  wait_for 60 has_routes ospf 60
}

one() { start; "$1"; finish "$1"; }

if [ $# = 1 ]; then one "$1"; else
  [ $# -gt 0 ] || set -- bgp static ospf
  for name in "$@"; do "$0" "$name"; done
fi
