#!/bin/bash
# Packets of an l3 network flow, both ways, while many other routes of its table are flushed and loaded again: none is
# lost. ROUTES: how many.
. "$(dirname "$0")/l3_lib.sh"
ROUTES=${ROUTES:-20000}

l3_topology
# Without an echo of each for every user of the kernel's.
routes() { # ADD|DEL
  awk -v n="$ROUTES" -v what="$1" 'BEGIN { for (i = 0; i < n; i++)
    printf "route %s %d.%d.%d.0/24 via 192.0.2.%d\n", what, 16 + i / 65536, i / 256 % 256, i % 256, 2 + i % 2 }'
}
routes add | in_ns "$gw" ip -batch -
l3_config > "$RUN/culvert.yaml"
start_culvert
ctl wait 30 tunnel vx200
wait_for 10 in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 || fail "A does not reach B"
wait_for 10 in_ns "$tb" ping -q -c 1 -W 1 fd01::2 || fail "B does not reach A"
known() { field '.routes' show mirror; }
[ "$(known)" -gt "$ROUTES" ] || fail "the routes are not there"
goes() { # a packet to one of the routes
  local before; before=$(drops no_route)
  in_ns "$ta" ping -q -c 1 -W 0.2 16.0.7.1 >/dev/null || true
  [ "$(drops no_route)" = "$before" ]
}
gone() { # likewise
  local before; before=$(drops no_route)
  in_ns "$ta" ping -q -c 1 -W 0.2 16.0.7.1 >/dev/null || true
  dropped() { [ "$(drops no_route)" -gt "$before" ]; }
  wait_for 5 dropped
}
goes || fail "a route that was there before culvert is not in its tables"

# Runs of ping, so slow that a port's receive ring holds those of seconds: a machine that is busy loses none there. What
# came is counted by the kernel: ping itself does not wait for a late last answer.
pings() { background "$1" sh -c "until [ -e '$RUN/stop' ]; do ping -q -c 50 -i 0.02 $2; done" > "$RUN/$1.ping"; }
before_a=$(replies "$ta") before_b=$(replies "$tb")
pings "$ta" 10.2.0.2
a=$!
pings "$tb" fd01::2
b=$!
for round in 1 2; do
  routes del | in_ns "$gw" ip -batch -
  ctl wait 120
  gone || fail "a route that is gone is still used"
  routes add | in_ns "$gw" ip -batch -
  ctl wait 120
  goes || fail "a route that is back is not used"
done
ctl resync
ctl wait 120
goes || fail "a route does not outlive a resync"
touch "$RUN/stop"
wait "$a" "$b" || true
# Those to the routes that came and went have no answers.
for ns in "$ta $before_a" "$tb $before_b"; do
  set -- $ns
  sent=$(awk '/transmitted/ { sent += $1 } END { print sent }' "$RUN/$1.ping")
  [ "$sent" -ge 100 ] || fail "too few packets for a test"
  all_came() { [ $(($(replies "$1") - $2)) -ge "$sent" ]; }
  wait_for 10 all_came "$1" "$2" || came=no
  say "$sent packets sent, $(($(replies "$1") - $2)) answered"
  [ "${came:-yes}" = yes ] || { ctl show stats json | jq -c '.drops | with_entries(select(.value != 0))'; fail "packets were lost"; }
done
stop_culvert TERM || fail "culvert exit status $?"
say "l3_reload: ok, $ROUTES routes"
