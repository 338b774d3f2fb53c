// What cannot be asked of a driver through rte_flow and must be known by its name. (What net_mlx5 wants of
// any rule, and others take too, stands where the rules are built: shapes.cpp and rule.cpp.)
#pragma once

#include <cstdint>
#include <string_view>

namespace culvert::offload {

// Where a packet goes that no rule of a transfer group takes.
enum class Miss : uint8_t {
  unknown,          // perhaps nowhere
  to_representor,   // to the application, by the representor of the port it came in by
  by_explicit_rule  // there too, where a last rule of culvert's says so (shapes.hpp, miss())
};

// How a transfer rule says that its packets may come from any port.
enum class AnySource : uint8_t {
  item,    // represented_port without a spec
  silence  // nothing, which is rte_flow's own way
};
// Classic rules of net_mlx5 take silence for the port they are made on; its template rules follow a null
// pointer where the item has no spec (mlx5dr_rule_skip() of 22.11). Others take either.
constexpr AnySource any_source(bool async) { return async ? AnySource::silence : AnySource::item; }

struct DriverTraits {
  Miss classic_miss = Miss::unknown;
  Miss async_miss = Miss::unknown;
  // rte_flow_configure() is worth a try before the port starts.
  bool prefers_async = true;
  // A queued destroy that fails has freed the handle all the same.
  bool failed_destroy_frees = false;
  // rte_flow_validate() takes what rte_flow_create() refuses for good: only a rule that is made tells.
  bool validates_too_much = false;
};

// By the name in rte_eth_dev_info: "net_eswitch", "mlx5_pci". Any thread.
DriverTraits traits_of_driver(std::string_view driver);
DriverTraits traits_of(uint16_t port_id);

}  // namespace culvert::offload
