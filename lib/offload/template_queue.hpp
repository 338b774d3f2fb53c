// The async side of rule_queue.hpp.
#pragma once

#include <memory>

#include "offload/rule_queue.hpp"

namespace culvert::offload {

struct AsyncOptions {
  uint32_t operations = 1024;   // that the flow queue holds
  uint32_t counters = 1 << 18;  // of rules and shared ones; both are cut to what the driver has
};

// Makes the port async, with one flow queue: to be called by the control lcore when the port is configured
// and not yet started. Gives what the queue will hold. Error: the driver has no templates, or its words; the
// port stays classic.
Result<uint32_t> make_async(uint16_t port_id, const AsyncOptions& options = {});

// For a port that make_async() has made async; `operations` is what it gave. The queue destroys the rules
// that are left in it when it ends, and waits at most a second for that.
std::unique_ptr<RuleQueue> make_template_queue(uint16_t port_id, uint32_t operations);

}  // namespace culvert::offload
