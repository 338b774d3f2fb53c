// wait, reload, help, quit, shutdown.
#include <charconv>
#include <chrono>

#include "base/near_match.hpp"
#include "shell/command.hpp"
#include "shell/grammar.hpp"
#include "shell/names.hpp"

namespace culvert::shell {
namespace {

constexpr double kDefaultWaitSeconds = 10;
constexpr double kLongestWaitSeconds = 86400;

Result<double> parse_seconds(const std::string& text) {
  double seconds = 0;
  const char* end = text.data() + text.size();
  const auto [stop, code] = std::from_chars(text.data(), end, seconds);
  if (code != std::errc{} || stop != end || seconds < 0 || seconds > kLongestWaitSeconds)
    return error("'{}' is no number of seconds from 0 to {}", text, kLongestWaitSeconds);
  return seconds;
}

void wait(control::Api& api, const Args& args, const Reply& reply) {
  const auto word = args.get("SECONDS");
  const auto seconds = word ? parse_seconds(*word) : kDefaultWaitSeconds;
  if (!seconds) return reply({Outcome::error, seconds.error().message});
  const auto tunnel = args.get("TUNNEL");
  if (tunnel)
    if (const auto status = check_name("tunnel", api.tunnels(), *tunnel); !status)
      return reply(answer(status));
  const auto time = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(*seconds));
  api.wait(Clock::now() + time, tunnel, [reply](Status status) { reply(answer(status)); });
}

void reload(control::Api& api, const Args&, const Reply& reply) {
  api.reload([reply](const Status& status) { reply(answer(status)); });
}

std::string help_of_all() {
  size_t width = 0;
  for (const Command& command : all_commands()) width = std::max(width, command.syntax.size());
  std::string text;
  for (const Command& command : all_commands())
    text += fmt::format("{:<{}}  {}\n", command.syntax, width, command.summary);
  return text;
}

// The first words of a syntax, up to its arguments.
std::vector<std::string> own_words(const Command& command) {
  auto words = split_words(command.syntax);
  const auto is_own = [](const std::string& word) { return word[0] >= 'a' && word[0] <= 'z'; };
  words.erase(std::find_if_not(words.begin(), words.end(), is_own), words.end());
  return words;
}

Answer help(control::Api&, const Args& args) {
  std::vector<std::string> asked, known;
  for (const auto& [name, word] : args.words)
    if (name == "COMMAND") asked.push_back(word);
  if (asked.empty()) return {Outcome::ok, help_of_all()};

  std::string text;
  for (const Command& command : all_commands()) {
    const auto words = own_words(command);
    known.push_back(fmt::format("{}", fmt::join(words, " ")));
    if (asked.size() > words.size() || !std::equal(asked.begin(), asked.end(), words.begin())) continue;
    text += fmt::format("{}\n    {}\n    {}\n", command.syntax, command.summary, command.explanation);
  }
  if (!text.empty()) return {Outcome::ok, text};
  const std::string wanted = fmt::format("{}", fmt::join(asked, " "));
  return failure("there is no command '{}'; {}try help", wanted, did_you_mean(wanted, known));
}

Answer quit(control::Api&, const Args&) { return {Outcome::bye, ""}; }

void shutdown(control::Api& api, const Args&, const Reply& reply) {
  reply({Outcome::bye, ""});  // first, while there is someone to send it
  api.shutdown();
}

constexpr Command kCommands[] = {
    {"wait [SECONDS] [tunnel TUNNEL]", "until everything said so far is applied",
     "All that the kernel has queued and the shell has said so far is applied, and with a tunnel: it is "
     "resolved. "
     "An error after SECONDS (10, at most 86400).",
     wait},
    {"reload", "read the configuration again and apply what is new in it",
     "What stays the same is not touched, and what the shell has made stays. With an error everything stays. "
     "Other "
     "ports, or another kernel, need a restart. SIGHUP does the same.",
     reload},
    {"help [COMMAND ...]", "this list, or a command's syntax and explanation",
     "COMMAND may be the first words only: `help show`.", at_once<help>},
    {"quit", "leave this session",
     "In the shell of `culvert -i` it stops culvert; in a file of commands it ends the file.", at_once<quit>},
    {"shutdown", "stop culvert", "From any session.", shutdown},
};

}  // namespace

std::span<const Command> control_commands() { return kCommands; }

}  // namespace culvert::shell
