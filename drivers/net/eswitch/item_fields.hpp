// Which bytes of each item's structure are which bytes of a LevelKey: the table that makes header items data,
// not code.
#pragma once

#include <rte_flow.h>

#include <cstdint>
#include <span>

#include "key.hpp"

namespace eswitch {

struct ItemField {
  uint8_t item_offset;  // in the item's structure
  uint8_t key_offset;   // in LevelKey
  uint8_t width;        // bytes, at most 16
};

struct ItemShape {
  rte_flow_item_type type;
  const char* name;
  uint32_t layer;  // the Layer bit that a packet must have
  uint8_t size;    // of the structure
  const void* default_mask;
  std::span<const ItemField> fields;
};

/// The shape of a header item; null: not a header item this switch knows.
const ItemShape* find_item_shape(rte_flow_item_type type);

/// Whether the item names a port of the switch.
inline bool is_port_item(rte_flow_item_type type) {
  return type == RTE_FLOW_ITEM_TYPE_PORT_ID || type == RTE_FLOW_ITEM_TYPE_REPRESENTED_PORT ||
         type == RTE_FLOW_ITEM_TYPE_PORT_REPRESENTOR;
}

/// The name of an item type as testpmd spells it, for dumps; "?" if unknown.
const char* item_name(rte_flow_item_type type);

}  // namespace eswitch
