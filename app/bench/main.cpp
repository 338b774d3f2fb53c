// culvert-bench [EAL options] -- --list | NAME... [--json] [--runs N] [--eswitch ARGUMENTS | --ports
// UPLINK,TENANT]
#include <rte_eal.h>
#include <rte_lcore.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string_view>

#include "bench.hpp"
#include "switch_rig.hpp"

namespace culvert::bench {

namespace {

struct Request {
  bool list = false;
  bool json = false;
  unsigned runs = 5;
  SwitchDevice device;
  std::vector<std::string_view> names;
};

Result<Request> parse(std::span<char*> words) {
  Request request;
  request.json = isatty(STDOUT_FILENO) == 0;  // a program reads
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (word == "--list") {
      request.list = true;
    } else if (word == "--json") {
      request.json = true;
    } else if (word == "--runs") {
      const std::string_view value = i + 1 < words.size() ? words[++i] : "";
      const auto [end, fault] = std::from_chars(value.data(), value.data() + value.size(), request.runs);
      if (fault != std::errc() || end != value.data() + value.size() || request.runs == 0)
        return error("--runs '{}': give a number from 1 on", value);
    } else if (word == "--eswitch") {
      if (++i == words.size()) return error("--eswitch: give the switch's arguments, e.g. profile=mlx5");
      request.device.arguments = words[i];
    } else if (word == "--ports") {
      const std::string value = i + 1 < words.size() ? words[++i] : "";
      const size_t comma = value.find(',');
      if (comma == std::string::npos)
        return error("--ports '{}': give two ethdevs, the uplink and a tenant: UPLINK,TENANT", value);
      request.device.ports = {value.substr(0, comma), value.substr(comma + 1)};
    } else if (word.starts_with("-")) {
      return error(
          "{}: not an option; there are --list, --json, --runs N, --eswitch ARGUMENTS and --ports "
          "UPLINK,TENANT",
          word);
    } else {
      request.names.push_back(word);
    }
  }
  if (!request.list && request.names.empty()) return error("name a benchmark; --list tells which there are");
  return request;
}

Status run_one(const Benchmark& benchmark, const Request& request) {
  auto measured = benchmark.run(request.runs);
  if (!measured) return tl::make_unexpected(measured.error());
  std::vector<double>& values = measured->values;
  std::ranges::sort(values);
  const auto round = [](double value) { return std::stod(fmt::format("{:.1f}", value)); };
  const double median = round(values[values.size() / 2]);
  const std::string setup =
      fmt::format("{}; {}{}{}", benchmark.setup, measured->note, measured->note.empty() ? "" : "; ",
                  rte_eal_has_hugepages() != 0 ? "huge pages" : "4 KiB pages");
  if (request.json) {
    const nlohmann::ordered_json line{
        {"name", benchmark.name},     {"value", median}, {"unit", benchmark.unit},
        {"n", values.size()},         {"setup", setup},  {"min", round(values.front())},
        {"max", round(values.back())}};
    puts(line.dump().c_str());
  } else {
    fmt::print("{:<28} {:>8.1f} {} [{:.1f}-{:.1f}], {}\n", benchmark.name, median, benchmark.unit,
               values.front(), values.back(), setup);
  }
  fflush(stdout);
  return {};
}

Status run(const Request& request, const std::vector<Benchmark>& benchmarks) {
  for (const std::string_view name : request.names)
    if (std::ranges::find(benchmarks, name, &Benchmark::name) == benchmarks.end())
      return error("'{}': no such benchmark; --list tells which there are", name);
  if (rte_lcore_count() < 2) return error("a benchmark needs two lcores: e.g. -l 0,1");
  for (const std::string_view name : request.names)
    if (auto status = run_one(*std::ranges::find(benchmarks, name, &Benchmark::name), request); !status)
      return error("{}: {}", name, status.error().message);
  return {};
}

int run_program(int argc, char** argv) {
  std::span<char*> words(argv, static_cast<size_t>(argc));
  const auto separator = std::ranges::find(words, std::string_view("--"));
  const auto eal_words = static_cast<size_t>(separator - words.begin());
  auto request = parse(words.subspan(std::min(eal_words + 1, words.size())));
  if (separator == words.end() && words.size() == 2 && words[1] == std::string_view("--list"))
    request = Request{.list = true};
  if (!request) {
    fmt::print(stderr,
               "culvert-bench: {}\nusage: culvert-bench [EAL options] -- --list | NAME... [--json] [--runs "
               "N] [--eswitch ARGUMENTS | --ports UPLINK,TENANT]\n",
               request.error().message);
    return 2;
  }
  auto benchmarks = packet_path_benchmarks();
  std::ranges::move(flow_benchmarks(), std::back_inserter(benchmarks));
  std::ranges::move(path_benchmarks(), std::back_inserter(benchmarks));
  std::ranges::move(mirror_benchmarks(), std::back_inserter(benchmarks));
  std::ranges::move(fib_benchmarks(), std::back_inserter(benchmarks));
  std::ranges::move(rule_benchmarks(request ? request->device : SwitchDevice{}),
                    std::back_inserter(benchmarks));
  if (request->list) {
    for (const Benchmark& benchmark : benchmarks) puts(benchmark.name.c_str());
    return 0;
  }
  if (rte_eal_init(static_cast<int>(eal_words), argv) < 0) return 1;
  const Status status = run(*request, benchmarks);
  if (!status) fmt::print(stderr, "culvert-bench: {}\n", status.error().message);
  rte_eal_cleanup();
  return status ? 0 : 1;
}

}  // namespace

}  // namespace culvert::bench

int main(int argc, char** argv) { return culvert::bench::run_program(argc, argv); }
