#!/bin/bash
# A NIC with room for 1,000 flows and 2,000 that want it: half of them are carried by the NIC, half by the workers, and
# not a frame of any is lost. Deleting some lets others in.
. "$(dirname "$0")/lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }
topology

cat > "$RUN/send.py" <<'PY'
# A UDP datagram to each of the first N addresses of 10.9.0.0/16, whatever the tenant's kernel thinks of them.
import socket, struct, sys, time
mac, count = bytes.fromhex(sys.argv[1].replace(":", "")), int(sys.argv[2])
out = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
out.bind(("eth0", 0))
for i in range(count):
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 46, i, 0, 64, 17, 0, bytes([10, 7, 0, 1]), bytes([10, 9, i >> 8, i & 255]))
    words = sum(struct.unpack("!10H", ip))
    words = ~((words & 0xffff) + (words >> 16)) & 0xffff
    ip = ip[:10] + struct.pack("!H", words) + ip[12:]
    out.send(mac + out.getsockname()[4] + b"\x08\x00" + ip + struct.pack("!HHHH", 1, 2, 26, 0) + bytes(18))
    if i % 20 == 0: time.sleep(0.03)  # a queue holds 512: those of most of a second
PY

# run LAYOUT RULES: flows only, no network, so that nothing else carries the frames
run() {
  {
    config | sed '/^networks:/,$d'
    echo "offload: {layout: $1}"
    echo "flows:"
    for i in $(seq 0 1999); do
      echo "  - {name: f$i, port: tenant, match: {ipv4_dst: 10.9.$((i / 256)).$((i % 256))/32}, tunnel: vx100}"
    done
  } > "$RUN/culvert.yaml"
  with_eswitch "rules=$2"
  start_culvert "${ESWITCH[@]}"
  ctl wait 10 tunnel vx100
  ctl wait 30
  expect_states "offloaded 1000 software 1000"
  expect_all 2000

  # 300 that are in the NIC go.
  ctl show flows json | jq -r '[.[] | select(.state == "offloaded")][:300][] | "name: \(.name),"' > "$RUN/gone"
  grep -vFf "$RUN/gone" "$RUN/culvert.yaml" > "$RUN/less.yaml" && mv "$RUN/less.yaml" "$RUN/culvert.yaml"
  ctl reload
  ctl wait 30
  expect_states "offloaded 1000 software 700"
  expect_all 1700
  stop_culvert TERM || fail "culvert did not stop cleanly"
  rm "$RUN/culvert.yaml"
}
expect_states() {
  local got
  got=$(field 'group_by(.state) | map("\(.[0].state) \(length)") | join(" ")' show flows)
  [ "$got" = "$1" ] || fail "flows: expected $1, got $got"
  [ "$(field 'map(select(.state == "software" and .reason == null)) | length' show flows)" = 0 ] || fail "flows without a reason"
}
# Each flow's frame arrives once, half of them by the NIC.
expect_all() {
  background "$tb" tcpdump -q -n -l -i eth0 -B 8192 dst net 10.9.0.0/16 > "$RUN/seen" 2> "$RUN/tcpdump"
  local watcher=$! workers
  wait_for 10 grep -q listening "$RUN/tcpdump" || fail "tcpdump does not listen"
  workers=$(field .encapsulated show stats)
  in_ns "$ta" /usr/bin/python3 "$RUN/send.py" "$(mac_of "$tb" eth0)" 2000
  all_seen() { [ "$(grep -c 10.9. "$RUN/seen")" -ge "$1" ]; }
  wait_for 10 all_seen "$1" || fail "of $1 flows' frames $(grep -c 10.9. "$RUN/seen") arrived"
  sleep 0.3
  [ "$(grep -o '10\.9\.[0-9]*\.[0-9]*' "$RUN/seen" | sort -u | wc -l)" = "$1" ] || fail "not each flow's frame arrived"
  all_seen $(($1 + 1)) && fail "frames arrived twice"
  workers=$(($(field .encapsulated show stats) - workers))
  [ "$workers" = $(($1 - 1000)) ] || fail "the workers carried $workers frames of $1"
  kill "$watcher"
}

# Beside the flows: the rule that steers the tunnel to the workers, and the slot's.
run tagged 1002
run flat 1001
say "full_nic: ok"
