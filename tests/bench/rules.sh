#!/bin/sh
# Rules a second into the embedded switch: culvert-bench beside dpdk-test-flow-perf, in turns; how many times flow-perf's
# time culvert takes: by medians, by the median of what each round gave, and by the fastest round of each: other guests of a
# virtual machine's host add time, and more to two threads than to one.
# usage: rules.sh BUILD [ROUNDS, an odd number] [ARGUMENTS OF THE SWITCH, e.g. profile=mlx5]
#
# Both make 100,000 transfer rules in group 0 of a switch with an uplink and a tenant over net_null, at the same place for all:
#   flat    eth, ipv4, udp -> count, 50 bytes of header, out of a port
#   tagged  eth, ipv4, udp -> count, tag, jump
# Each rule is of UDP from a source address of its own. culvert's match the tenant's port and the protocol besides, and the
# flat ones count in an indirect action (one call more a rule). culvert's offload thread has the second core. flow-perf's
# figure is rte_flow_create and no more; culvert's begins at Offload::Client::add and has precedence, state and bookkeeping
# of each flow in it.
set -eu
build=$1 rounds=${2:-5} arguments=${3:-}
plugins=$("$(dirname "$0")/../private_plugins.sh" "$build/drivers/net/eswitch/librte_net_eswitch.so" \
  "$build/tests/eswitch/libfirst_port.so")
work=$(mktemp -d)
trap 'rm -rf "$plugins" "$work"' EXIT
eal="--no-huge -m 512 --no-pci --no-telemetry --log-level=warning --file-prefix=rules$$"

# shellcheck disable=SC2086  # lists of words
flow_perf() { # LAYOUT ACTIONS
  dpdk-test-flow-perf -l 0,1 $eal -d "$plugins/librte_net_eswitch.so" -d "$plugins/libfirst_port.so" \
    --vdev first_port_hold --vdev first_port_hold1 --vdev net_null0,no-rx=1 --vdev net_null1,no-rx=1 --vdev first_port_release \
    --vdev "net_eswitch0,uplink=net_null0,rep=net_null1${arguments:+,$arguments}" -- --rules-count=100000 \
    --rules-batch=100000 --portmask=0x1 --deletion-rate --transfer --group=0 --ether --ipv4 --udp $2 > "$work/out" 2>&1 ||
    { cat "$work/out" >&2; exit 1; }
  awk -v layout="$1" '/Throughput.*Total flows insertion/ { print "flow-perf insert", layout, $(NF - 2) * 1000 }
    /Throughput.*Total deletion/ { print "flow-perf delete", layout, $(NF - 2) * 1000 }' "$work/out" >> "$work/rates"
}

# shellcheck disable=SC2086
culvert() { # LAYOUT
  for what in insert delete; do
    "$build/app/bench/culvert-bench" --lcores 0@0,1@0 $eal -- --json --runs 1 ${arguments:+--eswitch "$arguments"} \
      "rule_${what}_$1.100000" > "$work/out"
    sed -E 's/.*"value":([0-9.]*).*/culvert '"$what $1"' \1/' "$work/out" >> "$work/rates"
  done
}

uptime
for _ in $(seq "$rounds"); do
  flow_perf flat "--count --raw-encap=ether,ipv4,udp,vxlan --port-id"
  culvert flat
  flow_perf tagged "--count --set-tag --jump"
  culvert tagged
done
uptime
sort -k1,3 -k4n "$work/rates" | awk -v rounds="$rounds" '
  { values[$1 " " $2 " " $3] = values[$1 " " $2 " " $3] " " $4 }
  END {
    for (key in values) {
      split(values[key], sorted, " ")
      rate["medians " key] = sorted[int((rounds + 1) / 2)]
      rate["fastest " key] = sorted[rounds]
    }
    for (key in rate) {
      split(key, word, " ")
      theirs = rate[word[1] " flow-perf " word[3] " " word[4]]
      if (word[2] == "culvert")
        printf "%s %s, %s of %d: culvert %.0f rules/s, flow-perf %.0f; %.2f times the time\n", word[3], word[4], word[1],
          rounds, rate[key], theirs, theirs / rate[key]
    }
  }' | sort
awk '{ round = ++count[$1 $2 $3]; rate[$1 $2 $3 round] = $4 }
  $1 == "culvert" { print $2, $3, rate["flow-perf" $2 $3 round] / $4 }' "$work/rates" | sort -k1,2 -k3n |
  awk -v rounds="$rounds" '++count[$1 $2] == int((rounds + 1) / 2) {
    printf "%s %s, median of the rounds'"'"' own: %.2f times the time\n", $1, $2, $3 }'
