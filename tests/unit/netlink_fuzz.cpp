// A libFuzzer-style target: bytes as netlink messages, with their lengths as they come and with right ones.
// With its own driver, so that any compiler's sanitizers do: netlink_fuzz SECONDS [SEED].
#include <linux/rtnetlink.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "netlink/bridge_fdb.hpp"
#include "netlink/decode.hpp"
#include "netlink/neighbour_times.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < sizeof(nlmsghdr)) return 0;
  // Memory of just this size, so that a read behind it is seen.
  std::vector<uint8_t> bytes(data, data + size);
  auto* message = reinterpret_cast<nlmsghdr*>(bytes.data());
  message->nlmsg_len = static_cast<uint32_t>(size);
  if (culvert::netlink::decode(*message)) culvert::netlink::error_of(*message);
  static_cast<void>(culvert::netlink::decode_neighbour_times(*message));
  static_cast<void>(culvert::netlink::decode_fdb(*message));
  return 0;
}

namespace {

using Random = std::mt19937_64;

constexpr uint16_t kTypes[] = {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWNEIGH, RTM_NEWROUTE,   RTM_NEWNEXTHOP,
                               RTM_NEWRULE, RTM_DELLINK, RTM_DELROUTE, RTM_NEWNEIGHTBL};

// Attributes of likely lengths, some of them nested, now and then cut or overlong.
std::vector<uint8_t> input(Random& random) {
  std::vector<uint8_t> bytes(sizeof(nlmsghdr) + random() % 40);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random() % 4 == 0 ? random() : random() % 11);
  const uint16_t type = kTypes[random() % std::size(kTypes)];
  std::memcpy(bytes.data() + 4, &type, sizeof(type));
  while (random() % 16 != 0) {
    const size_t payload = random() % 3 == 0 ? random() % 64 : size_t{1} << random() % 5;
    uint16_t length = static_cast<uint16_t>(4 + payload);
    if (random() % 16 == 0) length = static_cast<uint16_t>(random());
    const auto kind = static_cast<uint16_t>(random() % 72 | (random() % 8 == 0 ? 0x8000u : 0u));
    const auto* words = reinterpret_cast<const uint8_t*>(&length);
    bytes.insert(bytes.end(), words, words + 2);
    words = reinterpret_cast<const uint8_t*>(&kind);
    bytes.insert(bytes.end(), words, words + 2);
    for (size_t i = 0; i < ((payload + 3) & ~size_t{3}); ++i)
      bytes.push_back(static_cast<uint8_t>(random() % 3 == 0 ? random() : random() % 40));
  }
  if (random() % 8 == 0) bytes.resize(bytes.size() - random() % 4);
  return bytes;
}

}  // namespace

#ifndef CULVERT_LIBFUZZER
int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 1;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : std::random_device{}();
  Random random(seed);
  const auto start = std::chrono::steady_clock::now();
  uint64_t inputs = 0;
  for (; std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds;
       ++inputs) {
    const auto bytes = input(random);
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  }
  std::printf("%llu inputs, seed %llu\n", static_cast<unsigned long long>(inputs),
              static_cast<unsigned long long>(seed));
  return inputs == 0 ? 1 : 0;
}
#endif
