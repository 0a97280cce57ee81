#include <gtest/gtest.h>

#include "kvstore/types.h"

namespace weft::kvstore {
namespace {

TEST(PrefixEnd, is_the_first_key_after_all_that_start_with_the_prefix) {
  EXPECT_EQ(prefix_end("cilium/state/"), "cilium/state0");
  EXPECT_EQ(prefix_end("a\xff"), "b");
  EXPECT_EQ(prefix_end("\xff\xff"), std::string(1, '\0'));
  EXPECT_EQ(prefix_end(""), std::string(1, '\0'));
}

}  // namespace
}  // namespace weft::kvstore
