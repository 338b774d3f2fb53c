// The attributes of one message, read with every length checked. Used by the decoder only.
#pragma once

#include <netlink/attr.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>

#include "net/address.hpp"

namespace culvert::netlink {

// A wrong length is remembered, not reported at once: read what you want, then ask ok(). What is absent reads
// as the fallback. Points into the message.
class Attributes {
 public:
  Attributes(const void* data, int bytes) {
    const auto* attribute = static_cast<const nlattr*>(data);
    for (; nla_ok(attribute, bytes); attribute = nla_next(attribute, &bytes)) {
      const auto type = static_cast<size_t>(nla_type(attribute));
      if (type < by_type_.size()) by_type_[type] = attribute;
    }
    // What is left is padding, or it is no attribute.
    ok_ = bytes < NLA_HDRLEN;
  }

  bool ok() const { return ok_; }
  void fail() { ok_ = false; }
  bool has(int type) const { return find(type) != nullptr; }

  std::optional<std::span<const uint8_t>> bytes(int type) const {
    const nlattr* attribute = find(type);
    if (attribute == nullptr) return std::nullopt;
    return std::span(static_cast<const uint8_t*>(nla_data(attribute)),
                     static_cast<size_t>(nla_len(attribute)));
  }

  template <typename T>
  T number(int type, T fallback = 0) {
    const auto data = bytes(type);
    if (!data) return fallback;
    if (data->size() != sizeof(T)) {
      ok_ = false;
      return fallback;
    }
    T value;
    std::memcpy(&value, data->data(), sizeof(T));
    return value;
  }

  // Its family is told by its length: 4 or 16 bytes.
  std::optional<net::IpAddr> ip(int type) {
    const auto data = bytes(type);
    if (!data) return std::nullopt;
    const auto address = net::IpAddr::from_bytes(*data);
    if (!address) ok_ = false;
    return address;
  }

  // Hardware addresses of other lengths than six (tunnels, InfiniBand) read as absent.
  std::optional<net::Mac> mac(int type) const {
    const auto data = bytes(type);
    net::Mac mac;
    if (!data || data->size() != mac.bytes.size()) return std::nullopt;
    std::memcpy(mac.bytes.data(), data->data(), mac.bytes.size());
    return mac;
  }

  std::string text(int type) const {
    const auto data = bytes(type);
    if (!data) return {};
    const auto* start = reinterpret_cast<const char*>(data->data());
    return {start, strnlen(start, data->size())};
  }

  Attributes nested(int type) const {
    const auto data = bytes(type);
    return data ? Attributes(data->data(), static_cast<int>(data->size())) : Attributes(nullptr, 0);
  }

 private:
  const nlattr* find(int type) const { return by_type_[static_cast<size_t>(type)]; }

  std::array<const nlattr*, 72> by_type_{};
  bool ok_ = true;
};

}  // namespace culvert::netlink
