#!/bin/bash
# `reload` puts another l3 network in the place of one, makes it an l2 network, and an l3 one again: while packets flow
# both ways none of them meets a table that is not filled yet or a tunnel of the other network. ROUTES: how many others
# the table has.
. "$(dirname "$0")/l3_lib.sh"
ROUTES=${ROUTES:-100000}

l3_topology
awk -v n="$ROUTES" 'BEGIN { for (i = 0; i < n; i++)
  printf "route add %d.%d.%d.0/24 via 192.0.2.%d\n", 16 + i / 65536, i / 256 % 256, i % 256, 2 + i % 2 }' |
  in_ns "$gw" ip -batch -
l3_config > "$RUN/culvert.yaml"
cp "$RUN/culvert.yaml" "$RUN/red.yaml"
sed 's/name: red/name: green/' "$RUN/red.yaml" > "$RUN/green.yaml"
sed -e 's/type: l3/type: l2/' -e '/^    table:/d' -e '/^    routes:/d' "$RUN/red.yaml" > "$RUN/l2.yaml"
start_culvert
ctl wait 30 tunnel vx200
wait_for 10 in_ns "$ta" ping -q -c 1 -W 1 10.2.0.2 || fail "A does not reach B"
wait_for 10 in_ns "$tb" ping -q -c 1 -W 1 fd01::2 || fail "B does not reach A"

# loaded FILE: the configuration is this one now
loaded() { cp "$RUN/$1.yaml" "$RUN/culvert.yaml"; ctl reload; ctl wait 60; }
# What is dropped, but for what the kernel itself sends and af_packet shows.
dropped() { field '.drops | with_entries(select(.value != 0 and .key != "own_frame")) | tostring' show stats; }
background "$ta" ping -q -i 0.005 10.2.0.2 > "$RUN/a.ping"
a=$!
background "$tb" ping -q -i 0.005 fd01::2 > "$RUN/b.ping"
b=$!
before=$(dropped)
for round in 1 2 3; do
  loaded green
  loaded red
done
[ "$(dropped)" = "$before" ] || { dropped; fail "a network that takes another's place loses packets"; }
for round in 1 2 3; do
  loaded l2
  loaded red
done
for reason in no_route other_mac no_network not_ip; do
  [ "$(drops $reason)" = "$(jq -r ".$reason // 0" <<< "$before")" ] ||
    { dropped; fail "a network that changes its type loses packets as $reason"; }
done
kill -INT "$a" "$b"
wait "$a" || true
wait "$b" || true
for one in a b; do
  sent=$(awk '/transmitted/ { print $1 }' "$RUN/$one.ping")
  [ "$sent" -ge 50 ] || fail "too few packets for a test"
  say "$sent packets sent by $one"
done
stop_culvert TERM || fail "culvert exit status $?"
say "l3_swap: ok, $ROUTES routes"
