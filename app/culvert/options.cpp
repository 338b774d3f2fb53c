#include "options.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

namespace culvert {

namespace {

struct Option {
  std::string_view name;
  std::string_view letter;  // empty: none
  std::string_view value;   // what it takes, for messages; empty: nothing
  void (*apply)(Options&, std::string value);
};

constexpr std::array<Option, 8> kOptions{{
    {"--config", "-c", "FILE", [](Options& o, std::string v) { o.config = std::move(v); }},
    {"--interactive", "-i", "", [](Options& o, std::string) { o.interactive = true; }},
    {"--cmdline-file", "", "FILE", [](Options& o, std::string v) { o.cmdline_file = std::move(v); }},
    {"--socket", "", "PATH", [](Options& o, std::string v) { o.socket = std::move(v); }},
    {"--record", "", "FILE", [](Options& o, std::string v) { o.record = std::move(v); }},
    {"--check", "", "", [](Options& o, std::string) { o.action = Options::Action::check; }},
    {"--version", "", "", [](Options& o, std::string) { o.action = Options::Action::version; }},
    {"--help", "-h", "", [](Options& o, std::string) { o.action = Options::Action::help; }},
}};

const Option* find(std::string_view argument) {
  const std::string_view name = argument.substr(0, argument.find('='));
  const auto found = std::ranges::find_if(kOptions, [&](const Option& option) {
    return name == option.name || (!option.letter.empty() && argument == option.letter);
  });
  return found == kOptions.end() ? nullptr : &*found;
}

using Arguments = std::vector<std::string>;

// Our own options: all that stands behind `--`.
Status apply(Options& options, Arguments::const_iterator argument, Arguments::const_iterator end) {
  for (; argument != end; ++argument) {
    const Option* option = find(*argument);
    if (option == nullptr) return error("unknown option '{}'; culvert -- --help lists them", *argument);
    const size_t equals = argument->find('=');
    std::optional<std::string> value;
    if (equals != std::string::npos) value = argument->substr(equals + 1);
    if (option->value.empty()) {
      if (value) return error("{} takes no value", option->name);
      option->apply(options, {});
      continue;
    }
    if (!value) {
      if (++argument == end)
        return error("{} needs a value: {} {}", option->name, option->name, option->value);
      value = *argument;
    }
    if (value->empty()) return error("{} needs a value: {} {}", option->name, option->name, option->value);
    option->apply(options, std::move(*value));
  }
  return {};
}

// Names a culvert option that stands where EAL's do. `-c` is EAL's core mask there, and `-h` and `-v` are
// EAL's too.
Status check_eal(const Arguments& eal) {
  for (size_t i = 1; i < eal.size(); ++i) {
    const Option* option = find(eal[i]);
    if (option == nullptr || eal[i] == "-c" || eal[i] == "-h") continue;
    return error("{} is culvert's own option and belongs after `--`: culvert [EAL options] -- {}{}{}", eal[i],
                 option->name, option->value.empty() ? "" : " ", option->value);
  }
  return {};
}

bool acts_alone(const Options& options) { return options.action != Options::Action::run; }

}  // namespace

Result<Options> parse_command_line(const std::vector<std::string>& argv) {
  Options options;
  const auto dashes = std::find(argv.begin(), argv.end(), "--");
  if (dashes == argv.end()) {
    // --version, --help and --check work without `--`.
    Options alone;
    const bool wanted = std::any_of(argv.begin() + 1, argv.end(), [](const std::string& argument) {
      return argument == "--version" || argument == "--help" || argument == "-h" || argument == "--check";
    });
    if (wanted) {
      const Status status = apply(alone, argv.begin() + 1, argv.end());
      if (status && acts_alone(alone)) return alone;
      if (!status) return tl::make_unexpected(status.error());
    }
  }
  options.eal.assign(argv.begin(), dashes);
  if (const Status status = check_eal(options.eal); !status) return tl::make_unexpected(status.error());
  if (dashes != argv.end()) {
    if (const Status status = apply(options, dashes + 1, argv.end()); !status)
      return tl::make_unexpected(status.error());
  }
  return options;
}

std::string socket_path(const Options& options) {
  if (!options.socket.empty()) return options.socket;
  std::string prefix = "rte";
  constexpr std::string_view kName = "--file-prefix";
  for (size_t i = 1; i < options.eal.size(); ++i) {
    const std::string& argument = options.eal[i];
    if (argument == kName && i + 1 < options.eal.size()) prefix = options.eal[i + 1];
    if (argument.starts_with("--file-prefix=")) prefix = argument.substr(kName.size() + 1);
  }
  return "/run/culvert/" + prefix + ".sock";
}

std::string usage() {
  return
      R"(culvert [EAL options] -- [options]
  -c, --config FILE        YAML (default /etc/culvert/culvert.yaml)
  -i, --interactive        shell on stdin and stdout
      --cmdline-file FILE  run these shell commands after start
      --socket PATH        shell socket (default /run/culvert/<EAL file prefix>.sock)
      --record FILE        write the kernel's netlink messages there, to be replayed (doc/mirror.md)
      --check              read the config, print each error as FILE:LINE:COL: message; touches no device
      --version, --help

EAL options come first, for example:
  culvert -l 0,1 --no-huge -m 512 --no-pci --vdev net_af_packet0,iface=veth0 -- -c culvert.yaml
DPDK's EAL lists its own with: culvert -h -- 
)";
}

}  // namespace culvert
