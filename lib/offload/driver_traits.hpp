// What cannot be asked of a driver through rte_flow and must be known by its name. All of that stands here.
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

struct DriverTraits {
  Miss classic_miss = Miss::unknown;
  Miss async_miss = Miss::unknown;
  // rte_flow_configure() is worth a try before the port starts.
  bool prefers_async = true;
  // A queued destroy that fails has freed the handle all the same.
  bool failed_destroy_frees = false;
};

// By the name in rte_eth_dev_info: "net_eswitch", "mlx5_pci". Any thread.
DriverTraits traits_of_driver(std::string_view driver);
DriverTraits traits_of(uint16_t port_id);

}  // namespace culvert::offload
