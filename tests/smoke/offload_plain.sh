#!/bin/bash
# A plain NIC port: workers find the tunnel and mark the frame, the NIC's egress rule writes the header, its ingress
# rule takes it off. No inner frame ever reaches the underlay, also while the peer's MAC changes.
. "$(dirname "$0")/lib.sh"
with_plain_nic profile=mlx5 || { say "skipped: the embedded switch was not built"; exit 77; }

topology
config > "$RUN/culvert.yaml"
cat >> "$RUN/culvert.yaml" <<YAML
flows:
  - {name: all, port: tenant, match: {ipv4_dst: 10.7.0.2}, tunnel: vx100}
YAML
# What no one may see on the underlay: frames of the tenants without their tunnel.
in_ns "$un" timeout 60 tcpdump -lni to-gw 'net 10.7.0.0/24 or ether proto 0x0806 and net 10.7.0.0/24' > "$RUN/leaks" 2>/dev/null &
HELPERS+=($!)
start_culvert "${ESWITCH[@]}"
ctl wait 10 tunnel vx100
ping_all "$ta" 10.7.0.2
ping_all "$tb" 10.7.0.1
ctl wait 10
[ "$(field '.[0].state' show flows all)" = offloaded ] || { ctl flow explain all; fail "the flow is not offloaded"; }
[ "$(field '.[0].in_hardware' show encaps)" = true ] || fail "the encap is not in hardware"
marked() { field .marked show stats; }
before=$(marked)
ping_all "$ta" 10.7.0.2
[ $(($(marked) - before)) -ge 20 ] || fail "workers wrote headers themselves"
ctl verify >/dev/null || { ctl verify; fail "verify finds something"; }

# The neighbour goes and comes, again and again, under traffic: what is lost is lost, but nothing leaks.
peer_mac=$(mac_of "$peer" eth0)
in_ns "$ta" ping -q -i 0.002 -c 1000 10.7.0.2 > "$RUN/ping.out" &
PING=$!
for _ in $(seq 1 20); do
  in_ns "$gw" ip neighbour replace 192.0.2.2 dev uplink0 lladdr 02:00:00:00:bb:01 nud permanent
  in_ns "$gw" ip neighbour replace 192.0.2.2 dev uplink0 lladdr "$peer_mac" nud permanent
  ctl wait 10
done
wait "$PING" || true
ping_all "$ta" 10.7.0.2
[ ! -s "$RUN/leaks" ] || { cat "$RUN/leaks"; fail "inner frames on the underlay"; }
ctl verify >/dev/null || { ctl verify; fail "verify finds something after the changes"; }

# The rules leave while workers still mark frames: for another offload.mode, and at the end.
background "$ta" ping -q -i 0.001 10.7.0.2 > /dev/null
for mode in "off" auto "off" auto; do
  sleep 0.3
  grep -v '^offload:' "$RUN/culvert.yaml" > "$RUN/new.yaml" && echo "offload: {mode: $mode}" >> "$RUN/new.yaml"
  mv "$RUN/new.yaml" "$RUN/culvert.yaml"
  ctl reload
done
ctl wait 10
sleep 0.3
stop_culvert TERM || fail "culvert did not stop cleanly"
sleep 0.2
[ ! -s "$RUN/leaks" ] || { head -n 5 "$RUN/leaks"; fail "$(wc -l < "$RUN/leaks") inner frames on the underlay while the rules left"; }
say "offload on a plain NIC: ok"
