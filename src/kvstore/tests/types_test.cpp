#include <gtest/gtest.h>

#include "kvstore/connection.h"
#include "kvstore/types.h"

namespace weft::kvstore {
namespace {

TEST(PrefixEnd, is_the_first_key_after_all_that_start_with_the_prefix) {
  EXPECT_EQ(prefix_end("cilium/state/"), "cilium/state0");
  EXPECT_EQ(prefix_end("a\xff"), "b");
  EXPECT_EQ(prefix_end("\xff\xff"), std::string(1, '\0'));
  EXPECT_EQ(prefix_end(""), std::string(1, '\0'));
}

TEST(ToError, a_change_of_users_underway_asks_for_another_try) {
  const auto code = [](grpc::StatusCode c, const char* text) {
    return to_error(grpc::Status(c, text), "https://here:2379").code;
  };
  EXPECT_EQ(code(grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: revision of auth store is old"), Errc::unavailable);
  EXPECT_EQ(code(grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: request is too large"), Errc::invalid);
  EXPECT_EQ(code(grpc::StatusCode::INVALID_ARGUMENT, "etcdserver: user name is empty"), Errc::unauthorized);
}

}  // namespace
}  // namespace weft::kvstore
