#!/bin/bash
# Twenty wrong configurations and twenty wrong commands: each is told at its place, and what ran still runs.
. "$(dirname "$0")/lib.sh"

CULVERT=$BUILD/app/culvert/culvert
number=0

# bad LINE WORDS: the YAML on standard input is refused with an error on that line that has these words
bad() {
  number=$((number + 1))
  cat > "$RUN/bad.yaml"
  local status=0
  "$CULVERT" --check -c "$RUN/bad.yaml" > "$RUN/bad.out" 2>&1 || status=$?
  [ $status = 2 ] || fail "configuration $number: exit status $status, expected 2: $(cat "$RUN/bad.out")"
  grep -q "^$RUN/bad.yaml:$1:[0-9]*: .*$2" "$RUN/bad.out" || fail "configuration $number: expected line $1 and '$2', got: $(cat "$RUN/bad.out")"
}
ports='ports: [{name: up, ethdev: net_af_packet0, netdev: veth0}, {name: a, ethdev: net_af_packet1}]'
tunnel='{name: t, type: vxlan, vni: 1, local: 192.0.2.1, remote: 192.0.2.2'

bad 1 'prots' <<< "prots: []"
bad 2 'name' <<< "ports:
  - {ethdev: net_null0}"
bad 2 'ethdev' <<< "ports:
  - {name: a}"
bad 1 'a' <<< "ports: [{name: a, ethdev: x}, {name: a, ethdev: y}]"
bad 2 'nonsense' <<< "$ports
tunnels: [$tunnel, nonsense: 1}]"
bad 2 '192.0.2.300' <<< "$ports
tunnels: [{name: t, type: vxlan, vni: 1, local: 192.0.2.300, remote: 192.0.2.2}]"
bad 2 '16777216\|16777215' <<< "$ports
tunnels: [{name: t, type: vxlan, vni: 16777216, local: 192.0.2.1, remote: 192.0.2.2}]"
bad 2 'remote' <<< "$ports
tunnels: [{name: t, type: vxlan, vni: 1, local: 192.0.2.1}]"
bad 2 'not supported yet' <<< "$ports
tunnels: [{name: t, type: gre, local: 192.0.2.1, remote: 192.0.2.2}]"
bad 2 'geneve' <<< "$ports
tunnels: [{name: t, type: geneve, local: 192.0.2.1, remote: 192.0.2.2}]"
bad 2 'ttl' <<< "$ports
tunnels: [$tunnel, ttl: 256}]"
bad 2 'dscp' <<< "$ports
tunnels: [$tunnel, dscp: 64}]"
bad 2 'source_port' <<< "$ports
tunnels: [$tunnel, source_port: [60000, 50000]}]"
bad 2 'ecn' <<< "$ports
tunnels: [$tunnel, ecn: maybe}]"
bad 2 'nowhere' <<< "$ports
networks: [{name: n, type: l2, ports: [nowhere]}]"
bad 3 'inner_dst_mac' <<< "$ports
tunnels: [$tunnel}]
networks: [{name: n, type: l3, ports: [a], tunnels: [t]}]"
bad 2 'learning' <<< "$ports
networks: [{name: n, type: l3, ports: [a], learning: true}]"
bad 2 'type: l3' <<< "$ports
networks: [{name: n, type: l2, ports: [a], table: main}]"
bad 2 'learning' <<< "$ports
networks: [{name: n, type: l2, ports: [a], learning: perhaps}]"
bad 3 'a' <<< "$ports
networks: [{name: n, type: l2, ports: [a]},
           {name: m, type: l2, ports: [a]}]"
bad 2 "no tunnel 't'" <<< "$ports
flows: [{name: f, port: a, match: {vlan: 1}, tunnel: t}]"
bad 3 '4095' <<< "$ports
tunnels: [$tunnel}]
flows: [{name: f, port: a, match: {vlan: 4095}, tunnel: t}]"
bad 3 'take no packet' <<< "$ports
tunnels: [$tunnel}]
flows: [{name: f, port: a, match: {ipv4_src: 10.0.0.0/8, ipv6_dst: 'fd00::1'}, tunnel: t}]"
bad 1 'sometimes' <<< "offload: {mode: sometimes}"
bad 2 'syntax' <<< "ports: [{name: a"
bad 2 'kernel_path' <<< "ports:
  - {name: a, ethdev: x, kernel_path: sometimes}"
# Every error, not only the first.
printf 'ports:\n  - {name: a, ethdev: x, colour: red}\n  - {name: a, ethdev: y}\nfoo: 1\n' > "$RUN/bad.yaml"
"$CULVERT" --check -c "$RUN/bad.yaml" > "$RUN/bad.out" 2>&1 && fail "three errors were accepted"
[ "$(grep -c "^$RUN/bad.yaml:" "$RUN/bad.out")" = 3 ] || fail "expected three errors: $(cat "$RUN/bad.out")"

# The command line.
refused() { # STATUS WORDS ARGUMENT ...
  local want=$1 words=$2 status=0; shift 2
  "$CULVERT" "$@" > "$RUN/bad.out" 2>&1 || status=$?
  [ $status = "$want" ] || fail "culvert $*: exit status $status, expected $want: $(cat "$RUN/bad.out")"
  grep -q -- "$words" "$RUN/bad.out" || fail "culvert $*: expected '$words', got: $(cat "$RUN/bad.out")"
}
config > "$RUN/good.yaml"
refused 2 'belongs after' --socket /tmp/x -l 0 -- -c "$RUN/good.yaml"
refused 2 "unknown option '--sockets'" -- --sockets
refused 2 'needs a value' -- -c
refused 2 'no/such/file' --check -c /no/such/file.yaml
"$CULVERT" --check -c "$RUN/good.yaml" || fail "a good configuration is refused"
"$CULVERT" --version | grep -q '^culvert [0-9]' || fail "--version"
"$CULVERT" --help | grep -q -- --cmdline-file || fail "--help"

topology
start_culvert
ctl wait 10 tunnel vx100
wrong() {
  number=$((number + 1))
  if ctl "$@" > "$RUN/wrong.out" 2> "$RUN/wrong.err"; then fail "'$*' was accepted: $(cat "$RUN/wrong.out")"; fi
  [ ! -s "$RUN/wrong.out" ] || fail "'$*' printed on stdout: $(cat "$RUN/wrong.out")"
  [ "$(grep -c '^error: ' "$RUN/wrong.err")" = 1 ] && [ "$(wc -l < "$RUN/wrong.err")" = 1 ] ||
    fail "'$*' should give one line of error: $(cat "$RUN/wrong.err")"
}
before=$(ctl show tunnels json)
wrong shwo
wrong show
wrong show tunels
wrong show tunnels nowhere
wrong show routes table nonsense
wrong show routes 10.0.0.1/8
wrong show routes 10.0.0.300
wrong show ports extra words
wrong tunnel
wrong tunnel add
wrong tunnel add t2
wrong tunnel add t2 type vxlan vni 100
wrong tunnel add t2 type vxlan vni x local 192.0.2.1 remote 192.0.2.3
wrong tunnel add t2 type vxlan vni 7 local 192.0.2.1 remote 192.0.2.3 ttl
wrong tunnel add t2 type vxlan vni 7 local 192.0.2.1 remote 192.0.2.3 ttl 0
wrong tunnel add t2 type vxlan vni 7 local 192.0.2.1 remote 192.0.2.3 colour red
wrong tunnel add t2 type gre local 192.0.2.1 remote 192.0.2.3
wrong tunnel add vx100 type vxlan vni 7 local 192.0.2.1 remote 192.0.2.3
wrong tunnel add t2 type vxlan vni 100 local 192.0.2.1 remote 192.0.2.2
wrong tunnel del nowhere
wrong tunnel del vx100
wrong wait soon
wrong wait 1 tunnel nowhere
wrong flow add f port tenant match vlan 1 tunnel nowhere
wrong flow add f port tenant match ipv4_src 10.0.0.1/8 tunnel vx100
wrong flow del nowhere
[ "$(ctl show tunnels json)" = "$before" ] || fail "a wrong command changed the tunnels"
ping_all "$ta" 10.7.0.2

ctl tunnel add t2 type vxlan vni 7 local 192.0.2.1 remote 192.0.2.77 source_port 50000-50010
[ "$(field '.[] | select(.name == "t2") | .state' show tunnels)" = unresolved ] || fail "t2 is not there"
wrong wait 1 tunnel t2
ctl tunnel del t2
[ "$(ctl show tunnels json)" = "$before" ] || fail "tunnel del left something behind"
say "$number wrong inputs refused"
stop_culvert TERM || fail "culvert exit status $?"
