#!/bin/bash
# What the kernel says to culvert, recorded, happens again without kernel and culvert.
. "$(dirname "$0")/lib.sh"

topology
OPTIONS="--record $RUN/recording" start_culvert
in_ns "$gw" ip route add 198.51.100.0/24 via 192.0.2.9 metric 5
in_ns "$gw" ip route del 198.51.100.0/24
ctl wait
ctl resync
ctl wait
sequence=$(field .sequence show mirror) routes=$(field .routes show mirror)
stop_culvert TERM || fail "culvert exit status $?"
[ "$(stat -c %a "$RUN/recording")" = 600 ] || fail "others may read it"

"$BUILD/tests/replay/culvert-replay" "$RUN/recording" > "$RUN/replayed" 2>&1 || { cat "$RUN/replayed"; fail "it is not replayed"; }
for change in 'route 198.51.100.0/24' 'deleted route 198.51.100.0/24'; do
  [ "$(grep -c "  $change table main proto boot metric 5 via 192.0.2.9 dev uplink0\$" "$RUN/replayed")" = 1 ] || fail "no $change"
done
[ "$(grep -c '^  *[0-9.]*  [^#]' "$RUN/replayed")" -ge "$sequence" ] || fail "less than $sequence changes"
grep -q '^# epoch 2, 1 resyncs, 0 overruns' "$RUN/replayed" || fail "the resync is missing"
grep -q " $routes routes\$" "$RUN/replayed" || fail "not $routes routes at the end"

head -c 1000 "$RUN/recording" > "$RUN/cut"
! "$BUILD/tests/replay/culvert-replay" "$RUN/cut" 2> "$RUN/error" || fail "a file that is cut off is taken"
grep -q 'cut off' "$RUN/error" || fail "it does not say that it is cut off"

status=0
OPTIONS= ip netns exec "$gw" "$BUILD/app/culvert/culvert" -l 0,1 --no-huge --no-pci --file-prefix "$NS" -- -c "$RUN/culvert.yaml" \
  --record /no/such/folder/file 2> "$RUN/error" || status=$?
[ $status = 2 ] || fail "exit status $status"
grep -q 'cannot record in /no/such/folder/file: No such file or directory' "$RUN/error" || fail "it does not say why"
