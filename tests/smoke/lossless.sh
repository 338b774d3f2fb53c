#!/bin/bash
# Numbered frames at 5,500 a second while the MAC of the tunnel's next hop changes: on a switch in both layouts and on a
# plain NIC, each also with sends and rules that take effect late. The same set-up without changes is shown beside each.
# None lost, none twice, none with an old MAC once a change was complete, none without its tunnel, none overtaken by
# another on the same path (NIC or workers; that between the two some overtake, at a change, is said and allowed).
# CHANGES: how many a case.
. "$(dirname "$0")/lib.sh"
skip() { say "skipped: the embedded switch was not built"; exit 77; }
CHANGES=${CHANGES:-100}
RATE=5500
if [ "${SANITIZED:-no}" = yes ]; then RATE=1000; fi

topology
# a source port of the workers' own: mac_changes.cpp tells by it who wrote a header
lossless_config() {
  config | sed 's/remote: 192.0.2.2/&, source_port: [40000, 40000]/'
  cat <<YAML
flows:
  - {name: all, port: tenant, match: {ipv4_dst: 10.7.0.2}, tunnel: vx100}
offload: {mode: auto, layout: $1}
YAML
}

# lossless NAME LAYOUT: on the set-up that with_eswitch or with_plain_nic has made
lossless() {
  lossless_config "$2" > "$RUN/culvert.yaml"
  say "$1"
  start_culvert "${ESWITCH[@]}"
  ctl wait 30 tunnel vx100
  [ "$(field '.[0].state' show flows all)" = offloaded ] || { ctl flow explain all; fail "the flow is not offloaded"; }
  "$BUILD/tests/smoke/mac_changes" "$ta" "$gw" "$un" "$SOCKET" $RATE "$CHANGES" || {
    ctl show stats json | jq -c '.drops | with_entries(select(.value != 0))'
    fail "$1: not lossless"
  }
  ctl verify > /dev/null || { ctl verify; fail "$1: verify finds something"; }
  stop_culvert TERM || fail "$1: culvert did not stop cleanly"
  rm -rf "$PLUGINS"
}

for delay in 0 200; do
  delays=profile=mlx5,tx_delay_us=$delay,latency_us=$delay
  with_eswitch "$delays" || skip
  lossless "switch, tagged, $delays" tagged
  with_eswitch "$delays"
  lossless "switch, flat, $delays" flat
  TENANT=
  with_plain_nic "$delays"
  lossless "plain NIC, $delays" auto
done
say "lossless: ok"
