// routingMode: native. Nodes of a cluster are neighbours and route to each other's pods; between the clusters the
// fabric knows the way, which the lab's routers were told. No tunnel, no NAT.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include "tests/e2e/harness/mesh.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using ::testing::Not;

class NativeTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    Mesh::install_with({"--set", "routingMode=native"});
    Mesh::get();
  }
  Mesh& mesh = Mesh::get();
};

TEST_F(NativeTest, nodes_have_no_tunnel_and_route_to_their_neighbours_alone) {
  for (const auto& cluster : kBothClusters) {
    const std::string own = cluster == "cluster1" ? "10.1." : "10.2.";
    const std::string other = cluster == "cluster1" ? "10.2." : "10.1.";
    for (int node = 1; node <= 3; ++node) {
      const auto link = mesh.on_node(cluster, node, {"ip", "link", "show", "weft_vxlan"});
      EXPECT_NE(link.code, 0) << link.describe();
      const auto routes = mesh.on_node(cluster, node, {"ip", "route", "show", "proto", "214"});
      ASSERT_TRUE(routes.ok()) << routes.describe();
      EXPECT_THAT(routes.out, HasSubstr(own)) << routes.describe();
      EXPECT_THAT(routes.out, HasSubstr(" via 172.18.")) << "the two neighbours\n" << routes.describe();
      EXPECT_THAT(routes.out, Not(HasSubstr(other))) << "the fabric's business\n" << routes.describe();
      const auto routes6 = mesh.on_node(cluster, node, {"ip", "-6", "route", "show", "proto", "214"});
      EXPECT_THAT(routes6.out, HasSubstr(" via fd00:18:")) << routes6.describe();
    }
  }
}

TEST_F(NativeTest, pods_reach_each_other_across_nodes_and_clusters_under_their_own_addresses) {
  for (const auto& from : kBothClusters) {
    const auto client = mesh.pods(from, {"client"});
    ASSERT_EQ(client.size(), 1u);
    ASSERT_EQ(client[0].ips.size(), 2u);
    for (const auto& to : kBothClusters) {
      const auto servers = mesh.pods(to, {"-l", "app=api-server"});
      ASSERT_EQ(servers.size(), 2u);
      int elsewhere = 0;
      for (const auto& server : servers) {
        elsewhere += server.node == client[0].node ? 0 : 1;
        ASSERT_EQ(server.ips.size(), 2u) << "both families";
        for (const auto& ip : server.ips)
          EXPECT_THAT(mesh.seen_source(from, ip), HasSubstr("\"" + client[0].same_family(ip)))
              << "from " << from << " on " << client[0].node << " to " << ip << " of " << to << " on " << server.node;
      }
      EXPECT_GE(elsewhere, 1) << "no pair of pods on different nodes was tried";
    }
  }
}

TEST_F(NativeTest, the_global_service_is_answered_by_both_clusters) {
  for (const auto& from : kBothClusters)
    for (const Argv& target : {Argv{"-4", mesh.url()}, Argv{"-6", mesh.url()}})
      EXPECT_TRUE(mesh.both_answer(from, target));
}

TEST_F(NativeTest, pods_reach_the_outside_under_their_nodes_address_all_the_same) {
  Background server(mesh.lab().exec_argv("client", {"weft-lab-echo", "--port", "8099"}), mesh.lab().env());
  std::string said;
  EXPECT_TRUE(eventually(20s, "the outside host answers a pod", [&] {
    const auto r =
        mesh.lab().exec("cluster1/client", {"curl", "-s", "-m", "2", "http://172.18.9.10:8099/"}, 10s, "shop");
    said = r.out;
    return Seen{r.ok() && !r.out.empty(), r.describe()};
  }));
  EXPECT_THAT(said, HasSubstr("172.18.1.1")) << "one of the nodes, 172.18.1.11 to .13";
  EXPECT_THAT(said, Not(HasSubstr("\"10.1.")));
}

TEST_F(NativeTest, a_service_that_no_node_can_serve_says_why_and_all_is_well_without_it) {
  const auto problems_are = [&](const std::string& fact, const std::function<bool(const std::string&)>& holds) {
    return eventually(60s, fact, [&] {
      const auto status = mesh.lab().weft({"status", "--context", "cluster1"}, 60s);
      return Seen{status.ok() && holds(status.out), status.describe()};
    });
  };
  const std::string why = "protocol SCTP is not translated; use TCP or UDP";
  ASSERT_TRUE(mesh.lab().apply("cluster1", R"(
apiVersion: v1
kind: Service
metadata: {name: stream, namespace: shop}
spec: {ports: [{port: 5000, protocol: SCTP}]}
)"));
  EXPECT_TRUE(problems_are("weft status tells it once for all nodes", [&](const std::string& out) {
    return out.find("and 1 more node: Service shop/stream: ") != std::string::npos &&
           out.find(why) != std::string::npos;
  }));
  const auto list = mesh.on_node("cluster1", 1, {"weft", "service", "list"});
  EXPECT_THAT(list.out, HasSubstr("❌ shop/stream, ")) << list.describe();
  EXPECT_THAT(list.out, HasSubstr(why)) << list.describe();
  ASSERT_TRUE(mesh.lab().kubectl("cluster1", {"-n", "shop", "delete", "service", "stream"}).ok());
  EXPECT_TRUE(problems_are("nothing is left to tell",
                           [&](const std::string& out) { return out.find("⚠️") == std::string::npos; }));
}

}  // namespace
}  // namespace weft::e2e
