#!/bin/bash
# Explicit flows on real packets: what matches goes into a second tunnel, to another vxlan device of the kernel, and the
# rest by the network. Precedence, deletion, counters; then `reload` and SIGHUP under a running ping that loses nothing.
. "$(dirname "$0")/lib.sh"

# tenant C stands behind the peer's second device, vxlan200.
tc=$NS-tc
NAMESPACES+=("$tc")
topology
namespace "$tc"
wire "$tc" eth0 "$peer" tenant1
kernel_vtep "$peer" 200 192.0.2.2 192.0.2.1 tenant1

vx100='{name: vx100, type: vxlan, vni: 100, local: 192.0.2.1, remote: 192.0.2.2}'
vx200='{name: vx200, type: vxlan, vni: 200, local: 192.0.2.1, remote: 192.0.2.2}'
dns='{name: dns, port: tenant, match: {ip_proto: udp, l4_dst: 53}, tunnel: vx200, priority: 10}'
write_config() { # TUNNELS FLOWS
  cat > "$RUN/culvert.yaml" <<YAML
ports:
  - {name: uplink, ethdev: net_af_packet0, netdev: uplink0, kernel_path: bifurcated}
  - {name: tenant, ethdev: net_af_packet1}
tunnels: [$1]
networks:
  - {name: blue, type: l2, ports: [tenant], tunnels: [vx100]}
flows: [$2]
YAML
}
write_config "$vx100, $vx200" "$dns"
start_culvert
ctl wait 10 tunnel vx100
ctl wait 10 tunnel vx200
ping_all "$ta" 10.7.0.2

# Datagrams to port 53 and to port 54 of tenant B, and who gets them.
background "$tb" tcpdump -q -n -l -i eth0 udp and dst host 10.7.0.2 > "$RUN/b" 2>/dev/null
background "$tc" tcpdump -q -n -l -i eth0 udp and dst host 10.7.0.2 > "$RUN/c" 2>/dev/null
wait_for 10 in_ns "$tb" grep -q eth0 /proc/net/packet || sleep 1
sleep 1
send() { in_ns "$ta" /usr/bin/python3 -c "
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for i in range(20):
    for port in 53, 54: s.sendto(b'x' * 100, ('10.7.0.2', port))"; }
got() { grep -c "10.7.0.2.$2: " "$RUN/$1" || true; }
counts() { echo "$(got b 53) $(got b 54) $(got c 53) $(got c 54)"; }
expect_counts() { # B53 B54 C53 C54
  local want="$*"
  are() { [ "$(counts)" = "$want" ]; }
  wait_for 5 are || fail "datagrams at B to 53, 54 and at C to 53, 54: expected $want, got $(counts)"
}
explicit_flows() { field 'map(select(.source | IN("config", "shell")).name) | join(" ")' show flows; }
flow() { field ".[] | select(.name == \"$1\") | .$2" show flows; }

send
expect_counts 0 20 20 0
[ "$(flow dns packets)" = 20 ] || { ctl show flows; fail "the flow has not counted 20 packets"; }
[ "$(flow dns bytes)" = $((20 * (14 + 20 + 8 + 100))) ] || { ctl show flows; fail "the flow has counted other bytes"; }
[ "$(field '.[0] | keys_unsorted | join(" ")' show flows dns)" = "name source port tunnel state reason packets bytes" ] ||
  fail "fields of show flows: $(ctl show flows json)"
[ "$(field '.[0] | [.name, .source, .port, .tunnel, .state] | join(" ")' show flows dns)" = "dns config tenant vx200 software" ] ||
  fail "show flows: $(ctl show flows json)"
[ "$(field '.[] | select(.tunnel == "vx200") | .refs' show encaps)" = 1 ] || fail "refs of an encap that a flow uses"

# The lower number wins; of equals the earlier. Deletion gives the packets back.
ctl flow add direct port tenant match ip_proto udp l4_dst 53 ipv4_dst 10.7.0.0/24 tunnel vx100 priority 5
ctl flow add late port tenant match ip_proto udp tunnel vx200 priority 5
ctl wait
send
expect_counts 20 20 20 20
[ "$(flow direct packets) $(flow late packets) $(flow dns packets)" = "20 20 20" ] || { ctl show flows; fail "counters of three flows"; }
grep -q 'flow late: some packets' "$RUN/culvert.log" || fail "no warning of flows of one priority"
ctl flow explain direct | grep -q '^neighbour .* 192.0.2.2 on uplink0' || fail "explain: $(ctl flow explain direct)"
ctl flow del direct
ctl wait
send
expect_counts 20 20 40 40
ctl flow flush
ctl wait
send
expect_counts 20 40 60 40
[ "$(explicit_flows)" = dns ] || fail "flow flush: $(ctl show flows)"
ctl verify

# A flow whose neighbour is not there yet: pending, its packets dropped by that name, never taken by the network.
ctl tunnel add nobody type vxlan vni 9 local 192.0.2.1 remote 192.0.2.99
ctl flow add wait port tenant match ip_proto udp l4_dst 54 tunnel nobody
ctl wait
[ "$(flow wait state)" = pending ] && flow wait reason | grep -q 192.0.2.99 || { ctl show flows; fail "a flow without a neighbour"; }
before=$(drops neighbour_unresolved)
send
dropped() { [ $(($(drops neighbour_unresolved) - before)) = 20 ]; }
wait_for 5 dropped || fail "packets of a pending flow: $(drops neighbour_unresolved), before $before"
expect_counts 20 40 80 40

# What cannot be, with what would be right.
wrong() { local words=$1; shift; if ctl "$@" 2> "$RUN/err"; then fail "'$*' was accepted"; fi; grep -q "^error: .*$words" "$RUN/err" || fail "'$*': $(cat "$RUN/err")"; }
wrong "no flow 'nothing'" show flows nothing json
wrong "take it out there and reload" flow del dns
wrong "in use by flow dns" tunnel del vx200
wrong "in use by flow wait" tunnel del nobody
wrong "exists already" flow add dns port tenant match vlan 1 tunnel vx100
ctl flow del wait
ctl tunnel del nobody

# Reload, by command and by signal, under a ping that must lose nothing; a station learned stays learned.
encap() { field '.[] | select(.tunnel == "vx100") | .id' show encaps; }
stations() { field 'map(.mac) | sort | join(" ")' show paths; }
is_there() { field 'map(.name) | join(" ")' show tunnels | grep -qw "$1"; }
id=$(encap) known=$(stations) packets=$(flow dns packets)
ctl tunnel add mine type vxlan vni 77 local 192.0.2.1 remote 192.0.2.2
ctl flow add mine port tenant match vlan 77 tunnel mine
replied=$(replies "$ta")
ip netns exec "$ta" ping -q -i 0.005 -c 800 10.7.0.2 > "$RUN/reload.ping" &
ping=$!
HELPERS+=("$ping")
for round in 1 2 3; do
  ctl reload
  [ "$(flow dns packets)" = "$packets" ] || fail "a reload of the same touches the flow"
  write_config "$vx100" ""
  ctl reload
  is_there vx200 && fail "reload keeps a tunnel that is gone"
  [ "$(explicit_flows)" = mine ] || fail "flows after reload: $(ctl show flows)"
  write_config "$vx200, $vx100" "$dns"
  kill -HUP "$CULVERT_PID"
  wait_for 5 is_there vx200 || fail "SIGHUP does not reload"
  packets=0
  [ "$(encap)" = "$id" ] || fail "vx100 has another encap after a reload"
  [ "$(stations)" = "$known" ] || fail "stations after a reload: $(stations), before: $known"
done
# Bad ones: told with their place, and everything stays.
before=$(ctl show tunnels json; ctl show flows json)
write_config "$vx100, {name: x, type: vxlan, vni: 7, local: 192.0.2.1}" "$dns"
wrong "$RUN/culvert.yaml:4:.*lacks the key 'remote'" reload
write_config "$vx100, $vx200" "$dns, {name: mine, port: tenant, match: {vlan: 1}, tunnel: vx100}"
wrong "flow mine.*flow del mine" reload
sed -i 's/name: uplink,/name: up,/' "$RUN/culvert.yaml"
wrong "needs a restart" reload
echo 'ports: [' > "$RUN/culvert.yaml"
kill -HUP "$CULVERT_PID"
wait_for 5 grep -q "SIGHUP: $RUN/culvert.yaml:.*YAML syntax" "$RUN/culvert.log" || fail "a bad file on SIGHUP is not told"
[ "$(ctl show tunnels json; ctl show flows json)" = "$before" ] || fail "a bad reload changed something"
wait "$ping" || true
all_answered "$ta" "$replied" "$RUN/reload.ping" || fail "reload lost pings of an unchanged tunnel"
wait_for 10 ctl wait 10 tunnel vx200
send
expect_counts 20 60 100 40
stop_culvert TERM || fail "culvert exit status $?"
