#include "model/names.h"

#include <gtest/gtest.h>

#include "model/identity.h"

namespace weft {
namespace {

TEST(ClusterName, follows_the_naming_rule_and_says_how) {
  EXPECT_TRUE(validate_cluster_name("cluster1", 1));
  EXPECT_TRUE(validate_cluster_name("a", 1));
  for (const char* bad : {"", "-a", "a-", "A", "a_b", "a.b", "abcdefghijklmnopqrstuvwxyz0123456"}) {
    const auto r = validate_cluster_name(bad, 1);
    ASSERT_FALSE(r) << bad;
    EXPECT_NE(r.error().message.find("use "), std::string::npos);
  }
  EXPECT_FALSE(validate_cluster_name("default", 1));
  EXPECT_TRUE(validate_cluster_name("default", 0));
}

TEST(ClusterId, lies_between_one_and_the_maximum) {
  EXPECT_TRUE(validate_cluster_id(1, 255));
  EXPECT_TRUE(validate_cluster_id(255, 255));
  EXPECT_FALSE(validate_cluster_id(0, 255));
  EXPECT_FALSE(validate_cluster_id(256, 255));
  EXPECT_TRUE(validate_cluster_id(511, 511));
}

TEST(IdentityRange, carries_the_cluster_id_in_the_upper_bits) {
  EXPECT_TRUE(identity_range(7, 255).contains(459121));
  EXPECT_FALSE(identity_range(6, 255).contains(459121));
  EXPECT_EQ(identity_range(1, 255).first, 65536u);
  EXPECT_EQ(identity_range(1, 255).last, 131071u);
  EXPECT_EQ(identity_range(1, 511).last, 65535u);
}

// Maps of an earlier run hold tags: another computation would make an agent drop what a remote cluster gave it.
TEST(ClusterTag, is_the_same_for_ever_and_nobodys_but_this_clusters_is_zero) {
  EXPECT_EQ(cluster_tag(""), 0u);
  EXPECT_EQ(cluster_tag("a"), 0xe40c292cu);
  EXPECT_EQ(cluster_tag("foobar"), 0xbf9cf968u);
}

}  // namespace
}  // namespace weft
