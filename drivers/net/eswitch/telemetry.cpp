// DPDK telemetry: /net_eswitch/list, /net_eswitch/faults,DEVICE[,KEY=VALUE] and /net_eswitch/remove,PORT.
#include <rte_telemetry.h>

#include <string>

#include "registry.hpp"
#include "switch.hpp"

namespace eswitch {
namespace {

int list(const char*, const char*, rte_tel_data* data) {
  rte_tel_data_start_array(data, RTE_TEL_STRING_VAL);
  for (const std::string& name : switch_names()) rte_tel_data_add_array_string(data, name.c_str());
  return 0;
}

/// Sets one thing, if one is given, and answers with all settings. An unknown device, key or value is an
/// error.
int faults(const char*, const char* params, rte_tel_data* data) {
  const std::string text = params != nullptr ? params : "";
  const size_t comma = text.find(',');
  std::string settings;
  bool good = true;
  const bool found = with_switch(text.substr(0, comma), [&](Switch& sw) {
    if (comma != std::string::npos) {
      const std::string setting = text.substr(comma + 1);
      const size_t equals = setting.find('=');
      good =
          equals != std::string::npos && sw.faults.set(setting.substr(0, equals), setting.substr(equals + 1));
    }
    settings = sw.faults.text();
  });
  if (!found) return -ENODEV;
  if (!good) return -EINVAL;
  rte_tel_data_start_dict(data);
  rte_tel_data_add_dict_string(data, "settings", settings.c_str());
  return 0;
}

/// An unknown port is an error.
int remove(const char*, const char* params, rte_tel_data* data) {
  const std::string name = params != nullptr ? params : "";
  bool found = false;
  with_switch(name.substr(0, name.find("_rep")), [&](Switch& sw) {
    const std::lock_guard guard(sw.lock);  // no port is closed meanwhile
    for (const auto& port : sw.ports) {
      if (port->closed || name != port->data().name) continue;
      port->remove();
      found = true;
    }
  });
  if (!found) return -ENODEV;
  rte_tel_data_start_dict(data);
  rte_tel_data_add_dict_string(data, "removed", name.c_str());
  return 0;
}

RTE_INIT(register_telemetry) {
  rte_telemetry_register_cmd("/net_eswitch/list", list,
                             "Names of the embedded switches. Takes no parameters");
  rte_telemetry_register_cmd(
      "/net_eswitch/faults", faults,
      "Shows or sets faults. Parameters: DEVICE[,KEY=VALUE]; KEY rules, latency_us, tx_delay_us, fail");
  rte_telemetry_register_cmd("/net_eswitch/remove", remove,
                             "Takes a port away, as if its device was pulled out. Parameters: PORT");
}

}  // namespace
}  // namespace eswitch
