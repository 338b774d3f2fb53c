#include <gtest/gtest.h>

#include "harness.hpp"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  eswitch_test::start_eal(argv[0]);
  return RUN_ALL_TESTS();
}
