#!/bin/bash
# ARP and ND suppression towards the kernel's vxlan device: for stations that the kernel beside culvert knows, and for those
# that culvert has heard itself, the tenant is answered and the peer sees no broadcast. Unknown ones, gratuitous ARP and
# duplicate address detection reach it as before. tshark looks at what comes out of the peer's bridge.
. "$(dirname "$0")/lib.sh"

topology
config | sed 's/tunnels: \[vx100\]}/tunnels: [vx100], suppress: true}/' > "$RUN/culvert.yaml"
# As an EVPN daemon has it: the neighbours of VNI 100 are on a kernel vxlan device of that VNI (on another UDP port).
in_ns "$gw" ip link add evpn100 type vxlan id 100 local 192.0.2.1 dstport 14789 nolearning
in_ns "$gw" ip link set evpn100 up
start_culvert
ctl wait 10 tunnel vx100
A=$(mac_of "$ta" eth0) B=$(mac_of "$tb" eth0)

background "$tb" tcpdump -q --immediate-mode -i eth0 -Q in -w "$RUN/b.pcap" -U -s 0 arp or icmp6 2> "$RUN/b.log"
wait_for 10 grep -q 'listening on' "$RUN/b.log"

# ask ADDRESS [sender]: as tenant A; prints the MAC of who answers, or nothing after a second
ask() {
  in_ns "$ta" /usr/bin/python3 - "$@" <<'PYTHON'
import sys
from scapy.all import ARP, Ether, ICMPv6ND_NS, ICMPv6NDOptSrcLLAddr, ICMPv6ND_NA, IPv6, get_if_hwaddr, in6_getnsma, in6_getnsmac, srp1
import socket
target, mine = sys.argv[1], get_if_hwaddr("eth0")
if ":" in target:
    source = sys.argv[2] if len(sys.argv) > 2 else "fd00:7::1"
    group = in6_getnsma(socket.inet_pton(socket.AF_INET6, target))
    frame = Ether(src=mine, dst=in6_getnsmac(group)) / IPv6(src=source, dst=socket.inet_ntop(socket.AF_INET6, group)) / ICMPv6ND_NS(tgt=target)
    if source != "::":
        frame = frame / ICMPv6NDOptSrcLLAddr(lladdr=mine)
else:
    source = sys.argv[2] if len(sys.argv) > 2 else "10.7.0.1"
    frame = Ether(src=mine, dst="ff:ff:ff:ff:ff:ff") / ARP(op=1, hwsrc=mine, psrc=source, pdst=target)
answer = srp1(frame, iface="eth0", timeout=1, verbose=False)
if answer is None:
    sys.exit()
if ":" in target:
    checksum = answer[ICMPv6ND_NA].cksum
    del answer[ICMPv6ND_NA].cksum
    assert Ether(bytes(answer))[ICMPv6ND_NA].cksum == checksum, "checksum"
    print(answer.src, "router" if answer[ICMPv6ND_NA].R else "host")
else:
    print(answer[ARP].hwsrc)
PYTHON
}
# questions FILTER: how many of A's questions the peer saw
questions() { sleep 0.5; tshark -r "$RUN/b.pcap" -Y "eth.src == $A && eth.dst.ig == 1 && ($1)" 2> /dev/null | wc -l; }
unseen() { [ "$(questions "$1")" = 0 ] || { tshark -r "$RUN/b.pcap" 2> /dev/null; fail "the peer saw: $1"; }; }
seen() { [ "$(questions "$1")" -gt 0 ] || { tshark -r "$RUN/b.pcap" 2> /dev/null; fail "the peer did not see: $1"; }; }

# B is heard. What the kernel then says of two addresses that nobody ever used is what A gets.
ping_all "$tb" 10.7.0.1
in_ns "$gw" ip neighbour add 10.7.0.50 lladdr "$B" dev evpn100 nud noarp extern_learn
in_ns "$gw" ip neighbour add fd00:7::50 lladdr "$B" dev evpn100 nud noarp extern_learn router
in_ns "$gw" ip neighbour add fd00:7::51 lladdr "$B" dev evpn100 nud noarp extern_learn
ctl wait 10
[ "$(ask 10.7.0.50)" = "$B" ] || fail "no answer for 10.7.0.50"
[ "$(ask fd00:7::50)" = "$B router" ] || fail "no answer, or a wrong one, for fd00:7::50: $(ask fd00:7::50)"
[ "$(ask fd00:7::51)" = "$B host" ] || fail "no answer, or a wrong one, for fd00:7::51"
unseen "arp.dst.proto_ipv4 == 10.7.0.50 || icmpv6.nd.ns.target_address == fd00:7::50 || icmpv6.nd.ns.target_address == fd00:7::51"
[ "$(field .suppressed show stats)" -ge 3 ] || { ctl show stats; fail "answers were not counted"; }

# The kernel forgets one of them.
in_ns "$gw" ip neighbour del 10.7.0.50 dev evpn100
ctl wait 10
[ -z "$(ask 10.7.0.50)" ] || fail "an answer for who is gone"
seen "arp.dst.proto_ipv4 == 10.7.0.50"
# A MAC that no frame came from is none that is known.
in_ns "$gw" ip neighbour add 10.7.0.60 lladdr 02:00:00:00:99:99 dev evpn100 nud noarp extern_learn
ctl wait 10
[ -z "$(ask 10.7.0.60)" ] || fail "an answer for a station that the FDB does not have"
seen "arp.dst.proto_ipv4 == 10.7.0.60"

# The bridge that the device is in is the network's too, while it is in it. (B is heard anew before each look: what is idle goes.)
in_ns "$gw" ip link add evpnbr address 02:00:00:00:77:77 type bridge  # else it takes the MAC of its ports, and the kernel forgets its neighbours
in_ns "$gw" ip link set evpnbr up
in_ns "$gw" ip neighbour add 10.7.0.70 lladdr "$B" dev evpnbr nud noarp extern_learn
ctl wait 10
[ -z "$(ask 10.7.0.70)" ] || fail "an answer by a bridge that has nothing to do with it"
in_ns "$gw" ip link set evpn100 master evpnbr
ctl wait 10
ping_all "$tb" 10.7.0.1 -c 3
[ "$(ask 10.7.0.70)" = "$B" ] || fail "no answer for 10.7.0.70"
in_ns "$gw" ip link set evpn100 nomaster
ctl wait 10
ping_all "$tb" 10.7.0.1 -c 3
[ -z "$(ask 10.7.0.70)" ] || fail "an answer by a bridge that it has left"
sed -i 's/suppress: true/suppress: true, bridge: evpnbr/' "$RUN/culvert.yaml"
in_ns "$gw" ip neighbour replace 10.7.0.70 lladdr "$B" dev evpnbr nud noarp extern_learn  # it went with the bridge's carrier
ctl reload
ctl wait 10
[ "$(ask 10.7.0.70)" = "$B" ] || fail "no answer by the bridge that the network names"
sed -i 's/, bridge: evpnbr//' "$RUN/culvert.yaml"
ctl reload
ctl wait 10

# Nobody knows 10.7.0.99; and what looks whether an address is taken must reach who has it.
ask 10.7.0.99 > /dev/null; ask fd00:7::99 > /dev/null
seen "arp.dst.proto_ipv4 == 10.7.0.99"
seen "icmpv6.nd.ns.target_address == fd00:7::99"
ask 10.7.0.2 0.0.0.0 > /dev/null
seen "arp.dst.proto_ipv4 == 10.7.0.2 && arp.src.proto_ipv4 == 0.0.0.0"
ask fd00:7::51 :: > /dev/null
seen "icmpv6.nd.ns.target_address == fd00:7::51 && ipv6.src == ::"

# What stations say of themselves: A and B have talked, so A's kernel may forget B and ask again, and B sees nothing of it.
ping_all "$ta" 10.7.0.2
ping_all "$ta" fd00:7::2
before4=$(questions "arp.dst.proto_ipv4 == 10.7.0.2") before6=$(questions "icmpv6.nd.ns.target_address == fd00:7::2")
for _ in 1 2 3; do
  in_ns "$ta" ip neighbour flush dev eth0
  ping_all "$ta" 10.7.0.2 -c 3
  ping_all "$ta" fd00:7::2 -c 3
done
[ "$(questions "arp.dst.proto_ipv4 == 10.7.0.2")" = "$before4" ] || fail "the peer saw ARP for a known station"
[ "$(questions "icmpv6.nd.ns.target_address == fd00:7::2")" = "$before6" ] || fail "the peer saw ND for a known station"

# Without it they are broadcast again.
sed -i 's/suppress: true/suppress: false/' "$RUN/culvert.yaml"
ctl reload
in_ns "$ta" ip neighbour flush dev eth0
ping_all "$ta" 10.7.0.2 -c 3
[ "$(questions "arp.dst.proto_ipv4 == 10.7.0.2")" -gt "$before4" ] || fail "suppressed without suppress"
stop_culvert TERM || fail "culvert exit status $?"
say "suppress: known stations are answered, the peer sees no broadcast: ok"
