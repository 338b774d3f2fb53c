# For the tests of l3 networks: `. l3_lib.sh`. Their picture is in l3.sh.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# l3_topology: the namespaces of lib.sh; the peer's kernel routes between tenant B and vxlan devices for VNI 200 and 201
l3_topology() {
  links
  subnet "$ta" "$gw" 1
  subnet "$tb" "$peer" 2
  in_ns "$gw" ip address add 192.0.2.1/24 dev uplink0
  in_ns "$peer" ip address add 192.0.2.2/24 dev eth0
  in_ns "$peer" ip address add 192.0.2.3/24 dev eth0
  in_ns "$gw" sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0  # culvert does it
  in_ns "$gw" ip route add 10.2.0.0/16 via 192.0.2.2
  in_ns "$peer" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.conf.all.rp_filter=0
  router_vtep 200 192.0.2.2 01
  router_vtep 201 192.0.2.3 11
  in_ns "$peer" ip route add 10.1.0.0/24 via 10.255.200.1 dev vxlan200 onlink
  in_ns "$peer" ip route add fd01::/64 via fd00:200::1 dev vxlan200 onlink
}

# subnet HOST ROUTER N: 10.N.0.0/24 and fd0N::/64 between them
subnet() {
  in_ns "$1" ip address add "10.$3.0.2/24" dev eth0
  in_ns "$2" ip address add "10.$3.0.1/24" dev tenant0
  in_ns "$1" ip address add "fd0$3::2/64" dev eth0 nodad
  in_ns "$2" ip address add "fd0$3::1/64" dev tenant0 nodad
  in_ns "$1" ip route add default via "10.$3.0.1"
  in_ns "$1" ip route add default via "fd0$3::1"
  in_ns "$1" ip link set eth0 mtu 1400
}

# router_vtep VNI LOCAL MAC-BYTE: a kernel vxlan device of the peer's, and culvert's router behind it
router_vtep() {
  in_ns "$peer" ip link add "vxlan$1" address "02:00:00:00:07:$3" type vxlan id "$1" local "$2" remote 192.0.2.1 dstport 4789
  in_ns "$peer" ip address add "10.255.$1.2/24" dev "vxlan$1"
  in_ns "$peer" ip link set "vxlan$1" up
  in_ns "$peer" ip neighbour add "10.255.$1.1" dev "vxlan$1" lladdr 02:00:00:00:07:02 nud permanent
  in_ns "$peer" ip neighbour add "fd00:$1::1" dev "vxlan$1" lladdr 02:00:00:00:07:02 nud permanent
}

# l3_config [ROUTE ...]: with these routes beside the kernel's
l3_config() {
  local more=
  [ $# -eq 0 ] || more=$(printf ', %s' "$@")
  cat <<YAML
ports:
  - {name: uplink, ethdev: ${UPLINK:-net_af_packet0}, netdev: uplink0}
  - {name: tenant, ethdev: ${TENANT:-net_af_packet1}, netdev: tenant0}
tunnels:
  - {name: vx200, type: vxlan, vni: 200, local: 192.0.2.1, remote: 192.0.2.2,
     inner_dst_mac: 02:00:00:00:07:01, inner_src_mac: 02:00:00:00:07:02}
  - {name: vx201, type: vxlan, vni: 201, local: 192.0.2.1, remote: 192.0.2.3,
     inner_dst_mac: 02:00:00:00:07:11, inner_src_mac: 02:00:00:00:07:02}
networks:
  - name: red
    type: l3
    ports: [tenant]
    tunnels: [vx200, vx201]
    table: main
    routes: [{prefix: 'fd02::/64', tunnel: vx200}$more]
YAML
}
