#include "lab/topology/topology.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::lab {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const std::string& yaml) {
  const auto r = parse_topology(yaml, "lab.yaml");
  return r ? "accepted" : r.error().message;
}

TEST(Topology, the_default_has_two_clusters_of_three_nodes_a_link_and_a_client) {
  const auto t = parse_topology(std::string(default_topology()), "default.yaml");
  ASSERT_TRUE(t) << t.error().message;
  ASSERT_EQ(t->clusters.size(), 2u);
  EXPECT_EQ(t->clusters[0].nodes.size(), 3u);
  EXPECT_EQ(t->clusters[1].name, "cluster2");
  EXPECT_EQ(t->clusters[1].pod_cidrs[0].to_string(), "10.2.0.0/16");
  EXPECT_EQ(t->links, (std::vector<LinkSpec>{{"cluster1", "cluster2"}}));
  EXPECT_EQ(t->clients, (std::vector<ClientSpec>{{"client"}}));
}

TEST(Topology, what_is_left_out_follows_from_the_id) {
  const auto spelled = parse_topology(std::string(default_topology()), "default.yaml");
  const auto shorter =
      parse_topology("clusters: [{name: cluster1, nodes: 3}, {name: cluster2, nodes: 3}]", "short.yaml");
  ASSERT_TRUE(spelled && shorter);
  EXPECT_EQ(*spelled, *shorter);
}

TEST(Topology, nodes_may_have_names_zones_and_labels) {
  const auto t = parse_topology("clusters:\n- name: a\n  nodes: [n1, {name: n2, zone: z, labels: {disk: ssd}}]\n", "x");
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->clusters[0].nodes[0].name, "n1");
  EXPECT_EQ(t->clusters[0].nodes[1], (NodeSpec{"n2", "z", {{"disk", "ssd"}}}));
}

TEST(Topology, one_family_alone_is_a_cluster_too) {
  const auto t = parse_topology(
      "clusters:\n- name: a\n  nodes: 1\n  segment: [172.20.0.0/24]\n  podCIDRs: [10.1.0.0/16]\n  serviceCIDRs: "
      "[10.9.0.0/16]\n",
      "x");
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_TRUE(t->clusters[0].has(Family::v4));
  EXPECT_FALSE(t->clusters[0].has(Family::v6));
}

TEST(Topology, an_image_stands_for_a_command) {
  const auto t =
      parse_topology("clusters: [{name: a, nodes: 1}]\nimages: [{image: echo, command: [weft-echo, -v]}]", "x");
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->images.at("echo"), (std::vector<std::string>{"weft-echo", "-v"}));
}

TEST(Topology, routers_are_named_and_speak_bgp_when_they_have_a_number) {
  const auto t = parse_topology(
      "clusters: [{name: a, nodes: 1, routers: [{name: tor1, bgp: {asn: 4200000000, bfd: true}}, {name: tor2}]}, "
      "{name: b, nodes: 1}]",
      "x");
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->clusters[0].routers, (std::vector<RouterSpec>{{"tor1", 4200000000, true}, {"tor2", 0, false}}));
  EXPECT_EQ(t->clusters[1].routers, (std::vector<RouterSpec>{{"b-router", 0, false}}));
  EXPECT_EQ(t->router("tor2").second, &t->clusters[0].routers[1]);
  EXPECT_EQ(t->router("a").second, &t->clusters[0].routers[0]);
  EXPECT_FALSE(t->clusters[0].learns_pods());
}

TEST(Topology, what_is_left_out_of_a_part_that_is_there_has_its_default) {
  const auto t = parse_topology(
      "clusters: [{name: a, nodes: 1}, {name: b, nodes: 1}]\nfabric: {prefixes: [172.20.0.0/24]}\n"
      "clients: {segment: [172.21.0.0/24]}",
      "x");
  ASSERT_TRUE(t) << t.error().message;
  EXPECT_EQ(t->links, (std::vector<LinkSpec>{{"a", "b"}}));
  EXPECT_EQ(t->clients, (std::vector<ClientSpec>{{"client"}}));
}

TEST(Topology, every_mistake_names_file_line_field_value_and_mend) {
  struct Case {
    const char* yaml;
    const char* starts;
    const char* says;
  };
  const Case cases[] = {
      {"", "lab.yaml:1: topology: is empty", "clusters:"},
      {"clusters: [", "lab.yaml:", "not YAML"},
      {"cluster: []", "lab.yaml:1: cluster: unknown field", "clusters"},
      {"clusters: []", "lab.yaml:1: clusters: is empty", "add at least one"},
      {"clusters:\n- nodes: 3\n", "lab.yaml:2: clusters[0]: has no name", "add one"},
      {"clusters:\n- name: a\n  nodes: many\n", "lab.yaml:3: clusters[0].nodes: \"many\"", "number from 1 to 200"},
      {"clusters:\n- name: a\n  nodes: 3\n  id: 900\n", "lab.yaml:4: clusters[0].id: \"900\"", "1 to 511"},
      {"clusters:\n- name: Prod\n  nodes: 1\n", "lab.yaml:2: clusters[0].name: \"Prod\"", "a-z"},
      {"clusters:\n- name: a\n  nodes: 1\n  podCIDRs: [10.1.0.0]\n",
       "lab.yaml:4: clusters[0].podCIDRs[0]: \"10.1.0.0\"", "write it as"},
      {"clusters:\n- name: a\n  nodes: 1\n  podCIDRs: [10.1.2.3/16]\n",
       "lab.yaml:4: clusters[0].podCIDRs[0]: \"10.1.2.3/16\"", "write 10.1.0.0/16"},
      {"clusters:\n- name: a\n  nodes: 1\n  podCIDRs: [10.1.0.0/16, 10.2.0.0/16]\n",
       "lab.yaml:4: clusters[0].podCIDRs[1]", "one of each"},
      {"clusters:\n- name: a\n  nodes: 1\n  podCIDRs: [10.1.0.0/16]\n",
       "lab.yaml:4: clusters[0].podCIDRs: has IPv4 but segment has IPv4 IPv6", "same families"},
      {"clusters:\n- name: a\n  nodes: 9\n  podCIDRs: [10.1.0.0/22, 'fd00:1::/48']\n",
       "lab.yaml:4: clusters[0].podCIDRs: 10.1.0.0/22", "larger"},
      {"clusters:\n- name: a\n  nodes: 1\n- name: a\n  nodes: 1\n", "lab.yaml:4: clusters[1].name: \"a\"", "own name"},
      {"clusters:\n- name: a\n  nodes: 1\n- {name: b, id: 1, nodes: 1}\n",
       "lab.yaml:4: clusters[1].id: 1 is the id of a", "own id"},
      {"clusters:\n- {name: a, nodes: 1}\n- name: b\n  nodes: 1\n  podCIDRs: [10.1.128.0/17, 'fd00:9::/48']\n",
       "lab.yaml:5: clusters[1].podCIDRs: 10.1.128.0/17 overlaps 10.1.0.0/16 of clusters[0].podCIDRs", "free"},
      {"clusters:\n- {name: a, nodes: 1}\nfabric:\n  links: [[a, z]]\n", "lab.yaml:4: fabric.links[0][1]: \"z\"",
       "name one of clusters"},
      {"clusters:\n- name: a\n  nodes: 1\n  routers: []\n", "lab.yaml:4: clusters[0].routers: is empty",
       "at least one"},
      {"clusters:\n- name: a\n  nodes: 1\n  routers: [{name: r, bgp: {asn: 0}}]\n",
       "lab.yaml:4: clusters[0].routers[0].bgp.asn: \"0\"", "1 to 4294967294"},
      {"clusters:\n- name: a\n  nodes: 1\n  routers: [{name: r, bgp: {bfd: true}}]\n",
       "lab.yaml:4: clusters[0].routers[0].bgp: has no asn", "asn: 65000"},
      {"clusters:\n- name: a\n  nodes: 1\n  routers: [{name: r, bgp: {asn: 1, bfd: maybe}}]\n",
       "lab.yaml:4: clusters[0].routers[0].bgp.bfd: \"maybe\"", "true nor false"},
      {"clusters:\n- name: a\n  nodes: 1\n  routers: [{name: a-node1}]\n",
       "lab.yaml:4: clusters[0].routers: \"a-node1\"", "own name"},
      {"clusters:\n- {name: a, nodes: 1, routers: [{name: r}, {name: s}]}\nfabric:\n  links: [[r, s], [a, s]]\n",
       "lab.yaml:4: fabric.links[1]: is there already", "keep one"},
      {"clusters:\n- {name: a, nodes: 1}\nfabric:\n  links: [[a, a]]\n",
       "lab.yaml:4: fabric.links[0]: joins a with itself", "name two"},
      {"clusters:\n- {name: a, nodes: 1}\nclients:\n  hosts: [a-node1]\n", "lab.yaml:4: clients.hosts[0]: \"a-node1\"",
       "another name"},
      {"clusters:\n- {name: a, nodes: 1}\nimages:\n- {image: x}\n", "lab.yaml:4: images[0]: has no command", "program"},
      {"clusters:\n- {name: a, nodes: 1, id: 200}\n", "lab.yaml:2: clusters[0]: has no segment", "above 95"},
  };
  for (const Case& c : cases) {
    EXPECT_THAT(error_of(c.yaml), StartsWith(c.starts)) << c.yaml;
    EXPECT_THAT(error_of(c.yaml), HasSubstr(c.says)) << c.yaml;
  }
}

}  // namespace
}  // namespace weft::lab
