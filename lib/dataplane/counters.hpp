// What workers count. Each worker has its own set and is its only writer; the control lcore reads and sums.
#pragma once

#include <rte_common.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "dataplane/drop_reason.hpp"
#include "dataplane/ids.hpp"

namespace culvert::dataplane {

// One writer, any reader. Relaxed: a count orders nothing, and a plain load and store (no locked instruction)
// is enough for one writer.
class Counter {
 public:
  void add(uint64_t n = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
  }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }
  uint64_t read() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

struct TrafficCount {
  Counter packets, bytes;
};

// Worker writes, control reads. Aligned: no line is shared with another worker.
struct alignas(RTE_CACHE_LINE_SIZE) Counters {
  explicit Counters(size_t ports)
      : port_drops(ports), encaps(new TrafficCount[kMaxEncaps]), flows(new TrafficCount[kMaxFlows]) {}

  Counter rx, tx, forwarded, encapsulated, marked, decapsulated, exceptions, flooded, suppressed;
  Counter checksums_completed, checksums_unfinished, learn_dropped;
  Counter busy_permille;  // of the last measuring window
  std::array<Counter, kDropReasonCount> drops;
  std::vector<Counter> port_drops;         // by PortIndex
  std::unique_ptr<TrafficCount[]> encaps;  // by EncapId
  std::unique_ptr<TrafficCount[]> flows;   // by FlowId
};

}  // namespace culvert::dataplane
