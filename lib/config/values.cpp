#include "config/values.hpp"

#include <net/if.h>

#include <algorithm>
#include <charconv>

namespace culvert::config {
namespace {

constexpr size_t kLongestName = 31;

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
         c == '-';
}

}  // namespace

Result<uint64_t> parse_number(std::string_view text, uint64_t min, uint64_t max, int base) {
  uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, value, base);
  if (code != std::errc{} || stop != end || value < min || value > max)
    return error("'{}' is no number from {} to {}", text, min, max);
  return value;
}

Result<bool> parse_bool(std::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return error("'{}' is neither true nor false", text);
}

Result<std::string> parse_name(std::string_view text) {
  if (text.empty() || text.size() > kLongestName || !std::all_of(text.begin(), text.end(), is_name_character))
    return error("'{}' is no name; expected 1 to {} of the characters A-Z a-z 0-9 _ . -", text, kLongestName);
  if (text == "json") return error("'json' is a word of the shell and can be no name");
  return std::string(text);
}

Result<std::string> parse_netdev(std::string_view text) {
  const bool bad = text.empty() || text.size() >= IFNAMSIZ || text == "." || text == ".." ||
                   text.find_first_of("/: \t\r\n") != std::string_view::npos;
  if (bad) return error("'{}' is no name of a kernel link; expected 1 to {} characters", text, IFNAMSIZ - 1);
  return std::string(text);
}

Result<net::Mac> parse_mac(std::string_view text) {
  if (const auto mac = net::Mac::parse(text)) return *mac;
  return error("'{}' is no MAC address; expected one such as 02:00:00:00:00:01", text);
}

Result<net::Mac> parse_station(std::string_view text) {
  auto mac = parse_mac(text);
  if (mac && (mac->is_multicast() || mac->is_zero()))
    return error("'{}' is {}; expected the MAC address of one station", text,
                 mac->is_zero() ? "zero" : "a group's");
  return mac;
}

Result<uint16_t> parse_vid(std::string_view text) {
  const auto vid = parse_number(text, 1, 4094);
  if (!vid) return tl::make_unexpected(vid.error());
  return static_cast<uint16_t>(*vid);
}

Result<net::IpAddr> parse_endpoint(std::string_view text) {
  const auto address = net::IpAddr::parse(text);
  if (!address) return error("'{}' is no IP address; expected one such as 192.0.2.1", text);
  if (!address->is_v4())
    return error("'{}' is an IPv6 address: not supported yet; expected an IPv4 address", text);
  const bool broadcast = address->v4_be().host() == 0xffffffff;
  if (address->is_unspecified() || address->is_multicast() || broadcast)
    return error("'{}' is {}; expected the unicast address of one host", text,
                 broadcast                 ? "the broadcast address"
                 : address->is_multicast() ? "multicast"
                                           : "unspecified");
  return *address;
}

}  // namespace culvert::config
