// A benchmark: a name, and a function that gives one value a run.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace culvert::bench {

struct Benchmark {
  std::string name;   // its size is part of it: "vxlan_encap_l2.1000"
  std::string unit;   // of the values
  std::string setup;  // what is measured, for the reader of the figure
  // One value for each of `runs` runs.
  std::function<Result<std::vector<double>>(unsigned runs)> run;
};

// Those of the packet path. EAL must run before they do, with a lcore beside the main one.
std::vector<Benchmark> packet_path_benchmarks();
// Those of explicit flows, likewise.
std::vector<Benchmark> flow_benchmarks();

}  // namespace culvert::bench
