// One packet on its way through the rules. Switch thread only.
#pragma once

#include <rte_mbuf.h>

#include "parser.hpp"

namespace eswitch {

struct RssSpec;

/// What becomes of a packet.
struct Fate {
  enum class Kind : uint8_t {
    kNone,  // no rule said: whatever a miss does here
    kDrop,
    kWire,         // out of vport's wire
    kApplication,  // to the application on vport, spread as a miss is
    kQueue,        // to the application on the ingress port, this queue
    kRss,
  };
  Kind kind = Kind::kNone;
  uint16_t number = 0;  // vport or queue
  const RssSpec* rss = nullptr;
};

class Packet {
 public:
  /// Takes over `mbuf`, whose headers lie in its first segment and may be written; `pool` is where it moves
  /// to when it needs more room.
  Packet(rte_mbuf* mbuf, rte_mempool* pool, const VxlanPorts& ports)
      : mbuf_(mbuf), pool_(pool), ports_(ports) {}

  rte_mbuf* mbuf() const { return mbuf_; }
  uint32_t length() const { return rte_pktmbuf_pkt_len(mbuf_); }
  uint8_t* bytes() const { return rte_pktmbuf_mtod(mbuf_, uint8_t*); }
  uint16_t header_bytes() const { return rte_pktmbuf_data_len(mbuf_); }

  /// Key and layout of the packet as it is now.
  const Key& key() {
    parse();
    return key_;
  }
  const Layout& layout() {
    parse();
    return layout_;
  }
  /// The metadata of the key: to be written without a parse.
  Key& metadata() { return key_; }

  /// Takes `count` bytes off the front. False: the packet has not that many in its first segment.
  bool strip(uint16_t count, bool then_starts_with_ip);
  /// Puts `count` bytes, to be written by the caller, in front; null: there is no room or memory.
  /// Pointers to the bytes as they were are void.
  uint8_t* prepend(uint16_t count);
  /// Overwrites `count` bytes at `at` and corrects the IPv4, TCP and UDP checksums of `level` by the
  /// difference, so that what was wrong before stays wrong.
  void rewrite(unsigned level, uint16_t at, const uint8_t* bytes, uint16_t count);
  /// The bytes are no longer what was parsed.
  void changed() { parsed_ = false; }

  Fate fate;
  bool marked = false;    // metadata().mark is to be delivered
  bool has_meta = false;  // metadata().meta is to be delivered

 private:
  void parse() {
    if (parsed_) return;
    parse_packet({bytes(), header_bytes()}, starts_with_ip_, ports_, key_, layout_);
    parsed_ = true;
  }

  rte_mbuf* mbuf_;
  rte_mempool* const pool_;
  const VxlanPorts& ports_;
  Key key_{};
  Layout layout_;
  bool parsed_ = false, starts_with_ip_ = false;
};

/// A hash of the flow that the outermost headers of `key` show: the same for all packets of a flow.
uint32_t flow_hash(const Key& key);

/// Headers of a new packet must be contiguous and ours to write: `mbuf`, or a copy from `pool` in its place
/// (then `mbuf` is freed). Null: no memory, `mbuf` is freed.
rte_mbuf* make_writable(rte_mbuf* mbuf, rte_mempool* pool);

}  // namespace eswitch
