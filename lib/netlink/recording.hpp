// A recording of a mirror's netlink: all that went over its channels, with the times (doc/mirror.md).
//
// The file, in the byte order of the machine that made it:
//
//   header   the 8 bytes of kMagic, u32 version
//   records  u64 time in ns (CLOCK_MONOTONIC), u32 length, u16 channel, u16 kind; then `length` bytes
//
// Channels are numbered in the order in which they were asked for. Whole records only, in the order in which
// things happened.
#pragma once

#include <linux/netlink.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/result.hpp"

namespace culvert::netlink {

constexpr std::array<char, 8> kMagic{'c', 'u', 'l', 'v', 'e', 'r', 't', '\n'};
constexpr uint32_t kRecordingVersion = 1;

enum class RecordKind : uint16_t {
  opened = 1,    // one byte: 1 where events were asked for, else 0
  refused = 2,   // the same, and the error's text: the channel could not be opened
  sent = 3,      // one request
  datagram = 4,  // messages that were read together; the end of a dump is an NLMSG_DONE
  empty = 5,     // the queue was found empty; once after each other record
  overrun = 6,   // Received::overrun
  lost = 7,      // Received::lost, or a request could not be sent
  timer = 8,     // Prompt::timer
  resync = 9,    // Prompt::resync
};

// As it stands in the file.
struct RecordHeader {
  uint64_t time_ns;
  uint32_t length;
  uint16_t channel;
  uint16_t kind;
};
static_assert(sizeof(RecordHeader) == 16);

struct Record {
  TimePoint time;
  uint16_t channel = 0;
  RecordKind kind{};
  std::span<const std::byte> bytes;  // of the Recording

  bool asks_for_events() const { return bytes[0] != std::byte{0}; }  // opened, refused
};

// A whole recording in memory. A value that does not change; any thread.
class Recording {
 public:
  // Error: no recording, of another version or byte order, cut off or damaged: what is wrong, and where.
  static Result<Recording> read(const std::string& path);
  static Result<Recording> parse(std::vector<std::byte> bytes);

  const std::vector<Record>& records() const { return records_; }

 private:
  std::vector<std::byte> bytes_;
  std::vector<Record> records_;
};

// Calls `visit` for each of the messages that stand in a row, at most a gigabyte. False: they are not whole,
// and the rest of them was left out.
bool for_each_message(std::span<const std::byte> bytes, const std::function<void(const nlmsghdr&)>& visit);

}  // namespace culvert::netlink
