// Explicit congestion notification across a tunnel, RFC 6040. The way in is part of the header's TOS
// (EncapSlot::tos_mask); this is the way out.
#pragma once

#include <cstdint>

namespace culvert::dataplane {

enum class Ecn : uint8_t { not_ect = 0, ect1 = 1, ect0 = 2, ce = 3 };

inline constexpr uint8_t kEcnBits = 0x03;

// The ECN field that leaves the tunnel: RFC 6040, figure 4. False: drop it.
inline bool combine_ecn(Ecn inner, Ecn outer, Ecn& result) {
  result = inner;
  if (inner == Ecn::not_ect) return outer != Ecn::ce;
  if (outer == Ecn::ce) result = Ecn::ce;
  if (outer == Ecn::ect1 && inner == Ecn::ect0) result = Ecn::ect1;
  return true;
}

// Applies the outer header's ECN bits to the inner frame. A frame that is not IP has no such field and
// passes, as does one too short for its header. False: it must be dropped.
bool decapsulate_ecn(uint8_t* frame, uint32_t room, uint8_t outer_tos);

}  // namespace culvert::dataplane
