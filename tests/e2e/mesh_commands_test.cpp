// What weft clustermesh's commands do to a mesh that is in use: connecting clusters of different certificate
// authorities, disconnecting one of two, disabling and enabling again, and a mesh store behind a load balancer.
#include <gmock/gmock.h>

#include <sstream>

#include "base/encoding.h"
#include "tests/e2e/mesh_joins.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class MeshCommands : public MeshJoins {
 protected:
  ::testing::AssertionResult knows(const std::string& cluster, const std::string& other) const {
    return eventually(40s, cluster + " has all of " + other, [&] {
      std::string seen;
      for (const auto& place : traces(cluster, other)) seen += place + " ";
      return Seen{seen == "backends identities nodes routes services ", seen};
    });
  }
};

TEST_F(MeshCommands, clusters_of_different_authorities_are_connected_when_the_flag_says_so) {
  ASSERT_TRUE(joined("cluster2"));
  if (!remote_file("stranger").empty()) {
    ASSERT_TRUE(disconnect("stranger").ok());
  }
  const auto refused = connect("stranger");
  EXPECT_EQ(refused.code, 1) << refused.describe();
  EXPECT_THAT(refused.err, AllOf(HasSubstr("❌ cluster1 and stranger have different certificate authorities, key ids "),
                                 HasSubstr("--allow-mismatching-ca"), HasSubstr("nothing was changed")))
      << refused.describe();
  EXPECT_THAT(refused.err, Not(HasSubstr("cluster.id"))) << "nothing else is in the way\n" << refused.describe();
  EXPECT_EQ(remote_file("stranger"), "");

  const auto r = connect("stranger", {"--allow-mismatching-ca"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(r.out, HasSubstr("✅ Connected cluster cluster1 <=> stranger!")) << r.describe();
  EXPECT_TRUE(is_well("cluster1", {"cluster2", "stranger"}));
  EXPECT_TRUE(is_well("cluster2", {"cluster1"}));
  EXPECT_TRUE(is_well("stranger", {"cluster1"}));
  EXPECT_TRUE(answered_by("cluster1", {"cluster1", "cluster2", "stranger"}));
  EXPECT_TRUE(answered_by("stranger", {"cluster1", "stranger"}));
  EXPECT_TRUE(answered_by("cluster2", {"cluster1", "cluster2"})) << "to whom cluster1 is connected is its own affair";
}

TEST_F(MeshCommands, who_is_disconnected_is_gone_everywhere_and_the_others_notice_nothing) {
  ASSERT_TRUE(joined("cluster2"));
  ASSERT_TRUE(joined("stranger"));
  ASSERT_TRUE(is_well("cluster1", {"cluster2", "stranger"}));
  for (const char* remote : {"cluster2", "stranger"}) ASSERT_TRUE(knows("cluster1", remote));
  const auto before = session("cluster1", "stranger");

  const auto r = disconnect("cluster2");
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(r.out, HasSubstr("✅ Disconnected clusters cluster1 <x> cluster2!")) << r.describe();
  EXPECT_EQ(remote_file("cluster2"), "");
  EXPECT_TRUE(is_well("cluster1", {"stranger"}));
  EXPECT_TRUE(is_well("cluster2", {}));
  for (const auto& [cluster, other] : {std::pair{"cluster1", "cluster2"}, std::pair{"cluster2", "cluster1"}}) {
    EXPECT_TRUE(eventually(10s, std::string(cluster) + " has forgotten " + other, [&] {
      std::string left;
      for (const auto& place : traces(cluster, other)) left += place + " ";
      return Seen{left.empty(), left};
    }));
  }
  EXPECT_TRUE(answered_by("cluster1", {"cluster1", "stranger"}));
  EXPECT_TRUE(answered_by("cluster2", {"cluster2"}));
  EXPECT_EQ(session("cluster1", "stranger"), before) << "the connection to stranger was made anew";

  const auto again = connect("cluster2");
  ASSERT_TRUE(again.ok()) << again.describe();
  EXPECT_TRUE(is_well("cluster1", {"cluster2", "stranger"}));
  EXPECT_TRUE(answered_by("cluster1", {"cluster1", "cluster2", "stranger"}));
  EXPECT_TRUE(answered_by("cluster2", {"cluster1", "cluster2"}));
  EXPECT_EQ(session("cluster1", "stranger"), before) << "the connection to stranger was made anew";
}

TEST_F(MeshCommands, a_cluster_that_disables_its_mesh_says_so_and_the_others_say_why_it_is_away) {
  ASSERT_TRUE(joined("cluster2"));
  ASSERT_TRUE(joined("stranger"));
  // Objects of cluster2 that are there for its mesh store.
  const auto left = [&] {
    std::string out;
    std::istringstream names(
        lab.kubectl("cluster2", {"-n", "kube-system", "get",
                                 "deployments,pods,services,endpointslices,configmaps,secrets,serviceaccounts,"
                                 "clusterroles,clusterrolebindings",
                                 "-o", "name"})
            .out);
    for (std::string name; names >> name;)
      if (name.find("clustermesh-") != std::string::npos) out += name + "\n";
    return out;
  };
  for (const char* kind : {"deployment.apps/", "pod/", "service/", "configmap/", "secret/", "serviceaccount/"})
    ASSERT_THAT(left(), HasSubstr(std::string(kind) + "clustermesh-"));

  const auto r = mesh("cluster2", {"disable"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(r.out, HasSubstr("✅ Cluster mesh is disabled in cluster2")) << r.describe();
  EXPECT_THAT(r.err, HasSubstr("cluster1 stays configured here; weft clustermesh disconnect takes it away on both"))
      << r.describe();
  // With which its agents go on reading cluster1.
  const std::string stays = "secret/clustermesh-apiserver-remote-cert\n";
  EXPECT_TRUE(eventually(30s, "nothing of the mesh store is left in cluster2", [&] {
    const auto objects = left();
    const auto listening = on_node("cluster2", {"ss", "-ltnH", "sport = :32379"}).out;
    return Seen{objects == stays && listening.empty(), objects + listening};
  }));
  EXPECT_TRUE(says("cluster2", {"❌ Cluster Mesh: not enabled; run weft clustermesh enable --context cluster2\n"}));
  // That its store is away says nothing about its pods.
  EXPECT_TRUE(answered_by("cluster1", {"cluster1", "cluster2", "stranger"}));
  const auto restarted = lab.kubectl("cluster2", {"-n", "kube-system", "delete", "pod", "-l", "k8s-app=weft"}, {}, 60s);
  ASSERT_THAT(restarted.out, HasSubstr(" deleted\n")) << restarted.describe();
  EXPECT_TRUE(knows("cluster2", "cluster1")) << "a new agent reads cluster1 as the one before did";
  EXPECT_TRUE(answered_by("cluster2", {"cluster1", "cluster2"}));
  const auto no_store = connect("cluster2");
  EXPECT_EQ(no_store.code, 1) << no_store.describe();
  EXPECT_THAT(no_store.err, HasSubstr("cluster2: the cluster mesh is not enabled (no Service clustermesh-apiserver); "
                                      "run weft clustermesh enable --context cluster2"))
      << no_store.describe();

  // While all is well agents look every half a minute; a file that is written anew makes them look at once.
  const auto touched = lab.kubectl(
      "cluster1", {"-n", "kube-system", "patch", "secret", "cilium-clustermesh", "--type=merge", "-p",
                   R"({"data":{"cluster2":")" + base64_encode(remote_file("cluster2") + "# again\n") + R"("}})"});
  ASSERT_TRUE(touched.ok()) << touched.describe();
  EXPECT_TRUE(says("cluster1", {"❌ Cluster Mesh: remote clusters are not ready\n", " - cluster2: not ready, 0 of 1",
                                "cluster cluster1 cannot reach cluster cluster2", ":32379"}));

  const auto back = mesh("cluster2", {"enable", "--wait", "--wait-duration", "60s"});
  ASSERT_TRUE(back.ok()) << back.describe();
  EXPECT_THAT(back.out, HasSubstr("✅ Cluster mesh is enabled in cluster2 (service type NodePort), the mesh store is"))
      << back.describe();
  EXPECT_TRUE(is_well("cluster2", {"cluster1"}));
  EXPECT_TRUE(is_well("cluster1", {"cluster2", "stranger"}));
  EXPECT_TRUE(answered_by("cluster1", {"cluster1", "cluster2", "stranger"}));
  EXPECT_TRUE(answered_by("cluster2", {"cluster1", "cluster2"}));
}

// Nobody gives addresses in the lab: the test is the one who does, and forwards them as a load balancer would.
class MeshCommandsLoadBalancer : public MeshCommands {
 protected:
  static constexpr auto kAddress = "172.18.4.200";
  void TearDown() override {
    node("nft delete table ip e2e_lb; ip address delete 172.18.4.200/32 dev lo; true");
    const auto r = mesh("stranger", {"enable", "--service-type", "NodePort", "--wait", "--wait-duration", "60s"});
    EXPECT_TRUE(r.ok()) << r.describe();
    const auto again = connect("stranger", {"--allow-mismatching-ca"});
    EXPECT_TRUE(again.ok()) << again.describe();
    EXPECT_THAT(remote_file("stranger"), AllOf(HasSubstr(":32379\n"), Not(HasSubstr(kAddress))));
  }
  void node(const std::string& script) const {
    const auto r = on_node("stranger", {"sh", "-c", script});
    EXPECT_TRUE(r.ok()) << r.describe();
  }
};

TEST_F(MeshCommandsLoadBalancer, a_load_balancers_address_is_waited_for_and_then_used) {
  ASSERT_TRUE(joined("stranger"));
  const auto before = remote_file("stranger");
  const std::string none =
      "stranger: Service clustermesh-apiserver of type LoadBalancer has no address yet; wait for one, or run weft "
      "clustermesh enable --context stranger --service-type NodePort";
  const auto waited = mesh("stranger", {"enable", "--service-type", "LoadBalancer", "--wait", "--wait-duration", "2s"});
  EXPECT_EQ(waited.code, 1) << waited.describe();
  EXPECT_THAT(waited.err, AllOf(HasSubstr("Nothing is known to give LoadBalancer addresses here"), HasSubstr(none)))
      << waited.describe();
  EXPECT_TRUE(says("stranger", {"❌ Cluster Mesh: " + none}));
  const auto refused = connect("stranger", {"--allow-mismatching-ca"});
  EXPECT_EQ(refused.code, 1) << refused.describe();
  EXPECT_THAT(refused.err, HasSubstr(none)) << refused.describe();
  EXPECT_EQ(remote_file("stranger"), before) << "what works is left alone";

  node(
      "ip address add 172.18.4.200/32 dev lo && nft add table ip e2e_lb && "
      "nft 'add chain ip e2e_lb in { type nat hook prerouting priority dstnat; }' && "
      "nft add rule ip e2e_lb in ip daddr 172.18.4.200 tcp dport 2379 redirect to :32379");
  const auto patched = lab.kubectl(
      "stranger",
      {"-n", "kube-system", "patch", "service", "clustermesh-apiserver", "--subresource=status", "--type=merge", "-p",
       std::string(R"({"status":{"loadBalancer":{"ingress":[{"ip":")") + kAddress + R"("}]}}})"});
  ASSERT_TRUE(patched.ok()) << patched.describe();
  const auto r = connect("stranger", {"--allow-mismatching-ca"});
  ASSERT_TRUE(r.ok()) << r.describe();
  EXPECT_THAT(remote_file("stranger"),
              AllOf(HasSubstr(std::string("- https://") + kAddress + ":2379\n"), Not(HasSubstr(":32379"))));
  EXPECT_TRUE(is_well("cluster1", {"cluster2", "stranger"}));
  EXPECT_THAT(mesh("stranger", {"status"}).out,
              HasSubstr(std::string("stranger (id 4) is reached at ") + kAddress + ":2379 (LoadBalancer)"));
  // The agent was well by the old address too, and takes the new one when its file says so.
  EXPECT_TRUE(eventually(40s, "the agent of cluster1 reads stranger by the balancer's address", [&] {
    const auto connection = on_node("cluster1", {"ss", "-tnH", "state", "established", "dst", kAddress});
    return Seen{connection.out.find(":2379") != std::string::npos, connection.describe()};
  }));
}

}  // namespace
}  // namespace weft::e2e
