// Sessions: several at once, stalled, half, too long, gone; the socket and its path; the client's side.
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "shell/console.hpp"
#include "shell_client/interactive.hpp"
#include "shell_fixture.hpp"

namespace culvert::shell {
namespace {

class Sessions : public ShellTest {
 protected:
  using ShellTest::ShellTest;
  RawClient connect() {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return RawClient(std::move(fd));
  }
};

TEST_F(Sessions, SeveralAtOnceEachGetsItsOwnAnswers) {
  std::vector<RawClient> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(connect());
  for (auto& client : clients) EXPECT_TRUE(client.send("run show mirror json\nrun bad\nrun show ports\n"));
  for (auto& client : clients) {
    std::vector<Answer> answers;
    ASSERT_TRUE(turn_until([&] {
      for (Answer& answer : client.answers()) answers.push_back(std::move(answer));
      return answers.size() == 3;
    }));
    EXPECT_NE(answers[0].text.find("epoch"), std::string::npos);
    EXPECT_EQ(answers[1].outcome, Outcome::error);
    EXPECT_NE(answers[2].text.find("uplink"), std::string::npos);
  }
}

TEST_F(Sessions, AStalledClientStopsNobody) {
  for (int i = 0; i < 5000; ++i) api_.tunnel_views.push_back(api_.tunnel_views[0]);
  RawClient stalled = connect(), other = connect();
  for (int i = 0; i < 100; ++i) stalled.send("run show tunnels json\n");  // megabytes that nobody reads
  for (int i = 0; i < 20; ++i) EXPECT_EQ(ask(other, "run show mirror").outcome, Outcome::ok);
  // When it reads at last, all is there.
  size_t answers = 0;
  EXPECT_TRUE(turn_until([&] {
    for (const Answer& answer : stalled.answers()) {
      EXPECT_EQ(nlohmann::json::parse(answer.text).size(), 5002u);
      ++answers;
    }
    return answers >= 5;
  }));
}

TEST_F(Sessions, HalfALineWaitsForItsOtherHalf) {
  RawClient half = connect(), other = connect();
  half.send("run show mi");
  EXPECT_EQ(ask(other, "run show ports").outcome, Outcome::ok);
  EXPECT_EQ(half.received(), "");
  EXPECT_EQ(ask(half, "rror").outcome, Outcome::ok);
  half.send("run res");
  half.hang_up();
  EXPECT_EQ(ask(other, "run show ports").outcome, Outcome::ok);
  EXPECT_TRUE(api_.changes.empty());  // half a line is none
}

TEST_F(Sessions, LinesOf4096BytesAndNoMore) {
  RawClient client = connect();
  const std::string head = "show mirror json # ";
  const std::string longest = head + std::string(kMaxLineBytes - head.size(), 'x');
  EXPECT_EQ(ask(client, "run " + longest).outcome, Outcome::ok);
  const Answer one_more = ask(client, "run " + longest + "x");
  EXPECT_EQ(one_more.outcome, Outcome::error);
  EXPECT_EQ(one_more.text, "the line is too long; expected at most 4096 bytes");
  std::string words =
      "tunnel add " + std::string(31, 'n') + " type vxlan vni 1 local 10.0.0.1 remote 10.0.0.2 ttl ";
  words += std::string(kMaxLineBytes - words.size() - 2, ' ') + "64";
  EXPECT_EQ(ask(client, "run " + words).outcome, Outcome::ok);
  EXPECT_EQ(api_.changes.size(), 1u);
}

TEST_F(Sessions, AnEndlessLineIsOneErrorAndTheSessionGoesOn) {
  RawClient client = connect();
  for (int i = 0; i < 100; ++i) {
    client.send("run " + std::string(10000, 'x'));
    loop_.turn(1ms);
    loop_.turn(1ms);
  }
  const Answer answer = ask(client, "");
  EXPECT_EQ(answer.text, "the line is too long; expected at most 4096 bytes");
  EXPECT_EQ(ask(client, "run show mirror").outcome, Outcome::ok);
}

TEST_F(Sessions, BytesThatAreNoRequest) {
  RawClient client = connect();
  EXPECT_EQ(ask(client, "GET / HTTP/1.0").outcome, Outcome::error);
  EXPECT_EQ(ask(client, std::string("run show\0ports", 14)).outcome, Outcome::error);
  EXPECT_EQ(ask(client, "run").outcome, Outcome::ok);
}

TEST_F(Sessions, WaitAnswersLaterAndOthersGoOn) {
  RawClient waiting = connect(), other = connect();
  waiting.send("run wait 5 tunnel vx200\nrun show mirror\n");
  ASSERT_TRUE(turn_until([&] { return api_.waits.size() == 1; }));
  EXPECT_EQ(api_.waits[0].tunnel, "vx200");
  EXPECT_LE(api_.waits[0].deadline, Clock::now() + 5s);
  EXPECT_EQ(ask(other, "run show ports").outcome, Outcome::ok);
  EXPECT_EQ(waiting.received(), "");  // and what comes behind it waits too
  api_.waits[0].done({});
  std::vector<Answer> answers;
  ASSERT_TRUE(turn_until([&] {
    for (Answer& answer : waiting.answers()) answers.push_back(std::move(answer));
    return answers.size() == 2;
  }));
  EXPECT_EQ(answers[0].outcome, Outcome::ok);
  EXPECT_NE(answers[1].text.find("epoch"), std::string::npos);
}

TEST_F(Sessions, WaitThatFailsOrWhoseClientHasGone) {
  RawClient client = connect();
  client.send("run wait\n");
  ASSERT_TRUE(turn_until([&] { return api_.waits.size() == 1; }));
  api_.waits[0].done(error("timeout after 10 s"));
  std::vector<Answer> answers;
  ASSERT_TRUE(turn_until([&] { return !(answers = client.answers()).empty(); }));
  EXPECT_EQ(answers[0].text, "timeout after 10 s");

  bool left = false;
  RawClient gone = attach([&] { left = true; });
  gone.send("run wait 60\n");
  ASSERT_TRUE(turn_until([&] { return api_.waits.size() == 2; }));
  gone.hang_up();
  EXPECT_TRUE(turn_until([&] { return left; }));
  api_.waits[1].done({});

  RawClient last = connect();
  last.send("run wait 60\n");
  ASSERT_TRUE(turn_until([&] { return api_.waits.size() == 3; }));
  server_.reset();
  api_.waits[2].done({});  // the server has gone too
}

class FewSessions : public Sessions {
 protected:
  FewSessions() : Sessions(Limits{.sessions = 2, .output_bytes = 1000}) {}
};

TEST_F(FewSessions, OneMoreIsToldSo) {
  RawClient first = connect(), second = connect();
  EXPECT_EQ(ask(first, "run show mirror").outcome, Outcome::ok);
  EXPECT_EQ(ask(second, "run show mirror").outcome, Outcome::ok);
  RawClient third = connect();
  ASSERT_TRUE(turn_until([&] { return third.received(), third.closed; }));
  EXPECT_EQ(third.received(), "error 47\nthere are 2 sessions already; leave one of them");
  first.hang_up();
  loop_.turn(10ms);
  RawClient fourth = connect();
  EXPECT_EQ(ask(fourth, "run show mirror").outcome, Outcome::ok);
}

TEST_F(FewSessions, AnAnswerBeyondTheLimitIsAnError) {
  for (int i = 0; i < 100; ++i) api_.tunnel_views.push_back(api_.tunnel_views[0]);
  RawClient client = connect();
  const Answer answer = ask(client, "run show tunnels");
  EXPECT_EQ(answer.outcome, Outcome::error);
  EXPECT_NE(answer.text.find("room is for 1000; ask for less"), std::string::npos) << answer.text;
  EXPECT_EQ(ask(client, "run show mirror").outcome, Outcome::ok);
}

TEST_F(Sessions, TheSocketIsForItsOwnerAlone) {
  struct stat status;
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  server_.reset();
  EXPECT_NE(::stat(path_.c_str(), &status), 0);  // and leaves nothing behind
}

TEST_F(Sessions, ALivePathIsRefusedAStaleOneReplaced) {
  const auto second = Server::create(loop_, api_, path_);
  ASSERT_FALSE(second);
  EXPECT_NE(second.error().message.find("another culvert runs there"), std::string::npos);
  EXPECT_EQ(run("show mirror").outcome, Outcome::ok);

  // As a killed process leaves it: bound, and nobody listens.
  const std::string stale = path_ + ".stale";
  {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
    stale.copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  }
  EXPECT_TRUE(Server::create(loop_, api_, stale));

  const std::string file = path_ + ".file";
  std::ofstream(file) << "precious";
  const auto refused = Server::create(loop_, api_, file);
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("is no socket"), std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(file));
  std::filesystem::remove(file);
  EXPECT_FALSE(Server::create(loop_, api_, "/" + std::string(200, 'x')));
}

// The loop on a thread of its own, for the clients that block.
class Clients : public Sessions {
 protected:
  Clients() {
    api_.on_shutdown = [this] { loop_.stop(); };
  }
  void run_loop() {
    thread_ = std::thread([this] { loop_.run(); });
  }
  void stop_loop() {
    if (!thread_.joinable()) return;
    (void)Client::connect(path_)->run("shutdown");
    thread_.join();
  }
  ~Clients() override { stop_loop(); }

  std::thread thread_;
};

TEST_F(Clients, RunAndComplete) {
  run_loop();
  auto client = Client::connect(path_);
  ASSERT_TRUE(client);
  EXPECT_NE(client->run("show ports")->text.find("uplink"), std::string::npos);
  EXPECT_EQ(client->run("bad")->outcome, Outcome::error);
  EXPECT_EQ(client->run("show\nresync")->text, "the command has a line end in it; expected one line");
  EXPECT_EQ(client->run(std::string(100000, 'x'))->text, "the line is too long; expected at most 4096 bytes");
  EXPECT_EQ(client->complete("tunnel del v").append, "x");
  EXPECT_EQ(client->complete("tunnel del vx").choices, (std::vector<std::string>{"vx100", "vx200"}));
  EXPECT_EQ(client->run("quit")->outcome, Outcome::bye);
  stop_loop();
  server_.reset();
  EXPECT_FALSE(client->run("show ports"));
  const auto nobody = Client::connect(path_);
  ASSERT_FALSE(nobody);
  EXPECT_TRUE(nobody.error().message.starts_with("cannot reach culvert at " + path_))
      << nobody.error().message;
}

TEST_F(Clients, LargeAnswersThroughASmallSocket) {
  for (int i = 0; i < 50000; ++i) api_.tunnel_views.push_back(api_.tunnel_views[0]);
  run_loop();
  auto client = Client::connect(path_);
  ASSERT_TRUE(client);
  EXPECT_EQ(nlohmann::json::parse(client->run("show tunnels json")->text).size(), 50002u);
}

TEST_F(Clients, AFileOfCommands) {
  const std::string file = path_ + ".cmd", longest = "show mirror # " + std::string(kMaxLineBytes - 14, 'x');
  std::ofstream(file) << "# a comment\n\nshow mirror json\nnonsense\nresync\n"
                      << longest << "\n"
                      << longest << "x\nstop";  // no line end behind the last
  bool left = false;
  auto session = server_->attach([&] { left = true; });
  testing::internal::CaptureStdout();
  testing::internal::CaptureStderr();
  auto console = Console::start(*std::move(session), {.cmdline_file = file, .interactive = false});
  ASSERT_TRUE(console);
  EXPECT_TRUE(turn_until([&] { return left; }));
  console->reset();
  EXPECT_EQ(testing::internal::GetCapturedStderr(),
            file + ":4: error: unknown command 'nonsense'; try help\n" + file +
                ":7: error: the line is too long; expected at most 4096 bytes\n");
  EXPECT_TRUE(testing::internal::GetCapturedStdout().starts_with("{\n  \"epoch\": 1"));
  EXPECT_EQ(api_.changes, (std::vector<std::string>{"resync", "stop"}));
  std::filesystem::remove(file);
}

TEST_F(Clients, AFileWaitsForItsWaitAndEndsAtQuit) {
  const std::string file = path_ + ".cmd";
  std::ofstream(file) << "wait 5\nresync\nquit\nstop\n";
  bool left = false;
  auto console =
      Console::start(*server_->attach([&] { left = true; }), {.cmdline_file = file, .interactive = false});
  ASSERT_TRUE(turn_until([&] { return api_.waits.size() == 1; }));
  for (int i = 0; i < 10; ++i) loop_.turn(5ms);
  EXPECT_TRUE(api_.changes.empty());
  api_.waits[0].done({});
  EXPECT_TRUE(turn_until([&] { return left; }));
  EXPECT_EQ(api_.changes, std::vector<std::string>{"resync"});
  std::filesystem::remove(file);
}

TEST_F(Clients, AFileThatIsNoneIsSaidAtOnce) {
  const auto missing =
      Console::start(*server_->attach(nullptr), {.cmdline_file = "/nonexistent/x", .interactive = false});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().message, "cannot read /nonexistent/x: No such file or directory");
  EXPECT_FALSE(Console::start(*server_->attach(nullptr), {.cmdline_file = "/tmp", .interactive = false}));
}

// Neither a wait nor a reader that stalls keeps the console from ending.
TEST_F(Clients, AConsoleEndsWhenItIsTold) {
  const std::string file = path_ + ".cmd";
  std::ofstream(file) << "wait 1000\n";
  auto console = Console::start(*server_->attach(nullptr), {.cmdline_file = file, .interactive = false});
  ASSERT_TRUE(turn_until([&] { return api_.waits.size() == 1; }));
  const TimePoint before = Clock::now();
  console->reset();
  EXPECT_LT(Clock::now() - before, 900ms);
  std::filesystem::remove(file);
}

TEST_F(Clients, AConsoleWhoseOutputNobodyReadsStopsNobody) {
  for (int i = 0; i < 20000; ++i) api_.tunnel_views.push_back(api_.tunnel_views[0]);
  const std::string file = path_ + ".cmd";
  std::ofstream(file) << "show tunnels\nresync\n";
  int pipe[2];
  ASSERT_EQ(::pipe(pipe), 0);
  const UniqueFd stdout_before(::dup(STDOUT_FILENO)), unread(pipe[0]);
  ::dup2(pipe[1], STDOUT_FILENO);
  ::close(pipe[1]);
  auto console = Console::start(*server_->attach(nullptr), {.cmdline_file = file, .interactive = false});
  for (int i = 0; i < 50; ++i) loop_.turn(10ms);
  const Answer other = run("show mirror");
  const TimePoint before = Clock::now();
  console->reset();
  const auto took = Clock::now() - before;
  ::dup2(stdout_before.get(), STDOUT_FILENO);
  EXPECT_EQ(other.outcome, Outcome::ok);
  EXPECT_TRUE(api_.changes.empty());  // stuck in the first line
  EXPECT_LT(took, 900ms);
  std::filesystem::remove(file);
}

// Lines that the test gives it, told by an eventfd.
class TestStream : public control::Stream {
 public:
  struct Tap {
    std::string text;
    bool cut = false, gone = false;
    UniqueFd fd{::eventfd(0, EFD_NONBLOCK)};
    void say(const std::string& more) {
      text += more;
      ::eventfd_write(fd.get(), 1);
    }
  };
  explicit TestStream(Tap& tap) : tap_(tap) {}
  ~TestStream() override { tap_.gone = true; }
  std::string read() override {
    eventfd_t count;
    ::eventfd_read(tap_.fd.get(), &count);
    return std::exchange(tap_.text, "");
  }
  int fd() const override { return tap_.fd.get(); }
  bool ended() const override { return tap_.cut; }
  std::string reason() const override { return "cut"; }

 private:
  Tap& tap_;
};

class Monitored : public ShellTest {
 protected:
  void SetUp() override {
    api_.stream = std::make_unique<TestStream>(tap);
    ASSERT_TRUE(client.send("run monitor\n"));
    tap.say("link 1\n");
    expect("more 0\nmore 7\nlink 1\n");
  }
  void expect(const std::string& text) {
    EXPECT_TRUE(turn_until([&] { return client.received() == text || client.closed; })) << client.received();
    EXPECT_EQ(client.received(), text);
  }
  TestStream::Tap tap;
  RawClient client = attach();
};

TEST_F(Monitored, GoesOnUntilALineComes) {
  tap.say("link 2\n");
  expect("more 0\nmore 7\nlink 1\nmore 7\nlink 2\n");
  client.send("end\nrun show mirror json\n");
  EXPECT_TRUE(turn_until([&] { return client.received().find("\"epoch\"") != std::string::npos; }));
  EXPECT_TRUE(tap.gone);
}

TEST_F(Monitored, EndsWithTheSession) {
  client.hang_up();
  EXPECT_TRUE(turn_until([&] { return tap.gone; }));
}

TEST_F(Monitored, SaysThatItWasCut) {
  tap.cut = true;
  tap.say("");
  expect("more 0\nmore 7\nlink 1\nerror 3\ncut");
  EXPECT_TRUE(tap.gone);
}

// A client that does not read keeps its own lines waiting, and no more than one turn's of them in memory.
TEST_F(Monitored, TakesNoMoreThanIsRead) {
  const std::string much(8 << 20, 'x');
  tap.say(much);
  for (int i = 0; i < 100; ++i) loop_.turn(1ms);
  tap.say("late\n");
  for (int i = 0; i < 100; ++i) loop_.turn(1ms);
  EXPECT_EQ(tap.text, "late\n") << "taken though nobody reads";
  EXPECT_TRUE(turn_until([&] { return client.received().ends_with("late\n"); }));
}

}  // namespace
}  // namespace culvert::shell
