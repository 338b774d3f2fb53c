# For the smoke tests and demo.sh: `. lib.sh`. Root only.
#
#   tenant A          culvert              underlay          peer             tenant B
#   $ta  eth0 ---- tenant0 $gw uplink0 ---- $un (bridge) ---- eth0 $peer ---- eth0 $tb
#   10.7.0.1                192.0.2.1                      192.0.2.2          10.7.0.2
#                                                         vxlan100 (kernel)
#
# Every name is this process's own; all of it goes when the process ends, whatever way it ends.
set -eu

BUILD=${BUILD:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build}
RUN=$(mktemp -d /tmp/culvert.XXXXXX)
NS=cv$$
ta=$NS-ta gw=$NS-gw un=$NS-un peer=$NS-peer tb=$NS-tb
SOCKET=$RUN/culvert.sock
CULVERT_PID=
HELPERS=()

say() { printf '%s\n' "$*"; }
fail() { say "FAILED: $*" >&2; tell_counts; [ -f "$RUN/culvert.log" ] && tail -n 25 "$RUN/culvert.log" >&2; exit 1; }
in_ns() { local ns=$1; shift; ip netns exec "$ns" "$@"; }
tell_counts() { [ -S "$SOCKET" ] && timeout 5 "$BUILD/app/culvertctl/culvertctl" --socket "$SOCKET" show stats | grep -v ' 0$' >&2 || true; }

cleanup() {
  local pid ns
  set +e
  for pid in "${HELPERS[@]}"; do kill "$pid" 2>/dev/null; done
  stop_culvert TERM
  for pid in "${HELPERS[@]}"; do wait "$pid" 2>/dev/null; done
  for ns in "$ta" "$gw" "$un" "$peer" "$tb" "${NAMESPACES[@]}"; do
    [ -e "/run/netns/$ns" ] && ip netns del "$ns"
  done
  rm -rf "$RUN" "/run/dpdk/$NS" ${PLUGINS:+"$PLUGINS"}  # EAL leaves its runtime folder behind
}
NAMESPACES=()
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# background NS COMMAND ...: runs it in the namespace until the script ends; its pid is $!
background() { local ns=$1; shift; ip netns exec "$ns" "$@" & HELPERS+=($!); }

# wait_for SECONDS COMMAND ...: until it succeeds
wait_for() {
  local end=$((SECONDS + $1)); shift
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $end ] || return 1
    sleep 0.05
  done
}

# The peer says something, so that the gateway's kernel learns of a new MAC of its: nobody else makes it speak, and what it
# says within a second of the last news is not believed (arp(7), locktime).
peer_speaks() { in_ns "$peer" ping -q -c 1 -W 0.2 192.0.2.1 > /dev/null || true; }

# wire NS_A LINK_A NS_B LINK_B: a veth pair whose offloads are off, as on a wire (OFFLOADS=on leaves them)
wire() {
  ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
  local end
  for end in "$1 $2" "$3 $4"; do
    set -- $end
    [ "${OFFLOADS:-off}" = on ] || in_ns "$1" ethtool -K "$2" tx off tso off gso off gro off >/dev/null
    in_ns "$1" ip link set "$2" up
  done
}

# A namespace whose stations speak when a test makes them: they ask for no router, now and then, by themselves.
namespace() {
  ip netns add "$1"
  in_ns "$1" sysctl -qw net.ipv6.conf.default.router_solicitations=0
  in_ns "$1" ip link set lo up
}

# The namespaces and links of the picture above, without addresses.
links() {
  local ns
  for ns in "$ta" "$gw" "$un" "$peer" "$tb"; do namespace "$ns"; done
  wire "$ta" eth0 "$gw" tenant0
  in_ns "$un" ip link add br0 type bridge
  in_ns "$un" ip link set br0 up
  wire "$gw" uplink0 "$un" to-gw
  wire "$peer" eth0 "$un" to-peer
  in_ns "$un" ip link set to-gw master br0
  in_ns "$un" ip link set to-peer master br0
  wire "$tb" eth0 "$peer" tenant0
}

# The picture above. Tenants speak only through culvert and the peer's vxlan device.
topology() {
  links
  in_ns "$ta" ip address add 10.7.0.1/24 dev eth0
  in_ns "$tb" ip address add 10.7.0.2/24 dev eth0
  in_ns "$ta" ip address add fd00:7::1/64 dev eth0 nodad
  in_ns "$tb" ip address add fd00:7::2/64 dev eth0 nodad
  in_ns "$ta" ip link set eth0 mtu 1450
  in_ns "$tb" ip link set eth0 mtu 1450
  in_ns "$gw" ip address add 192.0.2.1/24 dev uplink0
  in_ns "$peer" ip address add 192.0.2.2/24 dev eth0
  kernel_vtep "$peer" 100 192.0.2.2 192.0.2.1 tenant0
}

# kernel_vtep NS VNI LOCAL REMOTE PORT: the kernel's own vxlan device, bridged to PORT
kernel_vtep() {
  in_ns "$1" ip link add "vxlan$2" type vxlan id "$2" local "$3" remote "$4" dstport 4789
  in_ns "$1" ip link add "br$2" type bridge
  in_ns "$1" ip link set "vxlan$2" master "br$2" up
  in_ns "$1" ip link set "$5" master "br$2"
  in_ns "$1" ip link set "br$2" up
}

# The configuration of the picture, on standard output. UPLINK and TENANT are the ports' ethdevs.
config() {
  cat <<YAML
ports:
  - {name: uplink, ethdev: ${UPLINK:-net_af_packet0}, netdev: uplink0, kernel_path: bifurcated}
  - {name: tenant, ethdev: ${TENANT:-net_af_packet1}}
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
networks:
  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100]}
YAML
}

# with_eswitch [ARGUMENT=VALUE,...]: uplink and tenant are ports of an embedded switch in software, which lies over
# the af_packet ports; ESWITCH are its EAL options. False: it was not built.
# with_plain_nic [ARGUMENT=VALUE,...]: the uplink alone, as a NIC without a switch.
with_eswitch() { eswitch_over ",rep=net_af_packet1${1:+,$1}" && TENANT=net_eswitch0_rep0; }
with_plain_nic() { eswitch_over "${1:+,$1}"; }
eswitch_over() {
  local plugin
  plugin=$(ls "$BUILD"/drivers/net/eswitch/librte_net_eswitch.so.*.* 2>/dev/null | head -n 1)
  [ -n "$plugin" ] || return 1
  rm -rf ${PLUGINS:+"$PLUGINS"}  # of an earlier call
  PLUGINS=$("$(dirname "${BASH_SOURCE[0]}")/../private_plugins.sh" "$plugin")
  UPLINK=net_eswitch0
  ESWITCH=(-d "$PLUGINS/${plugin##*/}" --vdev net_af_packet0,iface=uplink0 --vdev net_af_packet1,iface=tenant0
    --vdev "net_eswitch0,uplink=net_af_packet0$1")
}

ready_or_gone() { grep -q '^culvert: ready' "$RUN/culvert.log" || ! kill -0 "$CULVERT_PID" 2>/dev/null; }

# start_culvert [EAL OPTION ...]: with $RUN/culvert.yaml (made by config where there is none) and its own OPTIONS, until it
# says ready
start_culvert() {
  [ -f "$RUN/culvert.yaml" ] || config > "$RUN/culvert.yaml"
  [ $# -gt 0 ] || set -- --vdev net_af_packet0,iface=uplink0 --vdev net_af_packet1,iface=tenant0
  : > "$RUN/culvert.log"
  ip netns exec "$gw" "$BUILD/app/culvert/culvert" --lcores "${LCORES:-0,1}" ${MEMORY:---no-huge -m 512} --no-pci \
    --file-prefix "$NS" "$@" -- -c "$RUN/culvert.yaml" --socket "$SOCKET" ${OPTIONS:-} >> "$RUN/culvert.log" 2>&1 &
  CULVERT_PID=$!
  wait_for 60 ready_or_gone
  grep -q '^culvert: ready' "$RUN/culvert.log" || fail "culvert did not become ready"
}

# stop_culvert [SIGNAL]: its exit status
stop_culvert() {
  [ -n "$CULVERT_PID" ] || return 0
  local pid=$CULVERT_PID
  CULVERT_PID=
  kill -"${1:-TERM}" "$pid" 2>/dev/null
  wait "$pid"
}

ctl() { "$BUILD/app/culvertctl/culvertctl" --socket "$SOCKET" "$@"; }

# eswitch COMMAND: to the embedded switch, by culvert's DPDK telemetry, "faults,net_eswitch0,latency_us=500"; its answer
eswitch() {
  /usr/bin/python3 - "/run/dpdk/$NS/dpdk_telemetry.v2" "/net_eswitch/$1" <<'PYTHON'
import socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.connect(sys.argv[1])
link.recv(1024)
link.send(sys.argv[2].encode())
print(link.recv(16384).decode())
PYTHON
}

# field 'JQ FILTER' COMMAND ...: of the command's JSON
field() { local filter=$1; shift; ctl "$@" json | jq -r "$filter"; }

drops() { field ".drops.$1" show stats; }
reason() { field '.[] | select(.name == "vx100") | .reason' show tunnels; }
is_resolved() { [ "$(field ".[] | select(.name == \"${1:-vx100}\") | .state" show tunnels)" = resolved ]; }

# expect_reason WORDS: within a few seconds the tunnel says so
reason_has() { reason | grep -q -- "$1"; }
expect_reason() { wait_for 10 reason_has "$1" || fail "expected reason '$1', got '$(reason)'"; }

mac_of() { in_ns "$1" cat "/sys/class/net/$2/address"; }

# replies NS: echo replies that its kernel has had, IPv4 and IPv6
replies() {
  in_ns "$1" awk '$1 == "Icmp:" && !at { for (i = 2; i <= NF; i++) if ($i == "InEchoReps") at = i; next }
    $1 == "Icmp:" { sum += $at } $1 == "Icmp6InEchoReplies" { sum += $2 } END { print sum + 0 }' \
    /proc/net/snmp /proc/net/snmp6
}

# all_answered NS BEFORE OUTPUT: as many replies as the ping whose output that is has sent, since `replies` said BEFORE. The
# kernel counts what came: ping itself does not wait for a late last answer, and a busy machine is late.
all_answered() {
  local sent
  sent=$(awk '/transmitted/ { print $1 }' "$3")
  all_came() { [ $(($(replies "$1") - $2)) -ge "${sent:-1}" ]; }
  wait_for 5 all_came "$1" "$2" || { cat "$3"; return 1; }
}

# ping_all NS ADDRESS [PING OPTION ...]: not one may be lost.
ping_all() {
  local ns=$1 to=$2 before; shift 2
  before=$(replies "$ns")
  in_ns "$ns" ping -q -c 20 -i 0.02 -W 2 "$@" "$to" > "$RUN/ping.out" 2>&1 || true
  all_answered "$ns" "$before" "$RUN/ping.out" || fail "$ns lost pings to $to $*"
}
