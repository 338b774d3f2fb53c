// The device's arguments.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace eswitch {

enum class Profile { kGeneric, kMlx5 };

struct DeviceArguments {
  std::string uplink;                     // ethdev name
  std::vector<std::string> representors;  // ethdev names; none: a plain NIC
  Profile profile = Profile::kGeneric;
  std::vector<std::pair<std::string, std::string>> faults;  // rules, latency_us, tx_delay_us, fail
};

/// None: they are wrong, and the log says how.
std::optional<DeviceArguments> parse_arguments(const char* text);

}  // namespace eswitch
