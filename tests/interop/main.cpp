#include <gtest/gtest.h>

#include "tests/interop/harness/sandbox.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  return weft::interop::run_in_sandbox([] { return RUN_ALL_TESTS(); }, std::chrono::seconds(WEFT_INTEROP_SECONDS));
}
