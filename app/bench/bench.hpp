// A benchmark: a name, and a function that gives one value a run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace culvert::bench {

// One value for each run, and what is known of the setup only after them. Most have values alone.
struct Measured {
  Measured(std::vector<double> values_of = {}, std::string note_of = {})
      : values(std::move(values_of)), note(std::move(note_of)) {}

  std::vector<double> values;
  std::string note;
};

struct SwitchDevice;  // switch_rig.hpp

struct Benchmark {
  std::string name;   // its size is part of it: "vxlan_encap_l2.1000"
  std::string unit;   // of the values
  std::string setup;  // what is measured, for the reader of the figure
  std::function<Result<Measured>(unsigned runs)> run;
};

// Those of the packet path. EAL must run before they do, with a lcore beside the main one.
std::vector<Benchmark> packet_path_benchmarks();
// Those of explicit flows, likewise.
std::vector<Benchmark> flow_benchmarks();
// Those of the mirror, each in a network namespace of its own: root only.
std::vector<Benchmark> mirror_benchmarks();
// Those of path look-ups and of learning.
std::vector<Benchmark> path_benchmarks();
// Those of route look-ups.
std::vector<Benchmark> fib_benchmarks();
// Those of rules in the NIC: of `device`.
std::vector<Benchmark> rule_benchmarks(const SwitchDevice& device);

}  // namespace culvert::bench
