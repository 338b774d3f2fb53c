#!/bin/bash
# Good manners: idle means idle, a tap beside af_packet, several shell sessions, one that stalls, shells of every kind,
# and nothing left behind.
. "$(dirname "$0")/lib.sh"

topology
in_ns "$gw" ip link del tenant0
# The tenant port is a tap that culvert makes; the tenant behind it is the namespace itself.
TENANT=net_tap0
config > "$RUN/culvert.yaml"
printf 'show tunnels\nnonsense\nwait 5\nshow mirror json\n' > "$RUN/commands"
: > "$RUN/culvert.log"
ip netns exec "$gw" "$BUILD/app/culvert/culvert" -l 0,1 --no-huge -m 512 --no-pci --file-prefix "$NS" \
  --vdev net_af_packet0,iface=uplink0 --vdev net_tap0,iface=tap0 -- -c "$RUN/culvert.yaml" --socket "$SOCKET" \
  --cmdline-file "$RUN/commands" >> "$RUN/culvert.log" 2>&1 &
CULVERT_PID=$!
wait_for 60 ready_or_gone
ctl wait 10 tunnel vx100
grep -q "$RUN/commands:2: " "$RUN/culvert.log" || fail "a failing line of a command file is not named"
wait_for 5 grep -q '"consistent"' "$RUN/culvert.log" || fail "the command file did not go on after an error"

# The tap goes to a namespace of its own, as a tenant's would.
in_ns "$gw" ip link set tap0 netns "$ta"
in_ns "$ta" ip link set tap0 mtu 1450 up
in_ns "$ta" ip address add 10.7.0.1/24 dev tap0
wait_for 5 in_ns "$ta" ping -q -c 1 -W 1 10.7.0.2 || fail "no ping through the tap"
ping_all "$ta" 10.7.0.2
ping_all "$tb" 10.7.0.1

# Idle: processor time over three seconds.
ticks() { awk '{ print $14 + $15 }' "/proc/$CULVERT_PID/stat"; }
sleep 1
before=$(ticks)
sleep 3
idle=$(($(ticks) - before))
say "idle: $idle ticks of 10 ms in 3 s"
[ "${SANITIZED:-no}" = yes ] || [ $idle -le 30 ] || fail "an idle culvert uses $idle of 300 ticks"

# A client that asks and never reads, and one with half a line, stop nobody.
background "$gw" /usr/bin/python3 - "$SOCKET" <<'PY'
import socket, sys, time
stalled = socket.socket(socket.AF_UNIX); stalled.connect(sys.argv[1]); stalled.setblocking(False)
half = socket.socket(socket.AF_UNIX); half.connect(sys.argv[1]); half.send(b"run sho")
try:
    for _ in range(100000):
        stalled.send(b"run show routes json\n")
except (BlockingIOError, BrokenPipeError, ConnectionResetError):
    pass
time.sleep(20)
PY
sleep 0.5
for _ in 1 2 3 4 5; do ctl show mirror json > "$RUN/out" & done
timeout 5 "$BUILD/app/culvertctl/culvertctl" --socket "$SOCKET" show stats json | jq -e .rx >/dev/null ||
  fail "a stalled client stops the others"
for job in $(jobs -p); do [ "$job" = "$CULVERT_PID" ] || [ "$job" = "${HELPERS[0]}" ] || wait "$job" || true; done

# Lines on standard input; the default socket's error; exit statuses.
printf 'show ports json\nshow mirror json\n' | ctl > "$RUN/out"
jq -es 'length == 2 and (.[0] | length == 2)' "$RUN/out" >/dev/null || fail "lines of stdin: $(cat "$RUN/out")"
if "$BUILD/app/culvertctl/culvertctl" --socket /no/such.sock show ports 2> "$RUN/err"; then fail "a missing socket is no error"; fi
grep -q /no/such.sock "$RUN/err" || fail "the missing socket is not named"
[ "$(stat -c %a "$SOCKET")" = 600 ] || fail "the socket's mode is $(stat -c %a "$SOCKET")"

# stop and start.
ctl stop
if in_ns "$ta" ping -q -c 2 -i 0.2 -W 1 10.7.0.2 >/dev/null; then fail "stop does not stop"; fi
ctl start
ping_all "$ta" 10.7.0.2
ctl resync
ctl wait
[ "$(field .resyncs show mirror)" -ge 1 ] || fail "resync was not counted"

pid=$CULVERT_PID
ctl shutdown
wait "$pid" || fail "exit status $? after shutdown"
CULVERT_PID=
[ ! -e "$SOCKET" ] || fail "the socket is still there"

# A signal while it starts ends it too.
for delay in 0.05 0.15 0.3; do
  ip netns exec "$gw" "$BUILD/app/culvert/culvert" -l 0,1 --no-huge -m 256 --no-pci --file-prefix "$NS" \
    --vdev net_af_packet0,iface=uplink0 --vdev net_null0 -- --socket "$SOCKET" -c <(TENANT=net_null0 config) \
    > "$RUN/culvert.log" 2>&1 &
  CULVERT_PID=$!
  starting() { grep -qs SigBlk:.*4003 "/proc/$CULVERT_PID/status"; }
  wait_for 5 starting || fail "culvert does not start"  # SIGHUP, SIGINT and SIGTERM are its own from here
  sleep $delay
  kill -TERM "$CULVERT_PID"
  ended() { ! kill -0 "$CULVERT_PID"; }
  wait_for 10 ended || { kill -KILL "$CULVERT_PID"; CULVERT_PID=; fail "SIGTERM $delay s after the start is lost"; }
  wait "$CULVERT_PID" || fail "exit status $? after SIGTERM $delay s after the start"
  CULVERT_PID=
done

# The interactive shell of culvert itself: the end of its input stops it.
in_ns "$ta" ip link show tap0 2>/dev/null && fail "the tap is still there"
printf 'show tunnels json\n' | ip netns exec "$gw" "$BUILD/app/culvert/culvert" -l 0,1 --no-huge -m 256 --no-pci \
  --file-prefix "$NS" --vdev net_af_packet0,iface=uplink0 --vdev net_null0 -- -i --socket "$SOCKET" \
  -c <(TENANT=net_null0 config) > "$RUN/out" 2> "$RUN/err" || fail "culvert -i: $(cat "$RUN/err")"
grep -q '"vx100"' "$RUN/out" || fail "culvert -i printed: $(cat "$RUN/out")"
