#include "base/tests/free_port.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>

namespace weft::testing {
namespace {

TEST(FreePort, is_never_given_twice) {
  // Of so many that the kernel alone would give some of them again.
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 2'000; ++i) EXPECT_TRUE(ports.insert(free_port()).second);
}

}  // namespace
}  // namespace weft::testing
