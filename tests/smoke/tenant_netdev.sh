#!/bin/bash
# A tenant behind a port that the kernel sees too (it has a netdev): in a network it is a tenant, and no end of tunnels. A
# tenant that sends what looks like a tunnel packet of the peer's gets nothing decapsulated, neither by the workers nor by
# the NIC.
. "$(dirname "$0")/lib.sh"
with_eswitch || { say "skipped: the embedded switch was not built"; exit 77; }

topology
tenant_path() { config | sed "s/\(ethdev: net_eswitch0_rep0\)/\1, netdev: tenant0, kernel_path: $1/" > "$RUN/culvert.yaml"; }

# Shared with the kernel by the NIC's rules it would get nothing from its tenants: refused, and what would be right.
tenant_path bifurcated
status=0
in_ns "$gw" timeout 60 "$BUILD/app/culvert/culvert" --lcores 0,1 --no-huge -m 512 --no-pci --file-prefix "$NS" "${ESWITCH[@]}" \
  -- -c "$RUN/culvert.yaml" --socket "$SOCKET" > "$RUN/refused.log" 2>&1 || status=$?
[ $status = 1 ] || { cat "$RUN/refused.log"; fail "exit status $status"; }
grep -q 'port tenant: .*kernel_path: none' "$RUN/refused.log" || { cat "$RUN/refused.log"; fail "it does not say what is right"; }

tenant_path none
start_culvert "${ESWITCH[@]}" --log-level=culvert.offload:debug
ctl wait 30 tunnel vx100
ping_all "$ta" 10.7.0.2
ctl wait 30
[ "$(field 'length > 1 and all(.state == "offloaded")' show flows)" = true ] || { ctl show flows; fail "not offloaded"; }

# No rule takes tunnel packets from the tenant's port; from the uplink there are some.
tunnel_rules() { grep -cE "represented_port ethdev_port_id is $1 /.* / vxlan .* end actions" "$RUN/culvert.log" || true; }
id_of() { field ".[] | select(.name == \"$1\") | .port_id" show ports; }
[ "$(tunnel_rules "$(id_of uplink)")" -gt 0 ] || fail "no rule takes the peer's tunnel packets"
[ "$(tunnel_rules "$(id_of tenant)")" = 0 ] || fail "rules take a tenant's own tunnel packets"

# As if the peer had sent it: from B, who is known behind the tunnel, to A.
/usr/bin/python3 - "$(mac_of "$tb" eth0)" "$(mac_of "$ta" eth0)" > "$RUN/spoof.py" <<'PYTHON'
import sys
print(f"""
from scapy.all import *
inner = Ether(src="{sys.argv[1]}", dst="{sys.argv[2]}") / IP(src="10.7.0.2", dst="10.7.0.1") / UDP(sport=9, dport=7777) / b"spoofed"
outer = Ether(src="{sys.argv[2]}", dst="02:00:00:00:00:01") / IP(src="192.0.2.2", dst="192.0.2.1") / UDP(sport=50000, dport=4789, chksum=0)
sendp([outer / VXLAN(vni=100, flags=8) / inner] * 20, iface="eth0", verbose=False)
""")
PYTHON
background "$ta" tcpdump -i eth0 -nn -U -w "$RUN/a.pcap" udp port 7777 2> "$RUN/tcpdump.log"
wait_for 10 grep -q 'listening on' "$RUN/tcpdump.log"
decapsulated=$(field .decapsulated show stats)
in_ns "$ta" /usr/bin/python3 "$RUN/spoof.py"
ping_all "$ta" 10.7.0.2
sleep 0.5
[ "$(tcpdump -nn -r "$RUN/a.pcap" 2> /dev/null | wc -l)" = 0 ] || fail "a tenant's own tunnel packets were decapsulated"
[ "$(field .decapsulated show stats)" -lt $((decapsulated + 20)) ] || fail "the workers decapsulated"
ctl verify > /dev/null || { ctl verify; fail "verify finds something"; }

# It goes out of the network: that is another kind of port.
sed -i 's/, ports: \[tenant\]/, ports: []/' "$RUN/culvert.yaml"
ctl reload 2> "$RUN/reload" && fail "the port left its network at a reload"
grep -q 'port tenant: .*needs a restart' "$RUN/reload" || { cat "$RUN/reload"; fail "reload says something else"; }
stop_culvert TERM || fail "culvert did not stop cleanly"
say "tenant with a netdev: ok"
