#include <gtest/gtest.h>

#include "base/log.h"
#include "tests/bpf/testbed.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (testing::GTEST_FLAG(list_tests)) return RUN_ALL_TESTS();
  weft::log::configure(weft::log::Level::warn, weft::log::Format::text);
  return weft::testing_bpf::run_in_sandbox([] { return RUN_ALL_TESTS(); }, std::chrono::seconds(110));
}
