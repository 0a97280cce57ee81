#include "mesh/node_cidrs.h"

#include <gtest/gtest.h>

namespace weft::mesh {
namespace {

std::string found(const CidrIndex& index, const std::string& prefix) {
  const auto* c = index.overlapping(*Prefix::parse(prefix), "east");
  return c ? c->cluster + " " + c->prefix.to_string() : "";
}

TEST(NodeCidrs, follow_the_table) {
  asio::io_context io;
  Table<Node> nodes(io, "nodes");
  NodeCidrs cidrs(nodes);
  Node n;
  n.cluster = "west", n.name = "w1", n.pod_cidrs = {*Prefix::parse("10.2.0.0/24"), *Prefix::parse("fd00:2::/64")};
  nodes.upsert(n);
  EXPECT_EQ(found(cidrs.index(), "10.2.0.0/24"), "west 10.2.0.0/24");
  n.pod_cidrs = {*Prefix::parse("10.3.0.0/24")};
  nodes.upsert(n);
  EXPECT_EQ(found(cidrs.index(), "10.2.0.0/24"), "");
  EXPECT_EQ(found(cidrs.index(), "10.3.0.0/24"), "west 10.3.0.0/24");
  const auto before = cidrs.changes();
  n.labels["zone"] = "z1";
  nodes.upsert(n);
  (void)cidrs.index();
  EXPECT_EQ(cidrs.changes(), before) << "the CIDRs are the same";
  nodes.remove(n.key());
  EXPECT_EQ(cidrs.index().size(), 0u);
  EXPECT_EQ(cidrs.changes(), before + 1);
}

}  // namespace
}  // namespace weft::mesh
