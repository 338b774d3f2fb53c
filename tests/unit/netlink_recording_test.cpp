// Recordings: what is written is what passed; what is no recording, or a broken one, is refused.
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <unistd.h>

#include <cstring>
#include <deque>
#include <filesystem>

#include "netlink/recorder.hpp"
#include "netlink/recording.hpp"

namespace culvert::netlink {
namespace {

using Bytes = std::vector<std::byte>;

// What the real channel would find, one after the other; every request is taken but the last.
class Script : public Channel {
 public:
  struct Step {
    Received received;
    std::vector<nlmsghdr> messages;
  };
  explicit Script(std::deque<Step> steps, bool sends = true) : steps_(std::move(steps)), sends_(sends) {}
  int fd() const override { return -1; }
  Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
    const Step step = steps_.front();
    steps_.pop_front();
    for (const nlmsghdr& message : step.messages) handle(message);
    return step.received;
  }
  Result<uint32_t> send(MessagePtr) override {
    if (!sends_) return error("it is gone");
    return 77u;
  }

 private:
  std::deque<Step> steps_;
  bool sends_;
};

constexpr nlmsghdr message(uint16_t type, uint32_t sequence) {
  return {sizeof(nlmsghdr), type, 0, sequence, 0};
}

class RecordingFile : public ::testing::Test {
 protected:
  ~RecordingFile() override { std::filesystem::remove(path); }
  // Opens one recorded channel over `script`.
  std::unique_ptr<Channel> open(std::unique_ptr<Script> script) {
    auto holder = std::make_shared<std::unique_ptr<Script>>(std::move(script));
    auto recorded = record(path, [holder](const SocketOptions&) -> Result<std::unique_ptr<Channel>> {
      return std::move(*holder);
    });
    EXPECT_TRUE(recorded) << recorded.error().message;
    return std::move(*(*recorded)({.events = true}));
  }
  Bytes contents() const {
    Bytes bytes(std::filesystem::file_size(path));
    FILE* file = std::fopen(path.c_str(), "rb");
    EXPECT_EQ(std::fread(bytes.data(), 1, bytes.size(), file), bytes.size());
    std::fclose(file);
    return bytes;
  }
  // A request, two messages, the empty queue twice, an overrun, the end.
  Bytes sample() {
    auto channel = open(std::make_unique<Script>(
        std::deque<Script::Step>{{Received::messages, {message(RTM_NEWLINK, 77), message(NLMSG_DONE, 77)}},
                                 {Received::nothing, {}},
                                 {Received::nothing, {}},
                                 {Received::overrun, {}},
                                 {Received::lost, {}}}));
    EXPECT_EQ(channel->send(MessagePtr(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP))), 77u);
    for (int i = 0; i < 5; ++i)
      channel->receive([&](const nlmsghdr& got) { seen.push_back(got.nlmsg_type); });
    channel.reset();
    return contents();
  }

  const std::string path = "/tmp/culvert-recording-test." + std::to_string(::getpid());
  std::vector<uint16_t> seen;
};

TEST_F(RecordingFile, HoldsWhatPassed) {
  const TimePoint before = Clock::now();
  sample();
  EXPECT_EQ(seen, (std::vector<uint16_t>{RTM_NEWLINK, NLMSG_DONE})) << "it is handed on as well";
  const auto recording = Recording::read(path);
  ASSERT_TRUE(recording) << recording.error().message;
  std::vector<RecordKind> kinds;
  TimePoint last = before;
  for (const Record& record : recording->records()) {
    kinds.push_back(record.kind);
    EXPECT_LE(last, record.time);
    last = record.time;
    EXPECT_EQ(record.channel, 0);
  }
  EXPECT_LE(last, Clock::now());
  EXPECT_EQ(kinds, (std::vector{RecordKind::opened, RecordKind::sent, RecordKind::datagram, RecordKind::empty,
                                RecordKind::overrun, RecordKind::lost}));
  EXPECT_TRUE(recording->records()[0].asks_for_events());
  std::vector<std::pair<uint16_t, uint32_t>> messages;
  for (const size_t i : {1, 2})
    for_each_message(recording->records()[i].bytes,
                     [&](const nlmsghdr& got) { messages.emplace_back(got.nlmsg_type, got.nlmsg_seq); });
  EXPECT_EQ(messages, (std::vector<std::pair<uint16_t, uint32_t>>{
                          {RTM_GETLINK, 77}, {RTM_NEWLINK, 77}, {NLMSG_DONE, 77}}));
}

TEST_F(RecordingFile, TellsOfWhatFailed) {
  const auto recorded = record(path, [](const SocketOptions&) -> Result<std::unique_ptr<Channel>> {
    return error("no such namespace");
  });
  EXPECT_FALSE((*recorded)({.events = false}));
  auto channel = open(std::make_unique<Script>(std::deque<Script::Step>{}, false));
  EXPECT_FALSE(channel->send(MessagePtr(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_DUMP))));
  channel.reset();
  const auto recording = Recording::read(path);
  ASSERT_TRUE(recording) << recording.error().message;
  EXPECT_EQ(recording->records().back().kind, RecordKind::lost);
}

// Wherever it is cut it is refused, but between two records: then it is a shorter recording.
TEST_F(RecordingFile, CutOffIsRefused) {
  const Bytes whole = sample();
  const size_t records = Recording::parse(whole)->records().size();
  size_t shorter = 0;
  for (size_t size = 0; size < whole.size(); ++size) {
    const auto cut = Recording::parse(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size)));
    shorter += cut.has_value();
    if (cut) {
      EXPECT_LT(cut->records().size(), records);
    } else {
      EXPECT_TRUE(cut.error().message.find("cut off") != std::string::npos || size < 12)
          << cut.error().message;
    }
  }
  EXPECT_EQ(shorter, records);
}

TEST_F(RecordingFile, ForeignAndDamagedAreRefused) {
  const Bytes whole = sample();
  constexpr size_t kFirst = 12;  // where records begin
  struct Case {
    size_t at;
    uint8_t value;
    const char* words;
  };
  for (const auto& [at, value, words] : {Case{0, 'C', "no recording of culvert's"},
                                         {8, 2, "of version 2; this culvert reads version 1"},
                                         {kFirst + 8, 0xff, "cut off"},
                                         {kFirst + 7, 0x40, "the record at byte 12 makes no sense"},
                                         {kFirst + 11, 0x80, "makes no sense"},
                                         {kFirst + 14, 99, "the record at byte 12 makes no sense"},
                                         {kFirst + 14, 3, "makes no sense"},
                                         {kFirst + 14, 6, "makes no sense"}}) {
    Bytes bytes = whole;
    bytes[at] = std::byte{value};
    const auto parsed = Recording::parse(bytes);
    ASSERT_FALSE(parsed) << words;
    EXPECT_NE(parsed.error().message.find(words), std::string::npos) << parsed.error().message;
  }
  Bytes other_order = whole;
  std::reverse(other_order.begin() + 8, other_order.begin() + 12);
  EXPECT_NE(Recording::parse(other_order).error().message.find("the other byte order"), std::string::npos);
  EXPECT_NE(Recording::read("/no/such/file").error().message.find("No such file"), std::string::npos);
  EXPECT_FALSE(Recording::read("/dev/null"));
}

// A message that says that it is longer than what is there.
TEST_F(RecordingFile, MessagesThatAreNotWholeAreRefused) {
  Bytes bytes = sample();
  const size_t request = 12 + sizeof(RecordHeader) + 1 + sizeof(RecordHeader);
  bytes[request] = std::byte{200};
  EXPECT_NE(Recording::parse(bytes).error().message.find("makes no sense"), std::string::npos);
}

TEST(Recorder, AFileThatCannotBeMadeIsAnError) {
  const auto recorded = record("/no/such/folder/file", nullptr);
  ASSERT_FALSE(recorded);
  EXPECT_NE(recorded.error().message.find("cannot record in /no/such/folder/file"), std::string::npos);
}

// The channel goes on; the log tells of it once.
TEST(Recorder, AFullDiskEndsTheRecordingOnly) {
  std::deque<Script::Step> steps;
  for (int i = 0; i < 3; ++i) {
    steps.push_back({Received::messages, {message(RTM_NEWLINK, 1)}});
    steps.push_back({Received::nothing, {}});
  }
  auto script = std::make_shared<std::unique_ptr<Script>>(std::make_unique<Script>(std::move(steps)));
  const auto recorded = record(
      "/dev/full",
      [script](const SocketOptions&) -> Result<std::unique_ptr<Channel>> { return std::move(*script); });
  ASSERT_TRUE(recorded);
  const auto channel = (*recorded)({});
  size_t messages = 0;
  ::testing::internal::CaptureStderr();
  for (int i = 0; i < 6; ++i) (*channel)->receive([&](const nlmsghdr&) { ++messages; });
  const std::string log = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(messages, 3u);
  const size_t told = log.find("the recording ends here, it cannot be written: No space left on device");
  ASSERT_NE(told, std::string::npos) << log;
  EXPECT_EQ(log.find("the recording ends", told + 1), std::string::npos);
}

}  // namespace
}  // namespace culvert::netlink
