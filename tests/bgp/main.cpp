#include <gtest/gtest.h>

#include "base/log.h"

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  weft::log::configure(weft::log::Level::error, weft::log::Format::text);
  return RUN_ALL_TESTS();
}
