#include "offload/driver_traits.hpp"

#include <rte_ethdev.h>

namespace culvert::offload {

DriverTraits traits_of_driver(std::string_view driver) {
  // net_mlx5 calls itself mlx5_pci or mlx5_auxiliary.
  // - Software steering (dv_flow_en=1, classic): rdma-core's dr_domain.c gives a miss in the FDB to the vport
  //   of the E-Switch's manager, whose default rules hand it to the representor of its source.
  // - Hardware steering (dv_flow_en=2, async): what a miss in a group above 0 does is firmware's, not known.
  // - rte_flow_configure() succeeds with dv_flow_en=2 alone, where nothing else works.
  // - rte_flow_validate() does not ask libmlx5, which writes no header onto what comes from the wire in
  //   ConnectX-5's steering format (dr_ste_v0.c has no RX_ENCAP): rules for any source are refused then.
  // - flow_hw_pull() of 22.11 frees a rule when its destroy completes, whatever the result.
  if (driver.starts_with("mlx5"))
    return {.classic_miss = Miss::to_representor,
            .prefers_async = true,
            .failed_destroy_frees = true,
            .validates_too_much = true};
  // Ours: misses go up in every group. Its classic calls take every shape under each profile; its flow queues
  // model dv_flow_en=2, which lacks SET_TAG, so they are for those who ask.
  if (driver == "net_eswitch")
    return {.classic_miss = Miss::to_representor, .async_miss = Miss::to_representor, .prefers_async = false};
  return {};
}

DriverTraits traits_of(uint16_t port_id) {
  rte_eth_dev_info info{};
  if (rte_eth_dev_info_get(port_id, &info) != 0 || info.driver_name == nullptr) return {};
  return traits_of_driver(info.driver_name);
}

}  // namespace culvert::offload
