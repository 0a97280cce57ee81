#include "lab/up/kubeconfig.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::string kOurs = R"(apiVersion: v1
kind: Config
clusters: [{name: cluster1, cluster: {server: "https://127.0.0.1:4001"}}]
users: [{name: cluster1-admin, user: {token: t}}]
contexts: [{name: cluster1, context: {cluster: cluster1, user: cluster1-admin}}]
current-context: cluster1
)";

const std::string kTheirs = R"(apiVersion: v1
kind: Config
clusters: [{name: work, cluster: {server: "https://work"}}, {name: cluster1, cluster: {server: "https://old"}}]
users: [{name: me, user: {token: x}}]
contexts: [{name: work, context: {cluster: work, user: me}}]
current-context: work
)";

TEST(Kubeconfig, merging_replaces_same_names_and_keeps_the_rest_and_the_current_context) {
  const auto m = merge_kubeconfig(kTheirs, kOurs);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_THAT(*m, HasSubstr("https://work"));
  EXPECT_THAT(*m, HasSubstr("https://127.0.0.1:4001"));
  EXPECT_THAT(*m, Not(HasSubstr("https://old")));
  EXPECT_THAT(*m, HasSubstr("current-context: work"));
}

TEST(Kubeconfig, merging_into_nothing_makes_our_context_the_current_one) {
  const auto m = merge_kubeconfig("", kOurs);
  ASSERT_TRUE(m) << m.error().message;
  EXPECT_THAT(*m, HasSubstr("current-context: cluster1"));
}

TEST(Kubeconfig, taking_out_leaves_what_was_there_before) {
  const auto m = merge_kubeconfig(kTheirs, kOurs);
  ASSERT_TRUE(m);
  const auto u = unmerge_kubeconfig(*m, kOurs);
  ASSERT_TRUE(u) << u.error().message;
  EXPECT_THAT(*u, HasSubstr("https://work"));
  EXPECT_THAT(*u, Not(HasSubstr("4001")));
  EXPECT_THAT(*u, Not(HasSubstr("cluster1")));
}

TEST(Kubeconfig, a_context_that_is_not_ours_any_more_stays) {
  const auto u = unmerge_kubeconfig(kTheirs, kOurs);
  ASSERT_TRUE(u);
  EXPECT_THAT(*u, HasSubstr("https://old"));
}

TEST(Kubeconfig, a_file_that_is_none_is_refused) {
  EXPECT_FALSE(merge_kubeconfig("- a\n- b\n", kOurs));
  EXPECT_FALSE(merge_kubeconfig("a: [", kOurs));
}

}  // namespace
}  // namespace weft::lab
