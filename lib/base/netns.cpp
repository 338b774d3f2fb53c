#include "base/netns.hpp"

#include <fcntl.h>
#include <sched.h>

#include "base/c_handle.hpp"

namespace culvert {

Status in_netns(const std::string& netns, const std::function<Status()>& work) {
  if (netns.empty()) return work();

  const std::string path = netns.find('/') == std::string::npos ? "/run/netns/" + netns : netns;
  const UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!home) return error("cannot open this thread's network namespace: {}", errno_text(errno));
  const UniqueFd there(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!there) return error("network namespace {}: cannot open {}: {}", netns, path, errno_text(errno));
  if (::setns(there.get(), CLONE_NEWNET) != 0)
    return error("network namespace {}: {} is no network namespace or may not be entered: {}", netns, path,
                 errno_text(errno));
  Status result = work();
  if (::setns(home.get(), CLONE_NEWNET) != 0)
    return error("cannot return from network namespace {}: {}", netns, errno_text(errno));
  return result;
}

}  // namespace culvert
