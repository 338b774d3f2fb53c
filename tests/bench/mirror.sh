#!/bin/bash
# The kernel's routes learned, side by side in one run: a bare dump, culvert's mirror, the mirror with its FIB built, BIRD and
# FRR's zebra, in turns; medians of time and of peak memory. Needs root, bird2 and frr.
# usage: mirror.sh BUILD [ROUNDS] [IPV4 ROUTES] [IPV6 ROUTES]
#
# BIRD and zebra are asked by their own tools whether they are there, every 50 ms: that is in their time.
set -eu
build=$1 rounds=${2:-5} v4=${3:-1000000} v6=${4:-200000}
ninja -C "$build" tests/bench/mirror_bench > /dev/null
bench=$build/tests/bench/mirror_bench
ns=mirror-bench-$$ work=$(mktemp -d)
chmod 755 "$work"
trap 'ip netns del "$ns"; rm -rf "$work"' EXIT

ip netns add "$ns"
for command in "link set lo up" "link add v0 type veth peer name v1" "link set v1 up" "link set v0 up" \
  "address add 198.51.100.1/24 dev v0"; do ip -n "$ns" $command; done
ip netns exec "$ns" "$bench" load v0 "$v4" "$v6"

cat > "$work/bird.conf" <<CONF
router id 1.1.1.1;
protocol device { scan time 600; }
protocol kernel k4 { learn; scan time 600; ipv4 { import all; export none; }; }
protocol kernel k6 { learn; scan time 600; ipv6 { import all; export none; }; }
CONF
mkdir "$work/frr"
echo 'hostname z' > "$work/frr/zebra.conf"
chown -R frr:frr "$work/frr"

birds() { birdc -s "$work/bird.ctl" show route count 2>/dev/null | awk '/in table master/ { sum += $1 } END { print sum + 0 }'; }
zebras() {
  for family in ip ipv6; do vtysh --vty_socket "$work/frr" -d zebra -c "show $family route summary" 2>/dev/null; done |
    awk '$1 == "kernel" { sum += $2 } END { print sum + 0 }'
}

# daemon NAME ROUTES-COMMAND COMMAND ...: until it has them all
daemon() {
  local name=$1 count=$2 begin pid; shift 2
  begin=$(date +%s.%N)
  ip netns exec "$ns" "$@" > "$work/$name.log" 2>&1 & pid=$!
  until [ "$($count)" -ge $((v4 + v6)) ]; do sleep 0.05; kill -0 $pid || { cat "$work/$name.log" >&2; exit 1; }; done
  echo "$name $(date +%s.%N) $begin $(awk '/VmHWM/ { print $2 / 1024 }' "/proc/$pid/status")" |
    awk '{ printf "%s %.3f %.0f\n", $1, $2 - $3, $4 }' >> "$work/figures"
  kill $pid
  wait $pid || true
}

for _ in $(seq "$rounds"); do
  for own in dump mirror fib; do
    echo "$own $(ip netns exec "$ns" "$bench" "$own")" >> "$work/figures"
  done
  daemon bird birds bird -f -c "$work/bird.conf" -s "$work/bird.ctl" -P "$work/bird.pid"
  daemon zebra zebras /usr/lib/frr/zebra -f "$work/frr/zebra.conf" -i "$work/frr/z.pid" -z "$work/frr/z.api" \
    --vty_socket "$work/frr" -P 0 -s 134217728
done

median() { sort -g | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'; }
dump=$(awk '$1 == "dump" { print $2 }' "$work/figures" | median)
printf '%-8s %8s %8s %8s %10s\n' what seconds x-dump MiB B/route
for what in dump mirror fib bird zebra; do
  seconds=$(awk -v w=$what '$1 == w { print $2 }' "$work/figures" | median)
  mib=$(awk -v w=$what '$1 == w { print $3 }' "$work/figures" | median)
  awk -v w=$what -v s="$seconds" -v d="$dump" -v m="$mib" -v n=$((v4 + v6)) \
    'BEGIN { printf "%-8s %8.2f %8.2f %8d %10.0f\n", w, s, s / d, m, m * 1048576 / n }'
done
awk '$1 == "fib" { print "FIB memory MiB:", $5; exit }' "$work/figures"
