// The driver's log type, pmd.net.eswitch.
#pragma once

#include <rte_log.h>

namespace eswitch {
extern int log_type;
}

#define ESWITCH_LOG(level, format, ...) \
  rte_log(RTE_LOG_##level, eswitch::log_type, "net_eswitch: " format "\n" __VA_OPT__(, ) __VA_ARGS__)
