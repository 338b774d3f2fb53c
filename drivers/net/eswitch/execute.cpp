#include "execute.hpp"

namespace eswitch {
namespace {

/// One function an action; false: the packet is broken.
class Executor {
 public:
  Executor(Packet& packet, uint64_t now_ms) : packet_(packet), now_ms_(now_ms) {}

  Next next;

  bool operator()(const op::Jump& jump) {
    next = {Next::Kind::kJump, jump.table};
    return true;
  }
  bool operator()(const op::Drop&) {
    packet_.fate = {Fate::Kind::kDrop};
    return true;
  }
  bool operator()(const op::Passthru&) {
    next = {Next::Kind::kLower, nullptr};
    return true;
  }
  bool operator()(const op::Count& count) {
    count.counter->packets.add(1);
    count.counter->bytes.add(packet_.length());
    return true;
  }
  bool operator()(const op::Age& age) {
    age.timer->last_hit_ms.store(now_ms_, std::memory_order_relaxed);
    return true;
  }
  bool operator()(const op::Mark& mark) {
    put_be32(packet_.metadata().mark, mark.id);
    packet_.marked = true;
    return true;
  }
  bool operator()(const op::SetTag& tag) {
    set_bits(packet_.metadata().tag[tag.index], tag.data, tag.mask);
    return true;
  }
  bool operator()(const op::SetMeta& meta) {
    set_bits(packet_.metadata().meta, meta.data, meta.mask);
    packet_.has_meta = true;
    return true;
  }
  bool operator()(const op::DecTtl&) {
    if (const uint16_t at = ttl_at(); at != kNoOffset)
      set_ttl(at, static_cast<uint8_t>(packet_.bytes()[at] - 1));
    return true;
  }
  bool operator()(const op::SetTtl& set) {
    if (const uint16_t at = ttl_at(); at != kNoOffset) set_ttl(at, set.ttl);
    return true;
  }
  bool operator()(const op::SetMac& set) {
    if (packet_.layout().level[0].eth == kNoOffset) return true;
    packet_.rewrite(0, set.source ? 6 : 0, set.mac.data(), 6);
    return true;
  }
  bool operator()(const op::PushVlan& push) {
    if (packet_.layout().level[0].eth == kNoOffset) return false;
    uint8_t macs[12];
    std::memcpy(macs, packet_.bytes(), 12);
    uint8_t* front = packet_.prepend(4);
    if (front == nullptr) return false;
    std::memcpy(front, macs, 12);
    put_be16(front + 12, push.tpid);
    put_be16(front + 14, 0);
    return true;
  }
  bool operator()(const op::PopVlan&) {
    if (!has_vlan()) return true;
    uint8_t macs[12];
    std::memcpy(macs, packet_.bytes(), 12);
    if (!packet_.strip(4, false)) return false;
    std::memcpy(packet_.bytes(), macs, 12);
    return true;
  }
  bool operator()(const op::SetVlan& set) {
    if (!has_vlan()) return true;
    uint8_t* tci = packet_.bytes() + 14;
    put_be16(tci, static_cast<uint16_t>((get_be16(tci) & ~set.mask) | set.tci));
    packet_.changed();
    return true;
  }
  bool operator()(const op::Encap& encap) { return encap.header->put_on(packet_); }
  bool operator()(const Decap& decap) { return decap.take_off(packet_); }
  bool operator()(const ModifyField& modify) {
    modify.apply(packet_);
    using Base = FieldPlace::Base;
    packet_.marked |= modify.target.place.base == Base::kMark;
    packet_.has_meta |= modify.target.place.base == Base::kMeta;
    return true;
  }
  bool operator()(const op::Send& send) {
    packet_.fate = send.fate;
    return true;
  }
  bool operator()(const op::Rss& rss) {
    packet_.fate = {Fate::Kind::kRss, 0, &rss.rss->current.load(std::memory_order_acquire)->spec};
    return true;
  }

 private:
  static void set_bits(uint8_t* be, uint32_t data, uint32_t mask) {
    put_be32(be, (get_be32(be) & ~mask) | (data & mask));
  }
  /// Where the outermost TTL or hop limit is; kNoOffset: nowhere.
  uint16_t ttl_at() {
    const LevelLayout& outer = packet_.layout().level[0];
    if (outer.l3 == kNoOffset) return kNoOffset;
    return static_cast<uint16_t>(outer.l3 + (packet_.bytes()[outer.l3] >> 4 == 4 ? 8 : 7));
  }
  void set_ttl(uint16_t at, uint8_t ttl) { packet_.rewrite(0, at, &ttl, 1); }
  bool has_vlan() { return (packet_.key().level[0].layers & kLayerVlan) != 0; }

  Packet& packet_;
  const uint64_t now_ms_;
};

}  // namespace

Next execute(const ActionList& actions, Packet& packet, uint64_t now_ms) {
  Executor executor(packet, now_ms);
  for (const Op& op : actions.ops)
    if (!std::visit(executor, op)) return {Next::Kind::kBroken, nullptr};
  return executor.next;
}

}  // namespace eswitch
