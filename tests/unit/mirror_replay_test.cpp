// What was recorded happens again, to the same changes in the same order.
#include <linux/rtnetlink.h>

#include <fstream>

#include "recorded.hpp"

namespace culvert::mirror {
namespace {

class Replayed : public Lab {
 protected:
  void SetUp() override {
    Lab::SetUp();
    make_links();
    make_routes();
    begin({});
  }
  void begin(Options options) {
    mirror.reset();
    options_ = std::move(options);
    options_.check_after = 20ms;
    options_.retry_after = 10ms;
    Options recorded = options_;
    recorded.open = file.opener([this](const netlink::SocketOptions& wanted) { return open(wanted); });
    mirror = *Mirror::create(recorded);
    replica = {};
    mirror->subscribe(replica);
    sync(*mirror);
  }
  void TearDown() override {
    sync(*mirror);
    expect_replays(file, std::move(mirror), replica, options_, at_leisure_);
  }
  // Between the recorder and the kernel: sockets that can be lost.
  Result<std::unique_ptr<netlink::Channel>> open(const netlink::SocketOptions& wanted) {
    if (refuses_) return error("no such namespace");
    auto real = netlink::Socket::open_channel(wanted);
    auto made = std::make_unique<Losable>(losses_);
    made->real = std::move(*real);
    return made;
  }
  // As the event loop would, timers too.
  void run_for(Duration time) {
    for (const TimePoint end = Clock::now() + time; Clock::now() < end;) {
      pollfd fd{mirror->fd(), POLLIN, 0};
      ::poll(&fd, 1, 1);
      mirror->poll(64, Clock::now());
      mirror->on_timer(Clock::now());
    }
  }

  struct Losable : netlink::Channel {
    explicit Losable(const unsigned& all_losses) : losses(all_losses), seen(all_losses) {}
    int fd() const override { return real->fd(); }
    netlink::Received receive(const std::function<void(const nlmsghdr&)>& handle) override {
      return seen == losses ? real->receive(handle) : netlink::Received::lost;
    }
    Result<uint32_t> send(netlink::MessagePtr message) override {
      if (seen != losses) return error("lost");
      return real->send(std::move(message));
    }
    std::unique_ptr<netlink::Channel> real;
    const unsigned& losses;
    const unsigned seen;
  };

  RecordingPath file;
  Options options_;
  Replica replica;
  std::unique_ptr<Mirror> mirror;
  bool at_leisure_ = true;
  unsigned losses_ = 0;
  bool refuses_ = false;
};

TEST_F(Replayed, EventsAndWhatGoesWithThemSilently) {
  ip("link set v1 down\nnexthop del id 1\nroute add 60.0.0.0/24 via 10.0.0.9\nlink set v1 up\n"
     "neigh add 10.0.0.9 lladdr 02:00:00:00:00:09 dev v0\nlink del v1");
  sync(*mirror);
  EXPECT_GT(replica.deltas_with("-"), 10u);
}

TEST_F(Replayed, AnOperatorsResyncAndBarriers) {
  for (int i = 0; i < 3; ++i) {
    ip(fmt::format("route add 60.0.{}.0/24 via 10.0.0.9", i));
    mirror->resync();
    mirror->poll(4, Clock::now());
    ip(fmt::format("link set v1 mtu {}", 1400 + i));
    sync(*mirror);
  }
  EXPECT_EQ(mirror->stats().resyncs, 3u);
}

// A resync in the middle of another one.
TEST_F(Replayed, ResyncsInARow) {
  at_leisure_ = false;
  for (int i = 0; i < 20; ++i) {
    mirror->resync();
    for (int turn = 0; turn < i; ++turn) mirror->poll(2, Clock::now());
    ip(fmt::format("route add 60.0.{}.0/24 via 10.0.0.9", i));
  }
  sync(*mirror);
}

TEST_F(Replayed, Overruns) {
  at_leisure_ = false;
  begin({.receive_buffer_bytes = 8192});
  for (int round = 0; round < 5; ++round) {
    std::string commands;
    for (int i = 0; i < 1000; ++i)
      commands += fmt::format("route {} 50.{}.{}.0/24 via 10.0.0.9\n", round % 2 == 0 ? "add" : "del",
                              i / 256, i % 256);
    ip(commands);
    mirror->poll(16, Clock::now());
    run_for(30ms);
  }
  run_for(100ms);
  EXPECT_GE(mirror->stats().overruns, 1u);
}

TEST_F(Replayed, SelfChecksAndWhatTheyMend) {
  // With this the kernel calls a hop without carrier dead too, and tells nobody.
  run("sysctl -qw net.ipv4.conf.all.ignore_routes_with_linkdown=1");
  ip("link set p0 down");
  pump_until(*mirror, [&] {
    mirror->on_timer(Clock::now());
    return mirror->stats().corrections > 0;
  });
  run_for(100ms);
  EXPECT_GE(mirror->stats().checks, 1u);
}

// The recorded mirror read an answer that the replayed one does not wait for: it ends all the same.
TEST_F(Replayed, AnAnswerThatNobodyReads) {
  mirror.reset();
  const auto recording = netlink::Recording::read(file.path);
  ASSERT_TRUE(recording) << recording.error().message;
  const auto dumps = std::ranges::find_if(recording->records(), [](const netlink::Record& record) {
    return record.kind == netlink::RecordKind::opened && !record.asks_for_events();
  });
  ASSERT_NE(dumps, recording->records().end());
  const struct {
    netlink::RecordHeader header;
    nlmsghdr message;
  } extra{{.time_ns = static_cast<uint64_t>(recording->records().back().time.time_since_epoch().count()),
           .length = sizeof(nlmsghdr),
           .channel = dumps->channel,
           .kind = static_cast<uint16_t>(netlink::RecordKind::datagram)},
          {sizeof(nlmsghdr), NLMSG_NOOP, 0, 12345, 0}};
  std::ofstream(file.path, std::ios::binary | std::ios::app)
      .write(reinterpret_cast<const char*>(&extra), sizeof(extra));

  const auto longer = netlink::Recording::read(file.path);
  ASSERT_TRUE(longer) << longer.error().message;
  replay::Replay replay(*longer);
  const auto replayed = *Mirror::create({.open = replay.opener()});
  size_t steps = 0;
  while (replay.step(*replayed)) ASSERT_LT(++steps, 1000 * longer->records().size());
  EXPECT_TRUE(replayed->stats().consistent);
  begin({});
}

TEST_F(Replayed, LostSocketsAndBackOff) {
  ++losses_;
  ip("route add 60.0.0.0/24 via 10.0.0.9");
  mirror->poll(16, Clock::now());
  run_for(20ms);
  refuses_ = true;
  ++losses_;
  ip("route add 60.0.1.0/24 via 10.0.0.9");
  mirror->poll(16, Clock::now());
  EXPECT_FALSE(mirror->stats().consistent);
  run_for(50ms);
  EXPECT_FALSE(mirror->stats().consistent);
  refuses_ = false;
  run_for(200ms);
  EXPECT_TRUE(mirror->stats().consistent);
  EXPECT_TRUE(mirror->lookup(RT_TABLE_MAIN, *net::IpAddr::parse("60.0.1.1")));
}

}  // namespace
}  // namespace culvert::mirror
