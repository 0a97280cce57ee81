#include "apps/cli/mesh_report.h"

#include <gtest/gtest.h>

#include "apps/cli/tests/objects.h"
#include "base/encoding.h"
#include "lab/pki/pki.h"

namespace weft::cli {
namespace {

using namespace std::chrono_literals;

const Wall::time_point kNow = parse_rfc3339("2026-03-01T10:00:00Z");

api::MeshStatus report(const std::string& node, bool ready, const std::string& why = "") {
  api::MeshStatus s;
  s.node = node;
  s.cluster = "cluster1";
  s.cluster_id = 1;
  s.updated = kNow - 5s;
  api::RemoteStatus r;
  r.name = "cluster2";
  r.ready = ready;
  r.why = why;
  r.cluster_id = 2;
  r.nodes = 3;
  r.services = 1;
  r.endpoints = 14;
  r.identities = 5;
  r.last_sync = kNow - 2s;
  r.rtt_ms = 0.84;
  s.remotes = {r};
  return s;
}

json::object pod(const std::string& node) {
  return obj(R"({"metadata": {"name": "weft-)" + node + R"("}, "spec": {"nodeName": ")" + node +
             R"("}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})");
}

MeshInput meshed() {
  static const std::string ca = lab::make_ca("test")->cert;
  MeshInput in;
  in.now = kNow;
  in.objects.context = "cluster1";
  in.objects.config = obj(
      R"({"data": {"cluster-name": "cluster1", "cluster-id": "1", "max-connected-clusters": "255", "routing-mode": "native"}})");
  in.objects.service = obj(R"({"spec": {"type": "NodePort", "ports": [{"port": 2379, "nodePort": 32379}]}})");
  in.objects.ca = json::object{{"data", json::object{{"ca.crt", base64_encode(ca)}}}};
  in.objects.nodes = {
      obj(R"({"metadata": {"name": "n1"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.18.1.11"}]}})"),
      obj(R"({"metadata": {"name": "n2"}, "status": {"addresses": [{"type": "InternalIP", "address": "172.18.1.12"}]}})")};
  in.objects.mesh_pods = {obj(R"({"spec": {"nodeName": "n2"}})")};
  in.deployment = obj(R"({"spec": {"replicas": 1}, "status": {"readyReplicas": 1}})");
  in.agent_pods = {pod("n1"), pod("n2")};
  in.remotes = std::vector<std::string>{"cluster2"};
  in.reports = {report("n2", true), report("n1", true)};
  return in;
}

TEST(MeshStatusText, begins_with_the_three_lines_and_goes_on_with_the_detail) {
  const auto r = mesh_report(meshed());
  EXPECT_TRUE(r.ready());
  EXPECT_EQ(render(r, false),
            "✅ Cluster Mesh: OK\n"
            "✅ Remote clusters: 1 connected\n"
            " - cluster2: ready, 3 nodes\n"
            "\n"
            "🔌 Mesh store\n"
            "   clustermesh-apiserver: 1 of 1 ready\n"
            "   cluster1 (id 1) is reached at 172.18.1.12:32379, 172.18.1.11:32379 (NodePort)\n"
            "   ⚠️  Service type NodePort detected! Service may fail when nodes are removed from the cluster!\n"
            "\n"
            "🌐 cluster2 (id 2): 2 of 2 nodes connected\n"
            "   NODE  STATE  NODES  SERVICES  ENDPOINTS  IDENTITIES  LAST SYNC  ROUND TRIP  RECONNECTIONS\n"
            "   n1    ready      3         1         14           5  2s ago         0.8 ms              0\n"
            "   n2    ready      3         1         14           5  2s ago         0.8 ms              0\n");
}

TEST(MeshStatusText, one_node_without_connection_makes_it_not_ready_and_says_why) {
  auto in = meshed();
  in.reports[1] = report("n1", false, "https://172.18.2.11:32379: connection refused");
  const auto r = mesh_report(in);
  EXPECT_FALSE(r.ready());
  const auto text = render(r, false);
  EXPECT_TRUE(text.starts_with(
      "❌ Cluster Mesh: remote clusters are not ready\n"
      "❌ Remote clusters: 0 of 1 connected\n"
      " - cluster2: not ready, 1 of 2 nodes connected: node n1: https://172.18.2.11:32379: connection refused\n"))
      << text;
  EXPECT_NE(text.find("   ❌ n1: https://172.18.2.11:32379: connection refused\n"), std::string::npos) << text;
  EXPECT_EQ(r.missing(), "cluster2 (1 of 2 nodes): node n1: https://172.18.2.11:32379: connection refused");
}

TEST(MeshStatusText, a_warning_is_said_once_and_the_mesh_is_ready_all_the_same) {
  auto in = meshed();
  for (auto& s : in.reports) s.remotes[0].warnings = {"172.18.2.19 is no node of cluster2 any more"};
  const auto r = mesh_report(in);
  EXPECT_TRUE(r.ready());
  const auto text = render(r, false);
  const auto at = text.find("   ⚠️  172.18.2.19 is no node of cluster2 any more\n");
  EXPECT_NE(at, std::string::npos) << text;
  EXPECT_EQ(text.find("172.18.2.19", at + 20), std::string::npos) << text;
}

TEST(MeshStatusText, one_remote_of_one_node_in_the_singular) {
  auto in = meshed();
  for (auto& s : in.reports) s.remotes[0].nodes = 1;
  EXPECT_NE(render(mesh_report(in), false).find(" - cluster2: ready, 1 node\n"), std::string::npos);
}

TEST(MeshStatusText, agents_that_are_silent_stale_or_behind_are_told_apart) {
  auto in = meshed();
  in.agent_pods.push_back(pod("n3"));
  in.reports[0].updated = kNow - 10min;
  in.reports[1].remotes.clear();
  const auto r = mesh_report(in);
  ASSERT_EQ(r.remotes.size(), 1u);
  const auto& nodes = r.remotes[0].nodes;
  EXPECT_EQ(nodes[0].why, "configured, not yet picked up by the agent");
  EXPECT_TRUE(nodes[1].why.starts_with("the agent's last report is 10m old")) << nodes[1].why;
  EXPECT_EQ(nodes[2].why, "the agent has not reported yet");
  EXPECT_EQ(r.remotes[0].connected, 0u);
}

TEST(MeshStatusText, not_enabled_and_not_installed_name_the_command) {
  auto in = meshed();
  in.deployment.reset();
  in.objects.service.reset();
  in.remotes.reset();
  in.reports.clear();
  EXPECT_EQ(render(mesh_report(in), false),
            "❌ Cluster Mesh: not enabled; run weft clustermesh enable --context cluster1\nℹ️  Remote clusters: none "
            "connected\n");
  in.objects.config.reset();
  EXPECT_FALSE(mesh_report(in).ready());
}

TEST(MeshStatusText, enabled_and_alone_is_ok) {
  auto in = meshed();
  in.remotes.reset();
  for (auto& s : in.reports) s.remotes.clear();
  const auto r = mesh_report(in);
  EXPECT_TRUE(r.ready());
  EXPECT_TRUE(render(r, false).starts_with("✅ Cluster Mesh: OK\nℹ️  Remote clusters: none connected\n"));
}

TEST(MeshStatusText, a_store_that_is_down_is_the_first_line) {
  auto in = meshed();
  in.deployment = obj(R"({"spec": {"replicas": 1}, "status": {}})");
  EXPECT_TRUE(
      render(mesh_report(in), false).starts_with("❌ Cluster Mesh: the mesh store is not ready, 0 of 1 replicas"));
}

TEST(MeshStatusText, a_remote_being_withdrawn_is_a_note) {
  auto in = meshed();
  in.remotes.reset();
  const auto r = mesh_report(in);
  EXPECT_TRUE(r.remotes.empty());
  ASSERT_EQ(r.notes.size(), 1u);
  EXPECT_EQ(r.notes[0], "cluster2: not configured any more, agents are withdrawing it");
}

TEST(MeshStatusJson, has_the_keys_that_scripts_read) {
  auto in = meshed();
  in.reports[1] = report("n1", false, "no");
  const auto o = to_json(mesh_report(in));
  EXPECT_EQ(o.at("ready"), json::value(false));
  EXPECT_EQ(o.at("access_information").at("service_port").to_number<int>(), 32379);
  EXPECT_EQ(o.at("access_information").at("cluster_name"), json::value("cluster1"));
  const auto& c = o.at("connectivity");
  EXPECT_EQ(json::serialize(c),
            R"({"connected":{"min":0,"avg":5E-1,"max":1},"clusters":{"cluster2":{"configured":2,"connected":1}},)"
            R"("total":2,"not_ready":1,"errors":{"n1":{"cluster2":"no"}}})");
  EXPECT_EQ(o.at("remotes").at(0).at("agents").at(1).at("status").at("endpoints").to_number<int>(), 14);
}

TEST(MeshStatusJson, only_files_with_endpoints_configure_a_remote) {
  const json::object secret{{"data", json::object{{"west", base64_encode("endpoints:\n- https://x")},
                                                  {"west.etcd-client.crt", base64_encode("PEM")},
                                                  {"bad", "%"}}}};
  EXPECT_EQ(configured_remotes(secret), std::vector<std::string>{"west"});
}

}  // namespace
}  // namespace weft::cli
