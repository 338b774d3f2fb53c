// Feeds a recording (netlink/recording.hpp) to a mirror on a clock of its own: what `culvert --record` saw in
// the field happens again here.
//
// The recording leads. Its records are handed on one after the other, each when the mirror has nothing left
// to do, at its own time. The mirror's requests have other sequence numbers than the recorded ones: a request
// is answered with what was answered to the next recorded request of its kind, at that place of the
// recording. Its timers (self-check, back-off) go off where the recorded mirror's did. So a mirror that asks
// more often than the recorded one waits; what it does not ask for is left out.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <vector>

#include "mirror/mirror.hpp"
#include "netlink/recording.hpp"

namespace culvert::replay {

//   Replay replay(recording);
//   auto mirror = mirror::Mirror::create({.open = replay.opener()});
//   while (replay.step(**mirror)) ...;
//
// One thread. Outlives the mirror.
class Replay {
 public:
  // `recording` outlives it.
  explicit Replay(const netlink::Recording& recording) : records_(recording.records()) {}
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // Opens the channels of the mirror that is to be fed.
  netlink::Open opener();

  // One turn of the mirror. False: the recording is at its end, and the mirror has nothing left to do.
  bool step(mirror::Mirror& mirror);

  // The recording's clock.
  TimePoint now() const { return now_; }
  // Since its first record.
  Duration elapsed() const { return records_.empty() ? Duration{} : now_ - records_.front().time; }
  // The record that comes next; null: none.
  const netlink::Record* next() const { return next_ < records_.size() ? &records_[next_] : nullptr; }

 private:
  class Line;
  struct Request {
    uint16_t type;
    uint8_t family;
    uint32_t sequence;
  };
  // What one of the mirror's two channels is about: that of events, that of dumps. Begins anew when it is
  // opened.
  struct Lane {
    std::deque<const netlink::Record*> waiting;  // to be received
    std::vector<Request> requests;               // of the mirror, that no recorded one has met yet
    std::map<uint32_t, uint32_t> answers;        // recorded sequence number -> the mirror's
    // The mirror is quicker than the recorded one, which had not asked yet when it was told to begin anew.
    std::vector<uint32_t> refused;

    size_t mail() const { return waiting.size() + refused.size(); }
  };

  Lane& lane(bool events) { return events ? events_ : dumps_; }
  bool is_unexpected_opening(const netlink::Record& record) const;
  void let_timer_go_off(mirror::Mirror& mirror) const;
  void feed(mirror::Mirror& mirror, const netlink::Record& record);
  void begin_anew();
  void meet(const netlink::Record& record);
  static Request request_of(const netlink::Record& record);

  const std::vector<netlink::Record>& records_;
  size_t next_ = 0;
  size_t next_opening_[2] = {0, 0};  // of dumps, of events: the records before were used
  bool prompted_ = false;
  // From the opening of the events, an overrun or a resync until their queue was empty: the mirror, which
  // asks for a dump as soon as it finds it so, reads them at one go.
  bool held_ = false;
  TimePoint now_{};
  std::map<uint16_t, bool> is_events_;  // by recorded channel
  Lane events_, dumps_;
  uint32_t sequence_ = 0;
};

}  // namespace culvert::replay
