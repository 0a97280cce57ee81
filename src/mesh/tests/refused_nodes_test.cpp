// What becomes of a node that was refused for its pod CIDR, as the store goes on to speak of it or not.
#include <gtest/gtest.h>

#include "mesh/cidr_guard.h"
#include "mesh/importer.h"
#include "mesh/values/codec.h"

namespace weft::mesh {
namespace {

Node node(const std::string& cluster, ClusterId id, const std::string& name, const std::string& cidr) {
  Node n;
  n.cluster = cluster, n.cluster_id = id, n.name = name;
  n.pod_cidrs = {*Prefix::parse(cidr)};
  return n;
}

struct RefusedNodes : testing::Test {
  RefusedNodes() {
    nodes.upsert(node("west", 1, "w1", "10.1.0.0/24"));
    // Overlaps with w1.
    importer.begin_list();
    importer.put("e1", east("e1", "10.2.0.0/24"));
    importer.put("e2", east("e2", "10.1.0.0/24"));
    importer.listed();
    EXPECT_EQ(guard.refused().size(), 1u);
    EXPECT_FALSE(taken("e2"));
  }
  static std::string east(const std::string& name, const std::string& cidr) {
    return encode_node(node("east", 2, name, cidr));
  }
  // As RemoteCluster does now and then.
  void retry() {
    guard.keep(importer.rejected());
    const auto refused = guard.refused();
    importer.retry(refused);
  }
  bool taken(const std::string& name) const { return nodes.get({"east", name}) != nullptr; }
  void overlap_goes() { nodes.remove({"west", "w1"}); }

  asio::io_context io;
  Table<Node> nodes{io, "nodes"};
  Table<ClusterService> services{io, "services"};
  Table<IpIdentity> ips{io, "ips"};
  Table<Identity> identities{io, "identities"};
  Table<RemoteStatus> remotes{io, "remotes"};
  Tables tables{nodes, services, ips, identities, remotes};
  CidrGuard guard{tables, "east"};
  RemoteIdentity remote{"east", 2, 255};
  Importer<Node> importer{nodes,
                          [this](const std::string& key, const std::string& value) -> Result<std::optional<Node>> {
                            auto n = guard.take(remote, key, value);
                            if (!n) return std::unexpected(n.error());
                            return std::optional<Node>(std::move(*n));
                          },
                          [](const std::string& key) { return std::optional<Node::Key>({"east", key}); },
                          [](const Node& n) { return n.cluster == "east"; }};
};

TEST_F(RefusedNodes, are_taken_when_the_overlap_is_gone) {
  retry();
  EXPECT_FALSE(taken("e2")) << "the overlap is still there";
  overlap_goes();
  retry();
  EXPECT_TRUE(taken("e2"));
  EXPECT_TRUE(importer.rejected().empty());
  EXPECT_EQ(importer.count(), 2u);
}

TEST_F(RefusedNodes, do_not_come_back_when_a_list_without_them_was_running) {
  overlap_goes();
  importer.begin_list();
  importer.put("e1", east("e1", "10.2.0.0/24"));
  retry();  // between two pages
  importer.listed();
  EXPECT_FALSE(taken("e2")) << "the list did not have it";
  EXPECT_TRUE(importer.rejected().empty());
  retry();
  EXPECT_FALSE(taken("e2"));
}

TEST_F(RefusedNodes, wait_for_a_whole_list_after_one_that_broke_off) {
  overlap_goes();
  importer.begin_list();
  retry();
  EXPECT_FALSE(taken("e2"));
  importer.begin_list();
  importer.put("e1", east("e1", "10.2.0.0/24"));
  importer.put("e2", east("e2", "10.1.0.0/24"));
  EXPECT_TRUE(taken("e2")) << "this list has it";
  importer.listed();
  EXPECT_TRUE(taken("e2"));
}

TEST_F(RefusedNodes, are_not_taken_by_a_value_that_an_unreadable_one_has_replaced) {
  importer.put("e2", "{");
  EXPECT_TRUE(guard.refused().empty());
  overlap_goes();
  retry();
  EXPECT_FALSE(taken("e2"));
  EXPECT_TRUE(importer.rejected().contains("e2"));
}

}  // namespace
}  // namespace weft::mesh
