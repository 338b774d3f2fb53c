// Frames of l3 networks: is the packet the router's to carry, where does its route lead, and on with a new
// Ethernet header and one hop less. What is not carried is the kernel's where it sees the port, else a drop.
#include <rte_prefetch.h>

#include "dataplane/inner_parse.hpp"
#include "dataplane/ip_packet.hpp"
#include "dataplane/trim.hpp"
#include "dataplane/worker.hpp"

namespace culvert::dataplane {

namespace {

constexpr Way kNoRouteWay{.reason = DropReason::no_route};
constexpr Way kUnresolvedWay{.reason = DropReason::neighbour_unresolved};
constexpr Way kTooBigWay{.reason = DropReason::too_big};

bool fits(const rte_mbuf* mbuf, const Way& way) {
  return rte_pktmbuf_pkt_len(mbuf) - sizeof(net::EtherHdr) <= way.mtu;
}

}  // namespace

// Packets of one family that look for their way.
template <size_t kBytes>
struct Worker::Lookups {
  std::array<Frame*, kBurst> frame;
  std::array<fib::Address<kBytes>, kBurst> destination;
  std::array<HopId, kBurst> hop;
  std::array<const Way*, kBurst> way;
  size_t count = 0;
};

void Worker::route(Frames& frames) {
  const std::span<Frame> all = frames.all();
  const auto network_of = [&](size_t i) { return all[i].source.network(); };
  for (size_t first = 0, end = 0; first < all.size(); first = end) {
    while (end < all.size() && network_of(end) == network_of(first)) ++end;
    const Network* const network = snapshot_->network(network_of(first));
    route_within(*network->routes, all.subspan(first, end - first));
  }
}

// `frames` are of one network.
void Worker::route_within(const fib::Families& routes, std::span<Frame> frames) {
  Lookups<4> v4;
  Lookups<16> v6;
  for (Frame& frame : frames) {
    const auto* data = rte_pktmbuf_mtod(frame.mbuf, const uint8_t*);
    const auto type = load<uint16_t>(data + offsetof(net::EtherHdr, type));
    if (frame.destination.mac_bits() != snapshot_->router_mac(frame.from)) [[unlikely]]
      refuse(frame, DropReason::other_mac);
    else if (type == net::kEtherIpv4.wire()) [[likely]]
      take_packet(frame, v4);
    else if (type == net::kEtherIpv6.wire())
      take_packet(frame, v6);
    else
      refuse(frame, DropReason::not_ip);
  }
  if (v4.count != 0) send_on(routes, v4);
  if (v6.count != 0) send_on(routes, v6);
}

// A frame that nobody routes: the kernel's if it came from a port that the kernel sees too.
void Worker::refuse(const Frame& frame, DropReason reason) {
  if (frame.from.is_tunnel() || !snapshot_->ports[frame.in].bifurcated)
    return drop(frame.in, frame.mbuf, reason);
  counters_.exceptions.add();
  rte_pktmbuf_free(frame.mbuf);
}

template <size_t kBytes>
void Worker::take_packet(Frame& frame, Lookups<kBytes>& lookups) {
  const IpCheck check = IpPacket<kBytes>::check(frame.mbuf);
  if (check.fault) [[unlikely]]
    return drop(frame.in, frame.mbuf, *check.fault);
  trim_to(frame.mbuf, check.frame_bytes);
  const auto* const ip = rte_pktmbuf_mtod_offset(frame.mbuf, const uint8_t*, sizeof(net::EtherHdr));
  const fib::Address<kBytes> destination = IpPacket<kBytes>::destination(ip);
  if (IpPacket<kBytes>::is_kernels(destination)) [[unlikely]]
    return refuse(frame, DropReason::no_kernel_path);
  if (IpPacket<kBytes>::is_martian(destination)) [[unlikely]]
    return drop(frame.in, frame.mbuf, DropReason::martian_destination);
  lookups.frame[lookups.count] = &frame;
  lookups.destination[lookups.count++] = destination;
}

template <size_t kBytes>
void Worker::send_on(const fib::Families& routes, Lookups<kBytes>& lookups) {
  routes.of<kBytes>().find(lookups.destination.data(), lookups.hop.data(), lookups.count);
  find_ways(lookups);
  find_stations(lookups);
  uint64_t forwarded = 0;
  for (size_t i = 0; i < lookups.count; ++i)
    forwarded += forward<kBytes>(*lookups.frame[i], lookups.hop[i], *lookups.way[i]) ? 1 : 0;
  counters_.forwarded.add(forwarded);
}

// Two dependent loads a packet, those of all side by side.
template <size_t kBytes>
void Worker::find_ways(Lookups<kBytes>& lookups) {
  const auto& hops = lookups.hop;
  std::array<const RouteHop*, kBurst> found;
  for (size_t i = 0; i < lookups.count; ++i) rte_prefetch0(&shared_.hops[hops[i]]);
  for (size_t i = 0; i < lookups.count; ++i) {
    found[i] = shared_.hops[hops[i]].load();
    rte_prefetch0(found[i]);
  }
  for (size_t i = 0; i < lookups.count; ++i)
    lookups.way[i] = found[i] != nullptr ? &found[i]->way(lookups.frame[i]->flow_hash) : &kNoRouteWay;
}

// Directly connected destinations: each has a hop of its own among the neighbours of the link, or the kernel
// is asked for it.
template <size_t kBytes>
void Worker::find_stations(Lookups<kBytes>& lookups) {
  std::array<fib::Address<kBytes>, kBurst> addresses;
  std::array<HopId, kBurst> hops;
  std::array<size_t, kBurst> places;
  for (size_t first = 0; first < lookups.count; ++first) {
    if (lookups.way[first]->kind != Way::Kind::on_link) [[likely]]
      continue;
    const PortIndex port = lookups.way[first]->port;
    size_t count = 0;
    for (size_t i = first; i < lookups.count; ++i) {
      if (lookups.way[i]->kind != Way::Kind::on_link || lookups.way[i]->port != port) continue;
      places[count] = i;
      addresses[count++] = lookups.destination[i];
    }
    shared_.neighbours[port]->of<kBytes>().find(addresses.data(), hops.data(), count);
    for (size_t i = 0; i < count; ++i) {
      const RouteHop* const hop = shared_.hops[hops[i]].load();
      if (hop == nullptr) ask_for_neighbour(port, *net::IpAddr::from_bytes(addresses[i]));
      lookups.hop[places[i]] = hops[i];
      // The MTU of the connected route; the station's own is that of the link.
      const Way*& way = lookups.way[places[i]];
      if (!fits(lookups.frame[places[i]]->mbuf, *way)) [[unlikely]]
        way = &kTooBigWay;
      else
        way = hop != nullptr ? &hop->only : &kUnresolvedWay;
    }
  }
}

void Worker::ask_for_neighbour(PortIndex port, const net::IpAddr& ip) {
  const NeighbourRequest request{port, ip};
  // A ring that is full is emptied soon; the next packet after the filter's time asks again.
  if (neighbour_filter_.admit(request, rte_rdtsc())) (void)neighbours_wanted_.push(request);
}

// False: it went no further.
template <size_t kBytes>
bool Worker::forward(Frame& frame, HopId hop, const Way& way) {
  const auto stop = [&](DropReason reason) {
    drop(frame.in, frame.mbuf, reason);
    return false;
  };
  if (way.kind == Way::Kind::drop) [[unlikely]]
    return stop(way.reason);
  if (way.kind == Way::Kind::kernel) {
    refuse(frame, DropReason::no_kernel_path);
    return false;
  }
  auto* const ether = rte_pktmbuf_mtod(frame.mbuf, net::EtherHdr*);
  auto* const ip = reinterpret_cast<uint8_t*>(ether + 1);
  if (IpPacket<kBytes>::has_martian_source(ip)) [[unlikely]]
    return stop(DropReason::martian_source);
  if (!IpPacket<kBytes>::decrement_ttl(ip)) [[unlikely]]
    return stop(DropReason::ttl_expired);
  --frame.ttl;
  if (!fits(frame.mbuf, way)) [[unlikely]]
    return stop(DropReason::too_big);
  if (way.kind == Way::Kind::tunnel) {
    const EncapSlot* const slot = shared_.encaps[way.encap].load();
    if (slot != nullptr) {
      ether->dst = slot->inner_dst_mac;
      ether->src = slot->inner_src_mac;
    }
    return into_tunnel(frame, frame.mbuf, way.encap, slot);
  }
  std::atomic<uint32_t>& used = hop_stamps_[hop];
  if (used.load(std::memory_order_relaxed) != pulse_.now_s)
    used.store(pulse_.now_s, std::memory_order_relaxed);
  ether->dst = way.dst_mac;
  ether->src = way.src_mac;
  out_of_port(way.port, frame.mbuf);
  return true;
}

}  // namespace culvert::dataplane
