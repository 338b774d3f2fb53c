#!/bin/bash
# A tenant sends frames of ever new MACs as fast as it can: the stations that are known, and those with a static path, go
# on losing nothing, another port's new station is learned, memory stays where it was, and counters name what was refused.
# FLOOD: for how many seconds.
. "$(dirname "$0")/lib.sh"

topology
wire "$ta" eth1 "$gw" noisy0
cat > "$RUN/culvert.yaml" <<YAML
ports:
  - {name: uplink, ethdev: net_af_packet0, netdev: uplink0, kernel_path: bifurcated}
  - {name: tenant, ethdev: net_af_packet1}
  - {name: noisy, ethdev: net_af_packet2}
tunnels:
  - {name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}
networks:
  - name: blue
    type: l2
    ports: [tenant, noisy]
    tunnels: [vx100]
    max_macs: 10000
    max_macs_per_member: 9000
    paths: [{mac: '$(mac_of "$tb" eth0)', tunnel: vx100}, {mac: '02:00:00:00:99:99', port: noisy}]
YAML
start_culvert --vdev net_af_packet0,iface=uplink0 --vdev net_af_packet1,iface=tenant0 --vdev net_af_packet2,iface=noisy0
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2

cat > "$RUN/flood.py" <<'PYTHON'
import socket, struct, sys, time
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("eth1", 0))
end = time.monotonic() + float(sys.argv[1])
number = 0
while time.monotonic() < end:
    for number in range(number, number + 1000):
        try:
            link.send(b"\x02\x00\x00\x00\x99\x99\x06\x00" + struct.pack(">I", number) + b"\x88\xb5" + bytes(46))
        except OSError:  # the link's queue is full
            pass
    number += 1
print(number)
PYTHON
rss() { awk '/^VmRSS/ {print $2}' "/proc/$CULVERT_PID/status"; }
learned() { field .learned show stats; }
refused() { field .learn_over_member show stats; }

in_ns "$ta" /usr/bin/python3 "$RUN/flood.py" "${FLOOD:-12}" > "$RUN/flooded" &
HELPERS+=($!)
flood=$!
at_limit() { [ "$(learned)" -ge 9000 ] && [ "$(refused)" -gt 0 ]; }
wait_for 30 at_limit || { ctl show stats; fail "the flood does not reach the limit"; }
before=$(rss)
ping_all "$ta" 10.7.0.2
in_ns "$ta" ip link add other0 link eth0 type macvlan mode private
in_ns "$ta" ip address add 10.7.0.3/24 dev other0
in_ns "$ta" ip link set other0 up
mac=$(mac_of "$ta" other0)
known() { in_ns "$ta" ping -q -c 1 -W 1 -I other0 10.7.0.2; [ "$(field ".[] | select(.mac == \"$mac\") | .port" show paths)" = tenant ]; }
wait_for 10 known || { ctl show stats; fail "a new station at another port is not learned"; }
kill -0 "$flood" 2>/dev/null || fail "the flood was over before"
while kill -0 "$flood" 2>/dev/null; do ping_all "$ta" 10.7.0.2; done
after=$(rss)
ping_all "$tb" 10.7.0.1
say "$(cat "$RUN/flooded") MACs; learned $(learned), refused $(refused), not asked $(field .learn_dropped show stats); memory $before to $after kB"
rows=$(field length show paths)
[ "$rows" -le 10002 ] || fail "$rows paths"
[ "$(field '[.[] | select(.port == "noisy" and .origin == "learned")] | length' show paths)" -le 9000 ] || fail "more than a member may have"
[ "$(field '[.[] | select(.origin == "static")] | length' show paths)" = 2 ] || fail "static paths"
# A sanitizer's allocator keeps what is freed.
[ "${SANITIZED:-no}" = yes ] || [ $((after - before)) -le 8192 ] || fail "memory grew from $before to $after kB"
ctl path flush blue
[ "$(field length show paths)" -le 5 ] || fail "what was learned is there after path flush"
stop_culvert TERM || fail "culvert exit status $?"
