#include "registry.hpp"

#include <algorithm>
#include <mutex>

#include "switch.hpp"

namespace eswitch {
namespace {

std::mutex registry_lock;
std::vector<std::unique_ptr<Switch>> registry;  // under registry_lock

}  // namespace

void remember_switch(std::unique_ptr<Switch> sw) {
  const std::lock_guard guard(registry_lock);
  registry.push_back(std::move(sw));
}

void forget_switch(Switch& sw) {
  std::unique_ptr<Switch> gone;
  {
    const std::lock_guard guard(registry_lock);
    const auto at =
        std::find_if(registry.begin(), registry.end(), [&](const auto& held) { return held.get() == &sw; });
    if (at == registry.end()) return;
    gone = std::move(*at);
    registry.erase(at);
  }
  gone.reset();
}

bool with_switch(const std::string& name, const std::function<void(Switch&)>& use) {
  const std::lock_guard guard(registry_lock);
  for (const auto& sw : registry) {
    if (sw->name != name) continue;
    use(*sw);
    return true;
  }
  return false;
}

std::vector<std::string> switch_names() {
  const std::lock_guard guard(registry_lock);
  std::vector<std::string> names;
  for (const auto& sw : registry) names.push_back(sw->name);
  return names;
}

}  // namespace eswitch
