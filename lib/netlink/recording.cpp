#include "netlink/recording.hpp"

#include <algorithm>
#include <bit>
#include <cstdio>
#include <cstring>
#include <memory>

#include "base/c_handle.hpp"

namespace culvert::netlink {
namespace {

constexpr size_t kHeaderBytes = kMagic.size() + sizeof(kRecordingVersion);

Status check_header(std::span<const std::byte> bytes) {
  if (bytes.size() < kHeaderBytes || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return error("this is no recording of culvert's");
  uint32_t version;
  std::memcpy(&version, bytes.data() + kMagic.size(), sizeof(version));
  if (version == kRecordingVersion) return {};
  if (version == __builtin_bswap32(kRecordingVersion))
    return error("the recording is of a machine of the other byte order");
  return error("the recording is of version {}; this culvert reads version {}", version, kRecordingVersion);
}

bool is_whole(RecordKind kind, std::span<const std::byte> bytes) {
  size_t messages = 0;
  const bool framed = for_each_message(bytes, [&](const nlmsghdr&) { ++messages; });
  switch (kind) {
    case RecordKind::opened:
      return bytes.size() == 1;
    case RecordKind::refused:
      return !bytes.empty();
    case RecordKind::sent:
      return framed && messages == 1;
    case RecordKind::datagram:
      return framed;
    case RecordKind::empty:
    case RecordKind::overrun:
    case RecordKind::lost:
    case RecordKind::timer:
    case RecordKind::resync:
      return bytes.empty();
  }
  return false;
}

// Centuries, and a gigabyte: far from where the numbers of a clock, and of a message's length, end.
constexpr uint64_t kLatestNs = INT64_MAX / 2;
constexpr uint32_t kLongestBytes = 1u << 30;

}  // namespace

bool for_each_message(std::span<const std::byte> bytes, const std::function<void(const nlmsghdr&)>& visit) {
  // The messages are copied: where they stand in a file is no place for a structure.
  std::vector<uint32_t> message;
  while (!bytes.empty()) {
    nlmsghdr header;
    if (bytes.size() < sizeof(header)) return false;
    std::memcpy(&header, bytes.data(), sizeof(header));
    if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > bytes.size()) return false;
    const size_t aligned = NLMSG_ALIGN(header.nlmsg_len);
    message.resize(aligned / sizeof(uint32_t));
    std::memcpy(message.data(), bytes.data(), header.nlmsg_len);
    visit(*reinterpret_cast<const nlmsghdr*>(message.data()));
    bytes = bytes.subspan(std::min(aligned, bytes.size()));
  }
  return true;
}

Result<Recording> Recording::read(const std::string& path) {
  const CHandle<FILE, std::fclose> file(std::fopen(path.c_str(), "rb"));
  if (file == nullptr) return error("{}: {}", path, errno_text(errno));
  std::vector<std::byte> bytes;
  std::array<std::byte, 65536> part;
  while (const size_t size = std::fread(part.data(), 1, part.size(), file.get()))
    bytes.insert(bytes.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(size));
  if (std::ferror(file.get()) != 0) return error("{}: {}", path, errno_text(errno));
  auto recording = parse(std::move(bytes));
  if (!recording) return error("{}: {}", path, recording.error().message);
  return recording;
}

Result<Recording> Recording::parse(std::vector<std::byte> bytes) {
  if (auto status = check_header(bytes); !status) return tl::make_unexpected(status.error());
  Recording recording;
  recording.bytes_ = std::move(bytes);
  const std::span<const std::byte> all = recording.bytes_;
  for (size_t at = kHeaderBytes; at < all.size();) {
    RecordHeader header;
    if (all.size() - at < sizeof(header))
      return error("the recording is cut off in its last record, byte {}", at);
    std::memcpy(&header, all.data() + at, sizeof(header));
    if (header.length > kLongestBytes || header.time_ns > kLatestNs)
      return error("the recording is damaged: the record at byte {} makes no sense", at);
    if (all.size() - at - sizeof(header) < header.length)
      return error("the recording is cut off in its last record, or damaged, byte {}", at);
    const auto kind = static_cast<RecordKind>(header.kind);
    const auto content = all.subspan(at + sizeof(header), header.length);
    if (!is_whole(kind, content))
      return error("the recording is damaged: the record at byte {} makes no sense", at);
    const TimePoint time{std::chrono::nanoseconds(header.time_ns)};
    recording.records_.push_back({time, header.channel, kind, content});
    at += sizeof(header) + header.length;
  }
  return recording;
}

}  // namespace culvert::netlink
