#include "mesh/node_endpoints.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::mesh {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Node node(const std::string& name, const std::vector<std::string>& ips) {
  Node n;
  n.cluster = "east", n.name = name;
  n.addresses.push_back({NodeAddressType::hostname, name});
  for (const auto& ip : ips) n.addresses.push_back({NodeAddressType::internal_ip, ip});
  n.addresses.push_back({NodeAddressType::cilium_internal_ip, "10.7.0.1"});
  return n;
}

const std::vector<std::string> kConfigured{"https://172.18.7.11:32379", "https://172.18.7.12:32379"};

TEST(NodeEndpoints, configured_nodes_are_known_and_new_ones_are_learned_in_the_same_families) {
  bool were_nodes = false;
  const std::vector<Node> nodes{node("e1", {"172.18.7.11", "fd00:18:7::11"}), node("e2", {"172.18.7.12"}),
                                node("e3", {"172.18.7.13", "fd00:18:7::13"})};
  auto r = node_endpoints(kConfigured, nodes, were_nodes);
  EXPECT_TRUE(were_nodes);
  EXPECT_THAT(r.others, ElementsAre("https://172.18.7.13:32379"));
  EXPECT_THAT(r.gone, IsEmpty());
  EXPECT_EQ(node_endpoints_warning("east", r), "");
  r = node_endpoints({"https://[fd00:18:7::11]:32379"}, nodes, were_nodes);
  EXPECT_THAT(r.others, ElementsAre("https://[fd00:18:7::13]:32379"));
}

TEST(NodeEndpoints, an_address_that_no_node_has_any_more_is_named_with_the_mend) {
  bool were_nodes = false;
  const auto r = node_endpoints(kConfigured, {node("e2", {"172.18.7.12"}), node("e3", {"172.18.7.13"})}, were_nodes);
  EXPECT_THAT(r.gone, ElementsAre("172.18.7.11"));
  EXPECT_THAT(node_endpoints_warning("east", r),
              AllOf(HasSubstr("172.18.7.11 is configured for cluster east and no node of it any more"),
                    HasSubstr("weft clustermesh connect again")));
}

TEST(NodeEndpoints, also_when_every_configured_node_is_gone) {
  bool were_nodes = false;
  (void)node_endpoints(kConfigured, {node("e1", {"172.18.7.11"})}, were_nodes);
  const auto r = node_endpoints(kConfigured, {node("e3", {"172.18.7.13"})}, were_nodes);
  EXPECT_THAT(r.gone, ElementsAre("172.18.7.11", "172.18.7.12"));
  EXPECT_THAT(r.others, ElementsAre("https://172.18.7.13:32379"));
  EXPECT_THAT(node_endpoints({"https://172.18.7.11:32379"}, {}, were_nodes).gone, IsEmpty()) << "nodes are not known";
}

TEST(NodeEndpoints, a_load_balancer_or_a_name_stands_for_all_nodes) {
  bool were_nodes = false;
  const std::vector<Node> nodes{node("e1", {"172.18.7.11"})};
  for (const char* url : {"https://203.0.113.9:2379", "https://east.mesh.cilium.io:2379", "nonsense"}) {
    const auto r = node_endpoints({url}, nodes, were_nodes);
    EXPECT_FALSE(were_nodes) << url;
    EXPECT_THAT(r.others, IsEmpty()) << url;
    EXPECT_THAT(r.gone, IsEmpty()) << url;
  }
}

}  // namespace
}  // namespace weft::mesh
