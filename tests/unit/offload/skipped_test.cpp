#include <gtest/gtest.h>

TEST(OffloadRules, OnTheEmbeddedSwitch) {
  GTEST_SKIP() << "drivers/net/eswitch was not built (no driver headers of DPDK): no rule is tried on it";
}
