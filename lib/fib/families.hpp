// The tables of both families side by side, by the addresses that the rest of culvert uses. As Table
// (fib.hpp): one writer, readers that are online.
#pragma once

#include <algorithm>

#include "fib/fib.hpp"
#include "net/address.hpp"

namespace culvert::fib {

template <size_t kBytes>
Address<kBytes> address_of(const net::IpAddr& ip) {
  Address<kBytes> address;
  std::ranges::copy(ip.bytes(), address.begin());
  return address;
}

struct Families {
  explicit Families(rcu::RetireQueue& retired) : v4(retired), v6(retired) {}

  template <size_t kBytes>
  auto& of() {
    if constexpr (kBytes == 4)
      return v4;
    else
      return v6;
  }
  template <size_t kBytes>
  const Table<kBytes>& of() const {
    return const_cast<Families*>(this)->of<kBytes>();
  }

  // The writer. kNoRoute takes the route away. Returns its hop before.
  Hop set(const net::Prefix& prefix, Hop hop) {
    return prefix.address.is_v4() ? set(v4, prefix, hop) : set(v6, prefix, hop);
  }
  // Readers.
  Hop find(const net::IpAddr& ip) const {
    return ip.is_v4() ? v4.find(address_of<4>(ip)) : v6.find(address_of<16>(ip));
  }

  Table<4> v4;
  Table<16> v6;

 private:
  template <size_t kBytes>
  static Hop set(Table<kBytes>& table, const net::Prefix& prefix, Hop hop) {
    const Address<kBytes> address = address_of<kBytes>(prefix.address);
    if (hop == kNoRoute) return table.erase(address, prefix.length);
    return table.set({address, prefix.length, hop});
  }
};

}  // namespace culvert::fib
