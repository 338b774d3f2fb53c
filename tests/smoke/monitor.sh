#!/bin/bash
# `monitor` tells the kernel's state and then each change, in order; one line for a nexthop object, whatever is on it.
. "$(dirname "$0")/lib.sh"

topology
in_ns "$gw" ip nexthop add id 7 via 192.0.2.2 dev uplink0
for i in $(seq 100); do echo "route add 10.9.$i.0/24 nhid 7"; done | in_ns "$gw" ip -batch -
start_culvert
ctl monitor > "$RUN/monitor" & HELPERS+=($!)
has() { grep -qx -- "$1" "$RUN/monitor"; }
wait_for 10 has '# the state ends here, changes follow' || fail "the state does not end"
has 'address 192.0.2.1/24 dev uplink0' || fail "an address is missing"
[ "$(grep -c '^route 10.9.[0-9]*.0/24 table main proto boot nhid 7$' "$RUN/monitor")" = 100 ] || fail "routes are missing"

: > "$RUN/before"; cp "$RUN/monitor" "$RUN/before"
in_ns "$gw" ip route add 198.51.100.0/24 via 192.0.2.9 metric 5
in_ns "$gw" ip nexthop replace id 7 via 192.0.2.8 dev uplink0
in_ns "$gw" ip route del 198.51.100.0/24
wait_for 10 has 'deleted route 198.51.100.0/24 table main proto boot metric 5 via 192.0.2.9 dev uplink0' || fail "no deletion"
tail -n +$(($(wc -l < "$RUN/before") + 1)) "$RUN/monitor" | grep -v '^neighbour\|^deleted neighbour' > "$RUN/changes"
cat > "$RUN/expected" <<'END'
route 198.51.100.0/24 table main proto boot metric 5 via 192.0.2.9 dev uplink0
nexthop id 7 via 192.0.2.8 dev uplink0
deleted route 198.51.100.0/24 table main proto boot metric 5 via 192.0.2.9 dev uplink0
END
diff "$RUN/expected" "$RUN/changes" || fail "other changes than expected"
[ "$(field '.[0].nexthops[0].via' show routes 10.9.50.1)" = 192.0.2.8 ] || fail "a route did not move with its nexthop"
stop_culvert TERM || fail "culvert exit status $?"
