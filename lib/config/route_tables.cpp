#include "config/route_tables.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>
#include <vector>

#include "base/near_match.hpp"
#include "config/values.hpp"

namespace culvert::config {
namespace {

// Lines of "NUMBER NAME", decimal or 0x...; # begins a comment.
void read_names(const std::filesystem::path& path, std::map<uint32_t, std::string>& tables) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line.substr(0, line.find('#')));
    std::string digits, name;
    if (!(words >> digits >> name)) continue;
    const bool hex = digits.starts_with("0x");
    const auto number = parse_number(hex ? digits.substr(2) : digits, 0, UINT32_MAX, hex ? 16 : 10);
    if (number) tables[static_cast<uint32_t>(*number)] = name;
  }
}

}  // namespace

std::map<uint32_t, std::string> route_tables(const std::string& directory) {
  std::map<uint32_t, std::string> tables{{253, "default"}, {254, "main"}, {255, "local"}};
  const std::filesystem::path base(directory);
  read_names(base / "rt_tables", tables);
  std::vector<std::filesystem::path> more;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(base / "rt_tables.d", ignored))
    if (entry.path().extension() == ".conf") more.push_back(entry.path());
  std::sort(more.begin(), more.end());
  for (const auto& path : more) read_names(path, tables);
  tables.erase(0);  // "unspec" is no table that holds routes
  return tables;
}

Result<uint32_t> parse_route_table(std::string_view text, const std::map<uint32_t, std::string>& tables) {
  std::vector<std::string> names;
  for (const auto& [number, name] : tables) {
    if (name == text) return number;
    names.push_back(name);
  }
  if (const auto number = parse_number(text, 1, UINT32_MAX)) return static_cast<uint32_t>(*number);
  return error(
      "'{}' is no routing table; {}expected main, local, default, a name of /etc/iproute2/rt_tables or a "
      "number from 1 to 4294967295 (of a VRF: the number of its table)",
      text, did_you_mean(text, names));
}

}  // namespace culvert::config
