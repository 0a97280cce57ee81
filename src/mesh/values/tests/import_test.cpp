#include "mesh/values/import.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::mesh {
namespace {

using ::testing::HasSubstr;

const RemoteIdentity kEast{"east", 7, 255};
const LocalCluster kHome{"home", 1, 255};

std::string node(const char* name, const char* cluster, int id) {
  return fmt::format(R"({{"Name":"{}","Cluster":"{}","ClusterID":{}}})", name, cluster, id);
}

TEST(ImportNode, wants_name_cluster_and_id_to_agree_with_the_key) {
  EXPECT_TRUE(import_node(kEast, "a", node("a", "east", 7)));
  EXPECT_THAT(import_node(kEast, "a", node("b", "east", 7)).error().message, HasSubstr("Name"));
  EXPECT_THAT(import_node(kEast, "a", node("a", "west", 7)).error().message, HasSubstr("Cluster"));
  EXPECT_THAT(import_node(kEast, "a", node("a", "east", 8)).error().message, HasSubstr("ClusterID"));
}

std::string service(const char* cluster, const char* name, int id, bool shared = true) {
  return fmt::format(R"({{"cluster":"{}","namespace":"shop","name":"{}","clusterID":{},"shared":{}}})", cluster, name,
                     id, shared);
}

TEST(ImportService, wants_name_cluster_and_id_to_agree_with_the_key) {
  EXPECT_TRUE(import_service(kEast, "shop/cart", service("east", "cart", 7))->has_value());
  EXPECT_FALSE(import_service(kEast, "shop/cart", service("east", "other", 7)));
  EXPECT_FALSE(import_service(kEast, "shop/cart", service("west", "cart", 7)));
  EXPECT_FALSE(import_service(kEast, "shop/cart", service("east", "cart", 8)));
  EXPECT_FALSE(import_service(kEast, "/", R"({"cluster":"east","namespace":"","name":"","clusterID":7})"));
}

TEST(ImportService, that_is_not_shared_is_a_deletion) {
  const auto r = import_service(kEast, "shop/cart", service("east", "cart", 7, false));
  ASSERT_TRUE(r);
  EXPECT_FALSE(r->has_value());
}

std::string ip(const char* ip, unsigned id) {
  return fmt::format(R"({{"IP":"{}","Mask":null,"HostIP":"","ID":{}}})", ip, id);
}

TEST(ImportIp, wants_the_key_to_be_the_address_and_the_identity_in_the_clusters_range) {
  const auto good = import_ip(kEast, "10.0.0.1", ip("10.0.0.1", 459121));
  ASSERT_TRUE(good) << good.error().message;
  EXPECT_EQ(good->cluster, "east");
  EXPECT_FALSE(import_ip(kEast, "10.0.0.2", ip("10.0.0.1", 459121)));
  EXPECT_THAT(import_ip(kEast, "10.0.0.1", ip("10.0.0.1", 65601)).error().message, HasSubstr("458752 to 524287"));
  EXPECT_TRUE(import_ip(kEast, "10.0.0.1", ip("10.0.0.1", 2))) << "reserved identities are everybody's";
}

TEST(ImportIp, the_remotes_host_is_a_remote_node_to_us) {
  EXPECT_EQ(import_ip(kEast, "10.0.0.1", ip("10.0.0.1", kIdentityHost))->id, kIdentityRemoteNode);
}

TEST(ImportIdentity, wants_a_number_in_range_and_the_clusters_label) {
  const std::string labels = "k8s:app=a;k8s:io.cilium.k8s.policy.cluster=east;";
  EXPECT_TRUE(import_identity(kEast, "459121", labels));
  EXPECT_FALSE(import_identity(kEast, "65601", labels));
  EXPECT_FALSE(import_identity(kEast, "459121x", labels));
  EXPECT_FALSE(import_identity(kEast, "99999999999999999999", labels));
  EXPECT_FALSE(import_identity(kEast, "459121", "k8s:app=a;k8s:io.cilium.k8s.policy.cluster=west;"));
  EXPECT_FALSE(import_identity(kEast, "459121", "k8s:app=a;"));
}

TEST(ImportIdentity, ranges_halve_with_511_clusters) {
  const RemoteIdentity wide{"east", 7, 511};
  const std::string labels = "k8s:io.cilium.k8s.policy.cluster=east;";
  EXPECT_TRUE(import_identity(wide, std::to_string((7 << 15) + 5), labels));
  EXPECT_FALSE(import_identity(wide, "459121", labels));
}

// ---- refusals: each names both sides, the field and the mend

ClusterConfig config(ClusterId id, ClusterId max = 255) { return {id, true, false, max, false}; }

TEST(Refusal, equal_cluster_ids) {
  EXPECT_TRUE(check_config(kHome, "east", config(7), ""));
  const auto r = check_config(kHome, "east", config(1), "");
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().message,
            "cluster.id 1 is used by cluster home (this one) and cluster east: give one of them another cluster.id");
}

TEST(Refusal, an_id_that_another_remote_has) {
  const auto r = check_config(kHome, "east", config(7), "west");
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message,
              AllOf(HasSubstr("cluster.id 7"), HasSubstr("west"), HasSubstr("east"), HasSubstr("another cluster.id")));
}

TEST(Refusal, an_id_out_of_range) {
  for (const ClusterId id : {0u, 256u, 70000u}) {
    const auto r = check_config(kHome, "east", config(id), "");
    ASSERT_FALSE(r);
    EXPECT_THAT(r.error().message, AllOf(HasSubstr("home"), HasSubstr("east"),
                                         HasSubstr(fmt::format("cluster.id {}", id)), HasSubstr("1 to 255")));
  }
  EXPECT_TRUE(check_config({"home", 1, 511}, "east", config(400, 511), ""));
}

TEST(Refusal, another_maximum_of_clusters) {
  const auto r = check_config(kHome, "east", config(7, 511), "");
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message,
              AllOf(HasSubstr("maxConnectedClusters is 255 in cluster home"), HasSubstr("511 in cluster east"),
                    HasSubstr("clustermesh.maxConnectedClusters")));
  EXPECT_TRUE(check_config(kHome, "east", config(7, 0), "")) << "not said means 255";
}

TEST(Refusal, a_name_against_the_rule) {
  EXPECT_TRUE(check_name(kHome, "east-2"));
  for (const char* name : {"East", "-east", "a.b", "default", "", "an-uncommonly-long-name-for-a-cluster"}) {
    const auto r = check_name(kHome, name);
    ASSERT_FALSE(r) << name;
    EXPECT_THAT(r.error().message, AllOf(HasSubstr("home"), HasSubstr(name), HasSubstr("cluster.name")));
  }
}

TEST(Refusal, equal_names) {
  EXPECT_TRUE(check_same_name(kHome, config(1))) << "this cluster's own store";
  const auto r = check_same_name(kHome, config(7));
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message, AllOf(HasSubstr("cluster.name \"home\""), HasSubstr("id 1"), HasSubstr("id 7"),
                                       HasSubstr("another cluster.name")));
}

TEST(Refusal, overlapping_pod_cidrs) {
  const std::vector<PodCidr> east{{"east", "e1", *Prefix::parse("10.1.2.0/24")}};
  EXPECT_TRUE(check_pod_cidrs(
      east, {{"home", "h1", *Prefix::parse("10.1.3.0/24")}, {"east", "e2", *Prefix::parse("10.1.0.0/16")}}));
  const auto r = check_pod_cidrs(east, {{"home", "h1", *Prefix::parse("10.1.0.0/16")}});
  ASSERT_FALSE(r);
  EXPECT_THAT(r.error().message, AllOf(HasSubstr("10.1.2.0/24 of node e1 of cluster east"),
                                       HasSubstr("10.1.0.0/16 of node h1 of cluster home"),
                                       HasSubstr("kube-controller-manager --cluster-cidr")));
}

}  // namespace
}  // namespace weft::mesh
