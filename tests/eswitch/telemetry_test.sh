#!/bin/sh
# Faults changed while testpmd runs, by DPDK telemetry: a rule is refused, and then it is not.
# usage: telemetry_test.sh LIBRTE_NET_ESWITCH.SO
set -eu
plugins=$("$(dirname "$0")/../private_plugins.sh" "$1")
trap 'rm -rf "$plugins"' EXIT
driver=$plugins/$(basename "$1")
prefix=eswtel$$
work=$(mktemp -d)
mkfifo "$work/in"
stdbuf -oL dpdk-testpmd --no-huge -m 256 --no-pci --file-prefix="$prefix" -l 0,1 -d "$driver" --vdev net_null0,no-rx=1 \
  --vdev net_eswitch0,uplink=net_null0,rules=1 -- -i --no-mlockall --total-num-mbufs=2048 \
  <"$work/in" >"$work/out" 2>&1 &
pid=$!
exec 3>"$work/in"
trap 'exec 3>&-; kill "$pid" 2>/dev/null || :; wait "$pid" 2>/dev/null || :; rm -rf "$work" "$plugins"' EXIT

await() { # TEXT COUNT: testpmd has said it so often
  for _ in $(seq 100); do
    [ "$(grep -c "$1" "$work/out")" -ge "$2" ] && return 0
    sleep 0.1
  done
  cat "$work/out"
  echo "FAIL: never saw: $1"
  exit 1
}
ask() { # COMMAND: the answer
  /usr/bin/python3 - "$prefix" "$1" <<'PYTHON'
import glob, socket, sys
link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
link.connect(f"/var/run/dpdk/{sys.argv[1]}/dpdk_telemetry.v2")
link.recv(1024)
link.send(sys.argv[2].encode())
print(link.recv(16384).decode())
PYTHON
}
rule='flow create 1 ingress pattern eth / end actions drop / end'
echo "$rule" >&3
await 'Flow rule #0 created' 1
echo "$rule" >&3
await 'no room for another rule' 1
ask /net_eswitch/list | grep -q '"net_eswitch0"'
ask /net_eswitch/faults,net_eswitch0,rules= | grep -q 'rules=,'
echo "$rule" >&3
await 'Flow rule #1 created' 1
ask /net_eswitch/faults,net_eswitch0,fail=create:every:1:EBUSY | grep -q 'fail=create:every:1:EBUSY'
echo "$rule" >&3
await 'Device or resource busy' 1
ask /net_eswitch/faults,net_eswitch0,fail=nonsense | grep -q null
ask /net_eswitch/faults,net_eswitch0 | grep -q 'fail=create:every:1:EBUSY'
ask /net_eswitch/remove,net_eswitch1 | grep -q null
ask /net_eswitch/remove,net_eswitch0 | grep -q '"removed":"net_eswitch0"'
await 'Port 1: device removal event' 1
await 'Device is detached' 1  # testpmd closes it
echo quit >&3
wait "$pid"
echo PASS
