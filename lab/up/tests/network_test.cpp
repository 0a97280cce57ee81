#include "lab/up/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lab/up/programs.h"

namespace weft::lab {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

Topology default_lab() { return *parse_topology(std::string(default_topology()), "default.yaml"); }

std::map<std::string, int> pids(const Plan& plan) {
  std::map<std::string, int> out;
  int pid = 100;
  for (const Sandbox& s : plan.sandboxes) out[s.name] = pid++;
  return out;
}

TEST(Network, every_port_becomes_a_veth_into_its_sandbox) {
  const Plan plan = make_plan(default_lab());
  const auto p = pids(plan);
  const std::string batch = wiring(plan, p);
  EXPECT_THAT(batch, HasSubstr("link add br1 type bridge"));
  EXPECT_THAT(batch, HasSubstr("peer name eth0 netns " + std::to_string(p.at("cluster1-node2")) + "\n"));
}

TEST(Network, a_cable_is_laid_from_one_side_only) {
  const Plan plan = make_plan(default_lab());
  const auto p = pids(plan);
  EXPECT_EQ(cable(*plan.sandbox("cluster1-router"), p),
            "link add link0 type veth peer name link0 netns " + std::to_string(p.at("cluster2-router")) + "\n");
  EXPECT_EQ(cable(*plan.sandbox("cluster2-router"), p), "");
}

TEST(Network, addresses_skip_duplicate_detection_and_come_before_routes) {
  const Plan plan = make_plan(default_lab());
  const std::string batch = addressing(*plan.sandbox("cluster1-node1"));
  EXPECT_THAT(batch, HasSubstr("address replace fd00:18:1::11/64 dev eth0 nodad\n"));
  EXPECT_LT(batch.find("link set eth0 up"), batch.find("route replace 0.0.0.0/0 via 172.18.1.1"));
}

TEST(Network, only_routers_and_nodes_forward) {
  const Plan plan = make_plan(default_lab());
  EXPECT_EQ(sysctls(*plan.sandbox("cluster1-router")).at("net/ipv4/ip_forward"), "1");
  EXPECT_FALSE(sysctls(*plan.sandbox("client")).contains("net/ipv4/ip_forward"));
}

TEST(Programs, a_real_api_server_takes_the_place_of_the_labs_with_the_same_certificates) {
  const Topology t = default_lab();
  const Plan plan = make_plan(t);
  const auto find = [&](const ProgramOptions& o) {
    for (const ProgramSpec& p : programs(t, plan, o))
      if (p.name == "cluster2-cp/apiserver") return p.argv;
    return std::vector<std::string>{};
  };
  const auto ours = find({.bin = "/b"}),
             real = find({.bin = "/b", .kube_apiserver = "/k/kube-apiserver", .kube_minor = 32});
  EXPECT_EQ(ours[0], "/b/weft-lab-apiserver");
  EXPECT_EQ(real[0], "/k/kube-apiserver");
  for (const char* same :
       {"--service-cluster-ip-range=10.97.0.0/16,fd00:96:2::/108", "--client-ca-file=/etc/kubernetes/ca.crt",
        "--tls-cert-file=/etc/kubernetes/apiserver.crt"}) {
    EXPECT_THAT(ours, Contains(same));
    EXPECT_THAT(real, Contains(same));
  }
  EXPECT_THAT(real, Not(Contains(HasSubstr("feature-gates"))));
  EXPECT_THAT(find({.kube_apiserver = "/k", .kube_minor = 20}), Contains(HasSubstr("IPv6DualStack=true")));
}

TEST(Programs, a_node_knows_its_addresses_pods_and_name_server) {
  const Topology t = default_lab();
  const auto list = programs(t, make_plan(t), {.bin = "/b"});
  const auto& node = list.back();
  EXPECT_EQ(node.name, "cluster2-node3/kubelet");
  EXPECT_THAT(node.argv, Contains("--node-ip=172.18.2.13,fd00:18:2::13"));
  EXPECT_THAT(node.argv, Contains("--pod-cidr=10.2.2.0/24,fd00:2:0:2::/64"));
  EXPECT_THAT(node.argv, Contains("--cluster-dns=10.97.0.10,fd00:96:2::a"));
}

}  // namespace
}  // namespace weft::lab
