#include <gmock/gmock.h>

#include "lab/controllers/catalog.h"
#include "lab/controllers/garbage.h"
#include "lab/controllers/tests/build.h"

namespace weft::lab::testing {
namespace {

using ::testing::ElementsAre;
using Act = GarbageVerdict::Act;

Owned node(const std::string& uid, std::vector<std::string> owners = {}, std::vector<std::string> finalizers = {},
           bool deleting = false) {
  Owned o{kube::kPods, {"shop", uid}, uid, "1", {}, std::move(finalizers), deleting};
  for (auto& u : owners) o.owners.push_back({"v1", "Pod", u, u, true});
  return o;
}

TEST(Garbage, an_object_goes_when_all_its_owners_are_gone) {
  OwnerGraph g;
  g.put(node("child", {"a", "b"}));
  g.put(node("a"));
  const Owned child = *g.by_uid("child");
  EXPECT_EQ(unknown_owners(g, child).size(), 1u);
  EXPECT_EQ(judge(g, child, {}).act, Act::keep);
  const auto cut = judge(g, child, {"b"});
  EXPECT_EQ(cut.act, Act::cut);
  EXPECT_THAT(cut.uids, ElementsAre("b"));
  g.drop(kube::kPods, {"shop", "a"});
  const auto gone = judge(g, child, {"a", "b"});
  EXPECT_EQ(gone.act, Act::remove);
  EXPECT_EQ(gone.propagation, "Background");
  EXPECT_EQ(judge(g, node("free"), {}).act, Act::keep);
}

TEST(Garbage, foreground_deletion_works_from_the_leaves) {
  OwnerGraph g;
  g.put(node("top", {}, {"foregroundDeletion"}, true));
  g.put(node("mid", {"top"}));
  g.put(node("leaf", {"mid"}));
  const auto top = judge(g, *g.by_uid("top"), {});
  EXPECT_EQ(top.act, Act::look_at_dependents);
  EXPECT_THAT(top.uids, ElementsAre("mid"));
  const auto mid = judge(g, *g.by_uid("mid"), {});
  EXPECT_EQ(mid.act, Act::remove);
  EXPECT_EQ(mid.propagation, "Foreground");
  EXPECT_EQ(judge(g, *g.by_uid("leaf"), {}).act, Act::keep);
  g.put(node("mid", {"top"}, {"foregroundDeletion"}, true));
  const auto leaf = judge(g, *g.by_uid("leaf"), {});
  EXPECT_EQ(leaf.act, Act::remove);
  EXPECT_EQ(leaf.propagation, "Background");
  g.drop(kube::kPods, {"shop", "leaf"});
  EXPECT_EQ(judge(g, *g.by_uid("mid"), {}).act, Act::release);
}

TEST(Garbage, orphaning_cuts_the_references_first) {
  OwnerGraph g;
  g.put(node("top", {}, {"orphan"}, true));
  g.put(node("child", {"top"}));
  const auto v = judge(g, *g.by_uid("top"), {});
  EXPECT_EQ(v.act, Act::orphan_dependents);
  EXPECT_THAT(v.uids, ElementsAre("child"));
  const auto patch = cut_patch(
      parse(R"({"metadata":{"uid":"child","resourceVersion":"5","ownerReferences":[{"uid":"top"},{"uid":"other"}]}})"),
      {"top"});
  EXPECT_EQ(json::serialize(patch),
            R"({"metadata":{"uid":"child","resourceVersion":"5","ownerReferences":[{"uid":"other"}]}})");
  EXPECT_EQ(json::serialize(finalizer_patch(node("x", {}, {"orphan", "mine"}), "orphan")),
            R"({"metadata":{"uid":"x","resourceVersion":"1","finalizers":["mine"]}})");
  EXPECT_EQ(json::serialize(finalizer_patch(node("x", {}, {"orphan"}), "orphan")),
            R"({"metadata":{"uid":"x","resourceVersion":"1","finalizers":null}})");
}

TEST(Garbage, a_name_used_again_is_another_object) {
  OwnerGraph g;
  Owned first = node("u1"), second = node("u2");
  second.name = first.name;
  g.put(first);
  g.put(node("child", {"u1"}));
  g.put(second);
  EXPECT_EQ(g.by_uid("u1"), nullptr);
  EXPECT_EQ(unknown_owners(g, *g.by_uid("child")).size(), 1u);
  EXPECT_EQ(g.by_name(kube::kPods, first.name)->uid, "u2");
}

TEST(Catalog, kinds_are_those_that_can_be_listed_watched_and_deleted) {
  const auto kinds = kinds_of(parse(R"({"groupVersion":"apps/v1","resources":[
    {"name":"deployments","kind":"Deployment","namespaced":true,"verbs":["create","delete","list","watch"]},
    {"name":"deployments/status","kind":"Deployment","namespaced":true,"verbs":["get"]},
    {"name":"reviews","kind":"Review","namespaced":false,"verbs":["create"]}]})"));
  ASSERT_EQ(kinds.size(), 1u);
  EXPECT_EQ(kinds[0], kube::kDeployments);
}

}  // namespace
}  // namespace weft::lab::testing
