// All devices of this driver in the process. Probe, remove and close run one at a time (EAL's and ethdev's
// rule); a telemetry thread may look a device up meanwhile, so there is a lock.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace eswitch {

class Switch;

void remember_switch(std::unique_ptr<Switch> sw);
/// Stops and destroys it: its ports are closed.
void forget_switch(Switch& sw);
/// Calls `use` with the device of that name, which stays alive meanwhile. False: there is none.
bool with_switch(const std::string& name, const std::function<void(Switch&)>& use);
/// The names of all devices.
std::vector<std::string> switch_names();

}  // namespace eswitch
