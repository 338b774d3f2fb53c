#include "netlink/recorder.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <span>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "netlink/recording.hpp"

namespace culvert::netlink {
namespace {

const Log kLog("netlink");

constexpr size_t kPartBytes = 64 * 1024;

// The file. It outlives the channels that write to it.
class Writer {
 public:
  explicit Writer(UniqueFd file) : file_(std::move(file)) {
    put(std::as_bytes(std::span(kMagic)));
    put(std::as_bytes(std::span(&kRecordingVersion, 1)));
  }
  ~Writer() { flush(); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  void write(uint16_t channel, RecordKind kind, std::span<const std::byte> bytes = {}) {
    if (!file_) return;
    const auto now = std::chrono::nanoseconds(Clock::now().time_since_epoch()).count();
    const RecordHeader header{static_cast<uint64_t>(now), static_cast<uint32_t>(bytes.size()), channel,
                              static_cast<uint16_t>(kind)};
    put(std::as_bytes(std::span(&header, 1)));
    put(bytes);
    if (part_.size() >= kPartBytes || kind == RecordKind::empty) flush();
  }
  uint16_t next_channel() { return channels_++; }

 private:
  void put(std::span<const std::byte> bytes) { part_.insert(part_.end(), bytes.begin(), bytes.end()); }

  void flush() {
    for (size_t done = 0; file_ && done < part_.size();) {
      const ssize_t size = ::write(file_.get(), part_.data() + done, part_.size() - done);
      if (size >= 0) {
        done += static_cast<size_t>(size);
      } else if (errno != EINTR) {
        kLog.error("the recording ends here, it cannot be written: {}", errno_text(errno));
        // The part that was begun may end within a record. What is no file on a disk is left as it is.
        [[maybe_unused]] const int cut = ::ftruncate(file_.get(), whole_bytes_);
        file_ = UniqueFd();
      }
    }
    whole_bytes_ += static_cast<off_t>(part_.size());
    part_.clear();
  }

  UniqueFd file_;  // none any more: an error ended the recording
  off_t whole_bytes_ = 0;
  std::vector<std::byte> part_;
  uint16_t channels_ = 0;
};

class RecordedChannel final : public Channel {
 public:
  RecordedChannel(std::shared_ptr<Writer> writer, uint16_t number, std::unique_ptr<Channel> real)
      : writer_(std::move(writer)), number_(number), real_(std::move(real)) {}

  int fd() const override { return real_->fd(); }

  // What was read is recorded before it is handed on: its reader may send something.
  Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
    messages_.clear();
    const Received received = real_->receive([this](const nlmsghdr& message) {
      const auto* bytes = reinterpret_cast<const std::byte*>(&message);
      messages_.insert(messages_.end(), bytes, bytes + message.nlmsg_len);
      messages_.resize(NLMSG_ALIGN(messages_.size()));
    });
    switch (received) {
      case Received::messages:
        writer_->write(number_, RecordKind::datagram, messages_);
        for_each_message(messages_, handle);
        break;
      case Received::nothing:
        if (!was_empty_) writer_->write(number_, RecordKind::empty);
        break;
      case Received::overrun:
        writer_->write(number_, RecordKind::overrun);
        break;
      case Received::lost:
        writer_->write(number_, RecordKind::lost);
        break;
    }
    was_empty_ = received == Received::nothing;
    return received;
  }

  // The real channel completes the header and frees the message: the number is put in afterwards.
  Result<uint32_t> send(MessagePtr message) override {
    std::vector<std::byte> request;
    if (message != nullptr) {
      const auto bytes = std::as_bytes(std::span(nlmsg_hdr(message.get()), 1));
      request.assign(bytes.data(), bytes.data() + nlmsg_hdr(message.get())->nlmsg_len);
    }
    const auto sequence = real_->send(std::move(message));
    if (sequence) {
      reinterpret_cast<nlmsghdr*>(request.data())->nlmsg_seq = *sequence;
      writer_->write(number_, RecordKind::sent, request);
    } else {
      writer_->write(number_, RecordKind::lost);
    }
    return sequence;
  }

  void note(Prompt prompt) override {
    writer_->write(number_, prompt == Prompt::timer ? RecordKind::timer : RecordKind::resync);
    was_empty_ = false;
    real_->note(prompt);
  }

 private:
  const std::shared_ptr<Writer> writer_;
  const uint16_t number_;
  const std::unique_ptr<Channel> real_;
  std::vector<std::byte> messages_;  // of one datagram
  bool was_empty_ = false;
};

}  // namespace

Result<Open> record(const std::string& path, Open open) {
  // Never waits: neither for a reader of a FIFO nor for one that is slow.
  UniqueFd file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK, 0600));
  if (!file) return error("cannot record in {}: {}", path, errno_text(errno));
  const auto writer = std::make_shared<Writer>(std::move(file));
  return [writer, open = std::move(open)](const SocketOptions& options) -> Result<std::unique_ptr<Channel>> {
    const uint16_t number = writer->next_channel();
    auto channel = open(options);
    std::vector<std::byte> asked{std::byte{options.events}};
    if (!channel) {
      const auto text = std::as_bytes(std::span(channel.error().message));
      asked.insert(asked.end(), text.begin(), text.end());
      writer->write(number, RecordKind::refused, asked);
      return channel;
    }
    writer->write(number, RecordKind::opened, asked);
    return std::make_unique<RecordedChannel>(writer, number, std::move(*channel));
  };
}

}  // namespace culvert::netlink
