#!/bin/bash
# The GID tables: they equal what `ip -j address` says of the port's link and its uppers through a thousand random
# events; and a tunnel ends where its local address is in one: once an address has gone nothing is decapsulated for it,
# neither by the workers nor by the NIC, and once it is back all flows again.
. "$(dirname "$0")/lib.sh"

topology
kernel() { in_ns "$gw" ip "$@"; }
gids() { field "$1" show gids; }

# A thousand events, a burst at a time; after each the table is what the kernel's addresses make it.
cat > "$RUN/gids.py" <<'PY'
import ipaddress, json, random, subprocess, sys, time
ctl, socket, seed = sys.argv[1], sys.argv[2], int(sys.argv[3])
draw = random.Random(seed)

def run(*words, **options):
    return subprocess.run(words, capture_output=True, text=True, **options).stdout

def mapped(text):
    address = ipaddress.ip_address(text)
    return ipaddress.IPv6Address(b"\0" * 10 + b"\xff\xff" + address.packed) if address.version == 4 else address

def default(mac):
    byte = [int(part, 16) for part in mac.split(":")]
    return ipaddress.IPv6Address(bytes([0xfe, 0x80] + [0] * 6 + [byte[0] ^ 2, *byte[1:3], 0xff, 0xfe, *byte[3:]]))

def wanted(port):
    """(gid, type, netdev, default) of the port's link and its uppers, as ip(8) tells them."""
    links = {link["ifname"]: link for link in json.loads(run("ip", "-j", "-d", "address")) if "ifname" in link}
    names, more = {port}, True
    while more:
        found = {name for name, link in links.items()
                 if link.get("linkinfo", {}).get("info_kind") == "macvlan" and link.get("link") in names}
        found |= {links[name]["master"] for name in names if "master" in links[name]}
        more = not found <= names
        names |= found
    rows = {(default(links[port]["address"]), type, port, True) for type in ("RoCE v1", "RoCE v2")}
    for name in names:
        if "UP" not in links[name]["flags"]:
            continue
        for address in links[name]["addr_info"]:
            if not address.get("tentative"):
                rows |= {(mapped(address["local"]), type, name, False) for type in ("RoCE v1", "RoCE v2")}
    return rows

def shown():
    subprocess.run([ctl, "--socket", socket, "wait", "10"], check=True)
    rows = json.loads(run(ctl, "--socket", socket, "show", "gids", "json"))
    assert all(row["port"] == "uplink" and row["state"] == "valid" and row["vlan"] is None for row in rows), rows
    assert len({row["index"] for row in rows}) == len(rows), "an index stands twice"
    assert {row["index"] for row in rows if row["default"]} == {0, 1}, "the defaults hold indexes 0 and 1"
    return {(ipaddress.IPv6Address(row["gid"]), row["type"], row["netdev"], row["default"]) for row in rows}

def event():
    link = draw.choice(["uplink0", "uplink0", "mv0", "mv1", "br9"])
    address = draw.choice([f"10.9.0.{draw.randrange(8)}/24", f"fd09::{draw.randrange(8)}/64"])
    return draw.choice([
        f"link set {link} {draw.choice(['up', 'up', 'down'])}",
        f"link set {link} address 02:00:00:00:09:{draw.randrange(256):02x}",
        "link del mv0", f"link add mv0 link {draw.choice(['uplink0', 'br9'])} type macvlan mode bridge",
        f"link set uplink0 {draw.choice(['master br9', 'nomaster'])}",
        draw.choice(["link del br9", "link add br9 type bridge"]),
        draw.choice(["link set mv1 name mvx", "link set mvx name mv1"]),
    ] + [f"address {draw.choice(['add', 'add', 'del'])} {address} dev {link}{' nodad' if ':' in address else ''}"] * 7)

for burst in range(20):
    subprocess.run(["ip", "-force", "-batch", "-"], input="\n".join(event() for _ in range(50)) + "\n", text=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 15  # duplicate address detection of what the kernel makes by itself takes its time
    while (rows := shown()) != (want := wanted("uplink0")):
        if time.monotonic() > end:
            sys.exit(f"seed {seed}, burst {burst}: missing {want - rows}, too much {rows - want}")
        time.sleep(0.1)
PY
start_culvert
ctl wait 10 tunnel vx100
[ "$(gids '[.[] | select(.default) | .index] | join(" ")')" = "0 1" ] || { ctl show gids; fail "the defaults"; }
[ "$(gids '[.[] | select(.gid == "::ffff:192.0.2.1") | .type] | sort | join(", ")')" = "RoCE v1, RoCE v2" ] ||
  { ctl show gids; fail "an address gives both types"; }
in_ns "$gw" sysctl -qw net.ipv6.conf.default.accept_dad=0
kernel link add mv1 link uplink0 type macvlan mode bridge
in_ns "$gw" /usr/bin/python3 "$RUN/gids.py" "$BUILD/app/culvertctl/culvertctl" "$SOCKET" "${SEED:-$RANDOM}" ||
  { ctl show gids; fail "the table is not what the kernel's addresses make it"; }

# A link that is down has its default alone, and that follows the MAC.
kernel link set uplink0 nomaster
kernel link set uplink0 down
kernel link set uplink0 address 02:00:00:00:00:77
ctl wait 10
[ "$(gids '[.[] | select(.netdev == "uplink0") | "\(.gid) \(.default)"] | unique | join(" ")')" = "fe80::ff:fe00:77 true" ] ||
  { ctl show gids; fail "the GIDs of a link that is down"; }
for link in mv0 mv1 mvx br9; do kernel link del $link 2>/dev/null || true; done
kernel address flush dev uplink0
kernel address add 192.0.2.1/24 dev uplink0
kernel link set uplink0 up
ctl wait 20 tunnel vx100
ping_all "$ta" 10.7.0.2 -c 5

# A tunnel ends on uppers of the port, and on a link that is no port's: the loopback.
ctl tunnel add vx200 type vxlan vni 200 local 192.0.2.50 remote 192.0.2.2
# Are packets of that tunnel ours? It is in no network: they are dropped by that name then, else left to the kernel.
is_ours() {
  ctl wait 10
  local before; before=$(drops no_network)
  in_ns "$peer" /usr/bin/python3 - "$(mac_of "$gw" uplink0)" <<'PY'
import sys
from scapy.all import Ether, IP, UDP, VXLAN, sendp
inner = Ether(src="02:00:00:00:0c:01", dst="02:00:00:00:0c:02") / IP(src="10.8.0.1", dst="10.8.0.2") / UDP() / b"x"
sendp(Ether(dst=sys.argv[1]) / IP(src="192.0.2.2", dst="192.0.2.50") / UDP(sport=50000, dport=4789) /
      VXLAN(vni=200, flags=8) / inner, iface="eth0", count=5, verbose=False)
PY
  counted() { [ $(($(drops no_network) - before)) = 5 ]; }
  wait_for 2 counted
}
! is_ours || fail "packets for 192.0.2.50 are taken, which nobody has"
for link in mv0 lo; do
  [ $link = lo ] || kernel link add $link link uplink0 type macvlan mode bridge
  kernel link set $link up
  kernel address add 192.0.2.50/32 dev $link
  is_ours || fail "packets for 192.0.2.50 on $link are not taken"
  [ $link = lo ] && [ -n "$(gids '.[] | select(.gid == "::ffff:192.0.2.50") | .netdev')" ] && fail "lo has GIDs"
  if [ $link = lo ]; then kernel address del 192.0.2.50/32 dev lo; else kernel link del $link; fi
  ! is_ours || fail "packets for 192.0.2.50 are taken after it left $link"
done
ctl tunnel del vx200

# Removed under traffic. The peer sends on: it resolves nothing.
echos() { in_ns "$ta" nstat -asz IcmpInEchos | awk '/IcmpInEchos/ { print $2 }'; }
flows_in() { local before; before=$(echos); sleep 0.5; [ "$(echos)" -gt "$before" ]; }
comes_and_goes() {  # WHERE
  local mac_a round echos decapsulated
  mac_a=$(mac_of "$ta" eth0)
  in_ns "$tb" ip neighbour replace 10.7.0.1 dev eth0 lladdr "$mac_a" nud permanent
  in_ns "$peer" ip neighbour replace 192.0.2.1 dev eth0 lladdr "$(mac_of "$gw" uplink0)" nud permanent
  ping_all "$ta" 10.7.0.2 -c 5
  background "$tb" ping -q -n -i 0.005 -w 120 10.7.0.1 >/dev/null
  wait_for 5 flows_in || fail "$1: nothing flows"
  for round in 1 2 3 4 5; do
    kernel address del 192.0.2.1/24 dev uplink0
    ctl wait 10
    echos=$(echos)
    decapsulated=$(field .decapsulated show stats)
    sleep 0.5
    [ "$(echos)" = "$echos" ] || fail "$1, round $round: $(($(echos) - echos)) packets were decapsulated after the address had gone"
    [ "$(field .decapsulated show stats)" = "$decapsulated" ] || fail "$1, round $round: the workers decapsulate"
    [ -z "$(gids '.[] | select(.gid == "::ffff:192.0.2.1")')" ] || { ctl show gids; fail "$1: the GID is still there"; }
    kernel address add 192.0.2.1/24 dev uplink0
    ctl wait 20 tunnel vx100 || fail "$1, round $round: the tunnel did not come back"
    wait_for 5 flows_in || fail "$1, round $round: nothing flows again"
  done
  ping_all "$ta" 10.7.0.2
  kill "${HELPERS[-1]}"; wait "${HELPERS[-1]}" 2>/dev/null || true
}
comes_and_goes "packet path"
stop_culvert TERM || fail "culvert exit status $?"

# The key, and a table that is full: what does not fit waits for an entry.
config | sed 's/kernel_path: bifurcated/kernel_path: bifurcated, gids: 6/' > "$RUN/culvert.yaml"
start_culvert
kernel address add 10.9.1.1/24 dev uplink0
kernel address add 10.9.2.1/24 dev uplink0
ctl wait 10
[ "$(gids length)" -le 6 ] || { ctl show gids; fail "more than 6 entries"; }
grep -q 'GID table of uplink is full: it has 6 entries' "$RUN/culvert.log" || fail "it is not said that the table is full"
for address in $(kernel -j address show dev uplink0 | jq -r '.[].addr_info[] | "\(.local)/\(.prefixlen)"'); do
  [ "$address" = 10.9.2.1/24 ] || kernel address del "$address" dev uplink0
done
ctl wait 10
[ "$(gids '[.[] | select(.default | not) | .gid] | unique | join(" ")')" = ::ffff:10.9.2.1 ] ||
  { ctl show gids; fail "the address that waited has no entry"; }
kernel address del 10.9.2.1/24 dev uplink0
kernel address add 192.0.2.1/24 dev uplink0
stop_culvert TERM || fail "culvert exit status $?"

if with_eswitch profile=mlx5; then
  config > "$RUN/culvert.yaml"
  start_culvert "${ESWITCH[@]}"
  ctl wait 10 tunnel vx100
  decaps() { field '[.[] | select(.source == "decap" and .state == "offloaded")] | length' show flows; }
  ping_all "$ta" 10.7.0.2 -c 3
  ctl wait 10
  [ "$(decaps)" -ge 1 ] || { ctl show flows; fail "nothing is decapsulated by the NIC"; }
  comes_and_goes "NIC"
  ctl verify >/dev/null || { ctl verify; fail "verify finds something"; }
  stop_culvert TERM || fail "culvert exit status $?"
else
  say "the embedded switch was not built: not tried on a NIC"
fi
say "GID tables: ok"
