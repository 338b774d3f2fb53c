// EAL for unit tests: no huge pages, no files, three lcores that any machine has.
#pragma once

#include <rte_eal.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

namespace culvert::testing {

// Once a process; later calls do nothing.
inline void start_eal() {
  static const bool started = [] {
    std::vector<std::string> words{"unit",
                                   "--lcores=0@0,1@0,2@0",
                                   "--no-huge",
                                   "-m",
                                   "256",
                                   "--no-pci",
                                   "--no-telemetry",
                                   "--no-shconf",
                                   "--log-level=4",
                                   "--file-prefix=culvert_unit_" + std::to_string(getpid())};
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0)
      throw std::runtime_error("EAL does not start");
    // EAL leaves its folder of run-time files behind.
    std::atexit([] { std::filesystem::remove_all(rte_eal_get_runtime_dir()); });
    return true;
  }();
  (void)started;
}

}  // namespace culvert::testing
