// MODIFY_FIELD: any run of bits in one field set to, or added to or subtracted from by, bits of another or a
// value.
#pragma once

#include <rte_flow.h>

#include <array>
#include <optional>

#include "packet.hpp"

namespace eswitch {

__extension__ typedef unsigned __int128 Uint128;

/// Where an rte_flow field lies.
struct FieldPlace {
  enum class Base : uint8_t { kEth, kVlan, kL3, kL4, kTunnel, kTag, kMeta, kMark };
  Base base;
  uint32_t layers;  // Layer bits of which one must be there
  uint8_t offset;   // bytes from the start of the header
  uint8_t bytes;    // that hold the field, at most 16
  uint8_t shift;    // of the field's lowest bit
  uint8_t width;    // bits
};

/// Null: a field this switch cannot modify or read.
const FieldPlace* find_field(rte_flow_field_id id);

/// One MODIFY_FIELD action, compiled. Bit offsets count from a field's lowest bit.
struct ModifyField {
  struct Operand {
    FieldPlace place;
    uint8_t level = 0;   // of headers
    uint8_t index = 0;   // of tags
    uint8_t offset = 0;  // bits skipped
  };
  rte_flow_modify_op operation;
  Operand target;
  std::optional<Operand> source;  // none: `value`
  Uint128 value = 0;
  uint8_t width = 0;  // bits

  /// A packet without the header stays as it is.
  void apply(Packet& packet) const;
};

/// False: refused, `error` tells.
bool compile_modify_field(const rte_flow_action& action, ModifyField& modify, rte_flow_error* error);

}  // namespace eswitch
