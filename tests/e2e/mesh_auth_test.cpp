// clustermesh.apiserver.tls.authMode, from one mode to the next as an operator goes: as whom a cluster comes to the
// others' mesh stores, and whom its own lets in (cilium-compat section 1.15).
#include <gmock/gmock.h>

#include <sstream>

#include "tests/e2e/harness/etcd_store.h"
#include "tests/e2e/mesh_joins.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;

class MeshAuth : public MeshJoins {
 protected:
  // Where a failure left it.
  void TearDown() override {
    if (!HasFailure()) return;
    EXPECT_TRUE(mode("migration", {"cluster1", "cluster2"}));
    EXPECT_TRUE(joined("cluster2"));
  }

  ::testing::AssertionResult mode(const std::string& value, const std::vector<std::string>& clusters) const {
    std::vector<Argv> upgrades;
    for (const auto& c : clusters)
      upgrades.push_back({"upgrade", "--context", c, "--set", "clustermesh.apiserver.tls.authMode=" + value});
    return Strangers::get().together(upgrades);
  }

  std::string users_named(const std::string& cluster) const {
    return lab
        .kubectl(cluster, {"-n", "kube-system", "get", "configmap", "clustermesh-remote-users", "-o",
                           "jsonpath={.data.users\\.yaml}"})
        .out;
  }

  // The users of a cluster's mesh store that others can come as; those of the cluster itself are always there.
  ::testing::AssertionResult lets_in(const std::string& cluster, const std::set<std::string>& wanted) const {
    const MeshStore store(lab, cluster, {}, {.cluster = cluster, .secret = "clustermesh-apiserver-admin-cert"});
    return eventually(30s, "the users of the mesh store of " + cluster + " are as they should be", [&] {
      const auto r = store.etcdctl({"user", "list"});
      std::set<std::string> users;
      std::istringstream names(r.out);
      for (std::string name; names >> name;) users.insert(name);
      std::set<std::string> all{"root", "admin-" + cluster, "local-" + cluster};
      all.insert(wanted.begin(), wanted.end());
      users.erase("remote-stranger");  // whether it is connected is another test's affair
      return Seen{r.ok() && users == all, r.describe()};
    });
  }

  // Reading from the store of `cluster` with the certificate that agents of `as` present.
  Output read(const std::string& cluster, const std::string& as) const {
    return MeshStore(lab, cluster, {}, {.cluster = as})
        .etcdctl({"get", "--keys-only", "cilium/cluster-config/" + cluster});
  }
  ::testing::AssertionResult reads(const std::string& cluster, const std::string& as) const {
    return eventually(30s, as + " reads from the store of " + cluster, [&] {
      const auto r = read(cluster, as);
      return Seen{r.ok() && r.out.find("cilium/cluster-config/" + cluster) != std::string::npos, r.describe()};
    });
  }
  ::testing::AssertionResult refused_to_read(const std::string& cluster, const std::string& as) const {
    const auto r = read(cluster, as);
    if (!r.ok() && r.err.find("permission denied") != std::string::npos) return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << r.describe();
  }
  ::testing::AssertionResult ready(const std::string& context, const std::string& other) const {
    return eventually(60s, context + " is connected to " + other, [&] {
      const auto s = mesh(context, {"status"});
      return Seen{s.out.find(" - " + other + ": ready") != std::string::npos, s.describe()};
    });
  }
};

TEST_F(MeshAuth, each_mode_lets_in_and_presents_whom_it_says_and_a_mesh_goes_through_all_of_them) {
  ASSERT_TRUE(joined("cluster2"));
  // What the chart has when nobody says otherwise.
  if (users_named("cluster1").find("name: remote-cluster2\n") == std::string::npos) {
    ASSERT_TRUE(mode("migration", {"cluster1", "cluster2"}));
  }
  EXPECT_TRUE(lets_in("cluster1", {"remote", "remote-cluster2"}));
  EXPECT_TRUE(lets_in("cluster2", {"remote", "remote-cluster1"}));

  // One after the other: who has gone on already gets in, who has not is told why not.
  ASSERT_TRUE(mode("cluster", {"cluster1"}));
  EXPECT_TRUE(lets_in("cluster1", {"remote-cluster2"}));
  EXPECT_TRUE(reads("cluster2", "cluster1"));
  EXPECT_TRUE(refused_to_read("cluster1", "cluster2")) << "it still comes as \"remote\"";
  const auto restarted =
      lab.kubectl("cluster1", {"-n", "kube-system", "rollout", "restart", "deployment/clustermesh-apiserver"});
  ASSERT_TRUE(restarted.ok()) << restarted.describe();
  EXPECT_TRUE(
      says("cluster2", {" - cluster1: not ready", "does not let cluster cluster2 read", "has no user for our"}));
  EXPECT_TRUE(ready("cluster1", "cluster2"));
  EXPECT_TRUE(answered_by("cluster2", {"cluster1", "cluster2"})) << "what it knew of cluster1 stays";

  ASSERT_TRUE(mode("cluster", {"cluster2"}));
  EXPECT_TRUE(ready("cluster2", "cluster1"));
  EXPECT_TRUE(ready("cluster1", "cluster2"));
  EXPECT_TRUE(reads("cluster1", "cluster2"));

  // Only here leaving means that the door is shut.
  const auto left = disconnect("cluster2");
  ASSERT_TRUE(left.ok()) << left.describe();
  EXPECT_THAT(left.err, AllOf(HasSubstr("cluster1: who is disconnected can ask its mesh store for nothing more"),
                              HasSubstr("cluster2: who is disconnected can ask its mesh store for nothing more")))
      << left.describe();
  EXPECT_TRUE(lets_in("cluster1", {}));
  EXPECT_TRUE(lets_in("cluster2", {}));
  EXPECT_TRUE(refused_to_read("cluster1", "cluster2"));

  // And back, to what there was before; in which a mesh lives as well.
  ASSERT_TRUE(mode("legacy", {"cluster1", "cluster2"}));
  const auto again = connect("cluster2");
  ASSERT_TRUE(again.ok()) << again.describe();
  EXPECT_TRUE(lets_in("cluster1", {"remote"}));
  EXPECT_TRUE(reads("cluster1", "cluster2")) << "everybody is \"remote\"";
  EXPECT_TRUE(ready("cluster1", "cluster2"));
  EXPECT_TRUE(ready("cluster2", "cluster1"));
}

}  // namespace
}  // namespace weft::e2e
