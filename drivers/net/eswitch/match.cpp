#include "match.hpp"

namespace eswitch {

bool RangeCheck::holds(const Key& key) const {
  const auto* at = reinterpret_cast<const uint8_t*>(&key) + offset;
  std::array<uint8_t, 16> field{};
  for (unsigned i = 0; i < width; ++i) field[i] = at[i] & mask[i];
  return std::memcmp(field.data(), low.data(), width) >= 0 &&
         std::memcmp(field.data(), high.data(), width) <= 0;
}

}  // namespace eswitch
