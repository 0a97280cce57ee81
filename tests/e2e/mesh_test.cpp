// The first thing that Weft does for somebody: two clusters, one mesh, a global service.
#include <gmock/gmock.h>

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <sstream>
#include <thread>

#include "base/file.h"
#include "tests/e2e/harness/mesh.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class MeshTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Mesh::get(); }
  void SetUp() override { ASSERT_TRUE(mesh.reset()); }
  Mesh& mesh = Mesh::get();
  const Lab& lab = mesh.lab();
};

TEST_F(MeshTest, status_says_first_that_all_is_well) {
  const auto one = mesh.status("cluster1");
  EXPECT_TRUE(one.ok()) << one.describe();
  EXPECT_THAT(one.out,
              StartsWith("✅ Cluster Mesh: OK\n✅ Remote clusters: 1 connected\n - cluster2: ready, 3 nodes\n"));
  const auto two = mesh.status("cluster2");
  EXPECT_THAT(two.out,
              StartsWith("✅ Cluster Mesh: OK\n✅ Remote clusters: 1 connected\n - cluster1: ready, 3 nodes\n"))
      << two.describe();
  const auto parts = lab.weft({"status", "--context", "cluster1"});
  EXPECT_TRUE(parts.ok()) << parts.describe();
}

TEST_F(MeshTest, a_global_service_answers_from_both_clusters_in_each_way) {
  for (const auto& from : kBothClusters) {
    for (const Argv& target :
         {Argv{"-4", mesh.url()}, Argv{"-6", mesh.url()}, Argv{mesh.ip_url(from, 4)}, Argv{mesh.ip_url(from, 6)}}) {
      Argv args{"--count", "200"};
      args.insert(args.end(), target.begin(), target.end());
      const Load l = mesh.load(from, args);
      EXPECT_EQ(l.ok, 200) << l.raw;
      EXPECT_GE(l.from("cluster1"), 60) << l.raw;
      EXPECT_GE(l.from("cluster2"), 60) << l.raw;
    }
  }
}

TEST_F(MeshTest, affinity_chooses_the_cluster_and_falls_back) {
  mesh.affinity("local");
  for (const char* family : {"-4", "-6"}) {
    EXPECT_TRUE(mesh.all_from("cluster1", "cluster1", {family, mesh.url()}));
    EXPECT_TRUE(mesh.all_from("cluster2", "cluster2", {family, mesh.url()}));
  }
  ASSERT_TRUE(mesh.scale("cluster1", 0));
  for (const char* family : {"-4", "-6"}) EXPECT_TRUE(mesh.all_from("cluster1", "cluster2", {family, mesh.url()}));
  ASSERT_TRUE(mesh.scale("cluster1", 2));
  for (const char* family : {"-4", "-6"}) EXPECT_TRUE(mesh.all_from("cluster1", "cluster1", {family, mesh.url()}));
  mesh.affinity("remote");
  EXPECT_TRUE(mesh.all_from("cluster1", "cluster2", {mesh.url()}));
}

TEST_F(MeshTest, failing_over_under_load_loses_nothing_that_was_announced) {
  mesh.affinity("local");
  ASSERT_TRUE(mesh.all_from("cluster1", "cluster1", {mesh.url()}));
  Background load(mesh.load_argv("cluster1", {"--duration", "8", "--interval", "5", "--timeout", "1000",
                                              mesh.ip_url("cluster1", 4)}),
                  lab.env());
  std::this_thread::sleep_for(1s);  // load before, during and after
  ASSERT_TRUE(mesh.scale("cluster1", 0));
  const Load l = parse_load(load.wait(30s));
  ASSERT_TRUE(l.parsed) << l.raw;
  EXPECT_EQ(l.failed, 0) << "backends that end with grace are taken out before they stop\n" << l.raw;
  EXPECT_GT(l.from("cluster1"), 0);
  EXPECT_GT(l.from("cluster2"), 0);
  RecordProperty("failed", l.failed);
  RecordProperty("longest_gap_ms", static_cast<int>(l.longest_gap_ms));
}

TEST_F(MeshTest, a_service_that_is_not_shared_or_not_global_stays_at_home) {
  const auto annotate = [&](const std::string& cluster, const std::string& a) {
    const auto r = lab.kubectl(cluster, {"-n", "shop", "annotate", "service", "api-server", "--overwrite", a});
    EXPECT_TRUE(r.ok()) << r.describe();
  };
  annotate("cluster2", "service.cilium.io/shared=false");
  EXPECT_TRUE(mesh.all_from("cluster1", "cluster1", {mesh.url()}));
  EXPECT_TRUE(mesh.both_answer("cluster2", {mesh.url()})) << "cluster1 still shares its own";
  annotate("cluster2", "service.cilium.io/shared=true");
  EXPECT_TRUE(mesh.both_answer("cluster1", {mesh.url()}));
  annotate("cluster1", "service.cilium.io/global=false");
  EXPECT_TRUE(mesh.all_from("cluster1", "cluster1", {mesh.url()}));
  annotate("cluster1", "service.cilium.io/global=true");
  EXPECT_TRUE(mesh.both_answer("cluster1", {mesh.url()}));
}

TEST_F(MeshTest, pods_of_both_clusters_see_each_others_own_addresses) {
  const auto client = mesh.pods("cluster1", {"client"});
  ASSERT_EQ(client.size(), 1u);
  ASSERT_EQ(client[0].ips.size(), 2u);
  for (const auto& cluster : kBothClusters) {
    const auto servers = mesh.pods(cluster, {"-l", "app=api-server"});
    ASSERT_EQ(servers.size(), 2u);
    for (const auto& server : servers) {
      ASSERT_EQ(server.ips.size(), 2u);
      for (const auto& ip : server.ips)
        EXPECT_THAT(mesh.seen_source("cluster1", ip), HasSubstr(client[0].same_family(ip)))
            << "to " << ip << " of " << cluster;
    }
  }
}

TEST_F(MeshTest, the_remote_user_of_the_mesh_store_reads_and_nothing_else) {
  const auto secret = lab.get_json("cluster1", {"-n", "kube-system", "secret", "clustermesh-apiserver-remote-cert"});
  ASSERT_TRUE(secret.is_object());
  const std::string dir = "/run/weft-e2e-remote-cert";
  for (const char* f : {"tls.crt", "tls.key", "ca.crt"}) {
    const std::string encoded(secret.at_pointer(std::string("/data/") + f).as_string());
    const auto r =
        lab.exec("cluster2/cluster2-node1",
                 {"bash", "-c", fmt::format("mkdir -p {0} && echo {1} | base64 -d > {0}/{2}", dir, encoded, f)});
    ASSERT_TRUE(r.ok()) << r.describe();
  }
  // From a node of the other cluster, as its agents come.
  const auto etcdctl = [&](Argv args) {
    const auto node = lab.kubectl("cluster1", {"-n", "kube-system", "get", "pod", "-l", "k8s-app=clustermesh-apiserver",
                                               "-o", "jsonpath={.items[0].status.hostIP}"})
                          .out;
    // The certificate names the store as hostAliases of the agents do.
    const std::string script = fmt::format(
        "echo '{0} cluster1.mesh.cilium.io' > {1}/hosts && mount --bind {1}/hosts /etc/hosts && exec \"$@\"", node,
        dir);
    Argv all{"unshare", "-m", "bash", "-c", script, "-"};
    const Argv client{"env",
                      "ETCDCTL_API=3",
                      "etcdctl",
                      "--endpoints=https://cluster1.mesh.cilium.io:32379",
                      "--cacert=" + dir + "/ca.crt",
                      "--cert=" + dir + "/tls.crt",
                      "--key=" + dir + "/tls.key"};
    all.insert(all.end(), client.begin(), client.end());
    all.insert(all.end(), args.begin(), args.end());
    return lab.exec("cluster2/cluster2-node1", all, 20s);
  };
  // What the role may read, and no more: its own cluster's configuration, but not the list of them.
  std::string keys;
  for (const Argv& range : {Argv{"cilium/state/", "--prefix"}, Argv{"cilium/cluster-config/cluster1"},
                            Argv{"cilium/synced/cluster1/", "--prefix"}, Argv{"cilium/.heartbeat"}}) {
    Argv get{"get", "--keys-only"};
    get.insert(get.end(), range.begin(), range.end());
    const auto r = etcdctl(get);
    EXPECT_TRUE(r.ok()) << r.describe();
    keys += r.out;
  }
  for (const char* k :
       {"cilium/cluster-config/cluster1", "cilium/synced/cluster1/cilium/state/nodes/v1",
        "cilium/synced/cluster1/cilium/state/services/v1", "cilium/state/nodes/v1/cluster1/cluster1-node1",
        "cilium/state/services/v1/cluster1/shop/api-server", "cilium/state/ip/v1/default/10.1.",
        "cilium/state/identities/v1/id/", "cilium/.heartbeat"})
    EXPECT_THAT(keys, HasSubstr(k));
  EXPECT_NE(etcdctl({"get", "--prefix", "cilium/cluster-config/"}).code, 0);
  const auto put = etcdctl({"put", "cilium/state/nodes/v1/cluster1/evil", "x"});
  EXPECT_NE(put.code, 0);
  EXPECT_THAT(put.out + put.err, HasSubstr("permission denied"));
  EXPECT_NE(etcdctl({"del", "cilium/cluster-config/cluster1"}).code, 0);
  const auto elsewhere = etcdctl({"get", "--prefix", "secret/"});
  EXPECT_NE(elsewhere.code, 0) << elsewhere.describe();
  const auto service = etcdctl({"get", "--print-value-only", "cilium/state/services/v1/cluster1/shop/api-server"});
  for (const char* field : {"\"cluster\":\"cluster1\"", "\"namespace\":\"shop\"", "\"name\":\"api-server\"",
                            "\"backends\":", "\"shared\":true"})
    EXPECT_THAT(service.out, HasSubstr(field));
}

TEST_F(MeshTest, pods_reach_the_outside_under_their_nodes_address) {
  Background server(lab.exec_argv("client", {"weft-lab-echo", "--port", "8099"}), lab.env());
  std::string said;
  EXPECT_TRUE(eventually(10s, "the outside host answers a pod", [&] {
    const auto r = lab.exec("cluster1/client", {"curl", "-s", "-m", "2", "http://172.18.9.10:8099/"}, 10s, "shop");
    said = r.out;
    return Seen{r.ok() && !r.out.empty(), r.describe()};
  }));
  EXPECT_THAT(said, HasSubstr("172.18.1.1")) << "one of the nodes, 172.18.1.11 to .13";
  EXPECT_THAT(said, Not(HasSubstr("\"10.1.")));
}

// A file with access data, gone with this object.
class AccessFile {
 public:
  explicit AccessFile(const std::string& content)
      : path_((std::filesystem::temp_directory_path() / fmt::format("weft-e2e-{}.kubeconfig", ::getpid())).string()) {
    EXPECT_TRUE(write_file(path_, content, 0600));
  }
  ~AccessFile() { std::filesystem::remove(path_); }
  AccessFile(const AccessFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST_F(MeshTest, a_cluster_of_equal_name_and_id_is_refused_whatever_its_context_is_called_and_the_mesh_stays) {
  // cluster1 itself, as a second context that nothing but its contents tells from another cluster.
  const auto view = lab.kubectl("cluster1", {"config", "view", "--raw", "-o", "json"});
  ASSERT_TRUE(view.ok()) << view.describe();
  auto config = json::parse(view.out);
  auto& contexts = config.at("contexts").as_array();
  const auto one = std::find_if(contexts.begin(), contexts.end(),
                                [](const json::value& c) { return c.at("name").as_string() == "cluster1"; });
  ASSERT_NE(one, contexts.end());
  json::value mirror = *one;
  mirror.at("name") = "mirror";
  contexts.push_back(std::move(mirror));
  const AccessFile file(json::serialize(config));
  const auto secret = [&] {
    return lab.get_json("cluster1", {"-n", "kube-system", "secret", "cilium-clustermesh"}).at("data");
  };
  const auto before = secret();
  const auto refused = lab.weft({"clustermesh", "connect", "--kubeconfig", file.path(), "--context", "cluster1",
                                 "--destination-context", "mirror"});
  EXPECT_EQ(refused.code, 1) << refused.describe();
  for (const char* part : {"cluster1 and mirror have the same cluster.name \"cluster1\"",
                           "cluster1 and mirror have the same cluster.id 1", "nothing was changed"})
    EXPECT_THAT(refused.out + refused.err, HasSubstr(part)) << refused.describe();
  EXPECT_EQ(secret(), before);
  // The one context given twice is no cluster to connect with either.
  const auto self = lab.weft({"clustermesh", "connect", "--context", "cluster1", "--destination-context", "cluster1"});
  EXPECT_NE(self.code, 0);
  EXPECT_THAT(self.out + self.err, HasSubstr("is the context to connect from; name another")) << self.describe();
  const auto status = mesh.status("cluster1");
  EXPECT_TRUE(status.ok()) << status.describe();
}

TEST_F(MeshTest, the_agent_says_what_it_knows) {
  const auto services = mesh.on_node("cluster1", 1, {"weft", "service", "list", "--clustermesh"});
  EXPECT_TRUE(services.ok()) << services.describe();
  EXPECT_THAT(services.out, AllOf(HasSubstr("api-server"), HasSubstr("cluster2")));
  const auto nodes = mesh.on_node("cluster1", 1, {"weft", "node", "list"});
  for (const char* n : {"cluster1-node3", "cluster2-node2", "172.18.2.13"})
    EXPECT_THAT(nodes.out, HasSubstr(n)) << nodes.describe();
  EXPECT_THAT(mesh.on_node("cluster1", 1, {"weft", "identity", "list"}).out, HasSubstr("app=api-server"));
  const auto endpoints = lab.kubectl("cluster1", {"get", "ciliumendpoints", "-A"});
  EXPECT_THAT(endpoints.out, HasSubstr("api-server-")) << endpoints.describe();
  const auto maps = mesh.on_node("cluster1", 1, {"weft", "bpf", "lb", "list", "-o", "json"});
  EXPECT_TRUE(maps.ok()) << maps.describe();
  boost::system::error_code ec;
  json::parse(maps.out, ec);
  EXPECT_FALSE(ec) << maps.describe();
}

TEST_F(MeshTest, prometheus_is_told_how_the_remote_clusters_stand) {
  const auto scrape = mesh.on_node("cluster1", 2, {"curl", "-s", "-m", "5", "http://127.0.0.1:9962/metrics"});
  EXPECT_TRUE(scrape.ok()) << scrape.describe();
  for (const char* line :
       {"cilium_clustermesh_remote_clusters 1",
        "cilium_clustermesh_remote_cluster_nodes{target_cluster=\"cluster2\"} 3",
        "cilium_clustermesh_remote_cluster_services{target_cluster=\"cluster2\"} 1",
        "cilium_clustermesh_remote_cluster_readiness_status{target_cluster=\"cluster2\"} 1",
        "cilium_clustermesh_remote_cluster_cache_revocations{target_cluster=\"cluster2\"} 0",
        "cilium_bpf_map_pressure{map_name=\"lb_frontends\"}", "weft_service_translations_total{outcome=\"chosen\"}"})
    EXPECT_THAT(scrape.out, HasSubstr(line)) << scrape.describe();
}

// The last of this file: everything above has been asked by then.
TEST_F(MeshTest, the_charts_rules_are_all_that_weft_needs_and_give_no_more) {
  EXPECT_THAT(lab.forbidden(), ::testing::ElementsAre());
  const auto may = [&](const char* account, const char* verb, const char* group, const char* what,
                       const char* ns) -> std::string {
    json::object review{
        {"spec",
         json::object{{"user", std::string("system:serviceaccount:kube-system:") + account},
                      {"resourceAttributes",
                       json::object{{"verb", verb}, {"group", group}, {"resource", what}, {"namespace", ns}}}}}};
    const auto r =
        lab.kubectl("cluster1", {"create", "--raw", "/apis/authorization.k8s.io/v1/subjectaccessreviews", "-f", "-"},
                    json::serialize(review));
    return r.out.find("\"allowed\":true") != std::string::npos    ? "yes"
           : r.out.find("\"allowed\":false") != std::string::npos ? "no"
                                                                  : r.describe();
  };
  constexpr const char* kLeases = "coordination.k8s.io";
  EXPECT_EQ(may("weft-agent", "update", "", "configmaps", "weft-mesh-status"), "yes");
  EXPECT_EQ(may("weft-operator", "update", kLeases, "leases", "kube-system"), "yes") << "the question is put right";
  for (const char* what : {"configmaps", "secrets"})
    EXPECT_EQ(may("weft-agent", "update", "", what, "kube-system"), "no") << what;
  EXPECT_EQ(may("weft-agent", "update", kLeases, "leases", "kube-system"), "no");
}

}  // namespace
}  // namespace weft::e2e
