// Names of the kernel's routing tables, as iproute2 keeps them in files. Any thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace culvert::config {

// Number to name: main, local, default, and what `directory`/rt_tables and rt_tables.d/*.conf add. Files that
// are missing or lines that make no sense are passed over, as iproute2 does.
std::map<uint32_t, std::string> route_tables(const std::string& directory = "/etc/iproute2");

// The number of a table given by name or as 1..4294967295. The error says what would be right.
Result<uint32_t> parse_route_table(std::string_view text, const std::map<uint32_t, std::string>& tables);

}  // namespace culvert::config
