// Values of the configuration from their text: each parser's error says what was found and what would be
// right, without the name of the key. Any thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "net/address.hpp"

namespace culvert::config {

Result<uint64_t> parse_number(std::string_view text, uint64_t min, uint64_t max, int base = 10);
Result<bool> parse_bool(std::string_view text);

// The name of a port, tunnel or network.
Result<std::string> parse_name(std::string_view text);
// The name of a kernel link.
Result<std::string> parse_netdev(std::string_view text);
Result<net::Mac> parse_mac(std::string_view text);
// Of one station: neither a group's nor zero.
Result<net::Mac> parse_station(std::string_view text);
// A VLAN that a frame can be of: 1 to 4094.
Result<uint16_t> parse_vid(std::string_view text);
// A unicast address of a tunnel's end. IPv6 is not supported yet.
Result<net::IpAddr> parse_endpoint(std::string_view text);

// One of a few words, each with its meaning; a word without a handled meaning belongs to a later version.
template <typename E>
struct Choice {
  std::string_view word;
  E value{};
  bool supported = true;
};

template <typename E>
Result<E> parse_choice(std::string_view text, std::span<const Choice<E>> choices) {
  std::string words;
  for (const Choice<E>& choice : choices) {
    if (choice.word == text && choice.supported) return choice.value;
    if (choice.word == text) return error("'{}' is not supported yet", text);
    if (choice.supported) words += (words.empty() ? "" : ", ") + std::string(choice.word);
  }
  return error("'{}' is not known; expected {}", text, words);
}

// Stores a parsed value, or hands its error on.
template <typename Field, typename Value>
Status assign(Field& field, Result<Value> value) {
  if (!value) return tl::make_unexpected(value.error());
  field = static_cast<Field>(*std::move(value));
  return {};
}

}  // namespace culvert::config
