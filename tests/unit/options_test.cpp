#include "options.hpp"

#include <gtest/gtest.h>

namespace culvert {
namespace {

Result<Options> parse(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "culvert");
  return parse_command_line(arguments);
}

TEST(Options, SplitsAtTheDashes) {
  const auto options = parse({"-l", "0,1", "-c", "0x3", "--", "-c", "a.yaml", "-i", "--socket=/tmp/s"});
  ASSERT_TRUE(options) << options.error().message;
  EXPECT_EQ(options->eal, (std::vector<std::string>{"culvert", "-l", "0,1", "-c", "0x3"}));
  EXPECT_EQ(options->config, "a.yaml");
  EXPECT_TRUE(options->interactive);
  EXPECT_EQ(options->socket, "/tmp/s");
  EXPECT_TRUE(options->record.empty());
  EXPECT_EQ(parse({"--", "--record", "file"})->record, "file");
}

TEST(Options, WorkAloneWithoutDashes) {
  EXPECT_EQ(parse({"--version"})->action, Options::Action::version);
  EXPECT_EQ(parse({"--help"})->action, Options::Action::help);
  const auto check = parse({"--check", "-c", "a.yaml"});
  EXPECT_EQ(check->action, Options::Action::check);
  EXPECT_EQ(check->config, "a.yaml");
  EXPECT_EQ(parse({"-l", "0", "--", "--check"})->action, Options::Action::check);
}

TEST(Options, ErrorsNameTheArgument) {
  struct Case {
    std::vector<std::string> arguments;
    std::string words;
  };
  const Case cases[] = {
      {{"--socket", "/tmp/s", "--"}, "--socket is culvert's own option and belongs after `--`"},
      {{"-i"}, "-i is culvert's own option"},
      {{"--cmdline-file=x", "-l", "0"}, "--cmdline-file=x is culvert's own option"},
      {{"--", "--nonsense"}, "unknown option '--nonsense'"},
      {{"--", "stray"}, "unknown option 'stray'"},
      {{"--", "--config"}, "--config needs a value"},
      {{"--", "--config="}, "--config needs a value"},
      {{"--record", "file", "-l", "0"}, "--record is culvert's own option"},
      {{"--", "--interactive=yes"}, "--interactive takes no value"},
  };
  for (const Case& test : cases) {
    const auto options = parse(test.arguments);
    ASSERT_FALSE(options) << test.words;
    EXPECT_NE(options.error().message.find(test.words), std::string::npos) << options.error().message;
  }
}

TEST(Options, SocketFollowsTheFilePrefix) {
  EXPECT_EQ(socket_path(*parse({})), "/run/culvert/rte.sock");
  EXPECT_EQ(socket_path(*parse({"--file-prefix", "gw", "--"})), "/run/culvert/gw.sock");
  EXPECT_EQ(socket_path(*parse({"--file-prefix=gw2"})), "/run/culvert/gw2.sock");
  EXPECT_EQ(socket_path(*parse({"--file-prefix=gw2", "--", "--socket", "x"})), "x");
}

}  // namespace
}  // namespace culvert
