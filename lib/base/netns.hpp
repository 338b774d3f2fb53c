// Open sockets in another network namespace.
#pragma once

#include <functional>
#include <string>

#include "base/result.hpp"

namespace culvert {

// Runs `work` with the calling thread inside `netns` and comes back. `netns` is a name of `ip netns` or a
// path; empty: stays where it is. Sockets opened by `work` belong to that namespace for good. Any thread;
// `work` must not start threads that outlive it.
Status in_netns(const std::string& netns, const std::function<Status()>& work);

}  // namespace culvert
