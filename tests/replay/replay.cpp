#include "replay/replay.hpp"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/c_handle.hpp"

namespace culvert::replay {
namespace {

using netlink::Received;
using netlink::Record;
using netlink::RecordKind;

constexpr size_t kBudget = 256;

bool is_readable(int fd) {
  pollfd one{fd, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

bool is_opening(const Record& record) {
  return record.kind == RecordKind::opened || record.kind == RecordKind::refused;
}

Received received_of(RecordKind kind) {
  switch (kind) {
    case RecordKind::overrun:
      return Received::overrun;
    case RecordKind::lost:
      return Received::lost;
    default:
      return Received::messages;
  }
}

}  // namespace

// The channel that the mirror holds.
class Replay::Line final : public netlink::Channel {
 public:
  Line(Lane& lane, uint32_t& sequence) : lane_(lane), sequence_(sequence) {}

  int fd() const override { return fd_.get(); }

  Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
    if (!lane_.refused.empty()) {
      const struct {
        nlmsghdr header;
        nlmsgerr error;
      } refusal{{sizeof(refusal), NLMSG_ERROR, 0, lane_.refused.back(), 0}, {-ECANCELED, {}}};
      lane_.refused.pop_back();
      handle(refusal.header);
      return Received::messages;
    }
    if (lane_.waiting.empty()) return Received::nothing;
    const Record& record = *lane_.waiting.front();
    lane_.waiting.pop_front();
    netlink::for_each_message(record.bytes, [&](const nlmsghdr& message) { hand_on(message, handle); });
    return received_of(record.kind);
  }

  Result<uint32_t> send(netlink::MessagePtr message) override {
    const nlmsghdr& header = *nlmsg_hdr(message.get());
    lane_.requests.push_back({header.nlmsg_type, family_of(header), ++sequence_});
    return sequence_;
  }

  // The header of each kind of request begins with it.
  static uint8_t family_of(const nlmsghdr& message) {
    return message.nlmsg_len > NLMSG_HDRLEN ? *static_cast<const uint8_t*>(nlmsg_data(&message)) : uint8_t{0};
  }

 private:
  // An answer carries the mirror's own number; 0, which it never gave, where it did not ask.
  void hand_on(const nlmsghdr& message, const std::function<void(const nlmsghdr&)>& handle) const {
    std::vector<uint32_t> copy(NLMSG_ALIGN(message.nlmsg_len) / sizeof(uint32_t));
    std::memcpy(copy.data(), &message, message.nlmsg_len);
    auto* header = reinterpret_cast<nlmsghdr*>(copy.data());
    const auto asked = lane_.answers.find(message.nlmsg_seq);
    header->nlmsg_seq = asked == lane_.answers.end() ? 0 : asked->second;
    handle(*header);
  }

  UniqueFd fd_{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};  // never readable: step() knows when to read
  Lane& lane_;
  uint32_t& sequence_;
};

netlink::Open Replay::opener() {
  return [this](const netlink::SocketOptions& options) -> Result<std::unique_ptr<netlink::Channel>> {
    size_t& at = next_opening_[options.events ? 1 : 0];
    for (at = std::max(at, next_); at < records_.size(); ++at) {
      const Record& record = records_[at];
      if (!is_opening(record) || record.asks_for_events() != options.events) continue;
      ++at;
      if (record.kind == RecordKind::opened) {
        lane(options.events) = {};
        held_ = held_ || options.events;
        return std::make_unique<Line>(lane(options.events), sequence_);
      }
      const auto text = record.bytes.subspan(1);
      return error("{}", std::string_view(reinterpret_cast<const char*>(text.data()), text.size()));
    }
    return error("the recording tells of no further channel");
  };
}

bool Replay::step(mirror::Mirror& mirror) {
  held_ = held_ && next_ < records_.size();
  const auto mail = [this] { return events_.mail() + dumps_.mail(); };
  if (const size_t before = mail(); !held_ && (before != 0 || is_readable(mirror.fd()))) {
    mirror.poll(kBudget, now_);
    if (mail() != before || is_readable(mirror.fd()))
      return true;  // else it does not want what is there, now
  }
  if (next_ == records_.size()) return false;
  const Record& record = records_[next_];
  now_ = std::max(now_, record.time);
  if (!prompted_ && is_unexpected_opening(record)) {
    prompted_ = true;  // or a mirror that will not open would be asked for ever
    let_timer_go_off(mirror);
    return true;
  }
  prompted_ = false;
  ++next_;
  feed(mirror, record);
  return true;
}

// The mirror has not opened it yet: it waits to try again.
bool Replay::is_unexpected_opening(const Record& record) const {
  return is_opening(record) && next_ >= next_opening_[record.asks_for_events() ? 1 : 0];
}

void Replay::let_timer_go_off(mirror::Mirror& mirror) const {
  if (const TimePoint due = mirror.next_timer(); due != TimePoint::max())
    mirror.on_timer(std::max(due, now_));
}

void Replay::feed(mirror::Mirror& mirror, const Record& record) {
  if (is_opening(record)) {
    is_events_[record.channel] = record.asks_for_events();
    return;
  }
  const bool events = is_events_[record.channel];
  switch (record.kind) {
    case RecordKind::sent:
      return meet(record);
    case RecordKind::timer:
      return let_timer_go_off(mirror);
    case RecordKind::resync:
      begin_anew();
      return mirror.resync();
    case RecordKind::empty:
      held_ = held_ && !events;
      return;
    case RecordKind::overrun:
      if (events) begin_anew();
      break;
    case RecordKind::lost:
      held_ = held_ && !events;
      break;
    default:
      break;
  }
  lane(events).waiting.push_back(&record);
}

void Replay::begin_anew() {
  held_ = true;
  for (const Request& request : dumps_.requests) dumps_.refused.push_back(request.sequence);
  dumps_.requests.clear();
}

void Replay::meet(const Record& record) {
  const Request recorded = request_of(record);
  Lane& lane = this->lane(is_events_[record.channel]);
  const auto request = std::ranges::find_if(lane.requests, [&](const Request& one) {
    return one.type == recorded.type && one.family == recorded.family;
  });
  if (request == lane.requests.end()) return;
  lane.answers[recorded.sequence] = request->sequence;
  lane.requests.erase(request);
}

Replay::Request Replay::request_of(const Record& record) {
  Request request{};
  netlink::for_each_message(record.bytes, [&](const nlmsghdr& message) {
    request = {message.nlmsg_type, Line::family_of(message), message.nlmsg_seq};
  });
  return request;
}

}  // namespace culvert::replay
