// What must go on when something dies: each fault under a load that counts its failures.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include <map>
#include <set>
#include <sstream>
#include <thread>

#include "tests/e2e/harness/mesh.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;

class Faults : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { Mesh::get(); }
  void SetUp() override { ASSERT_TRUE(mesh.reset()); }

  // The processes of a place that match: pgrep sees the whole machine, so only those in the place's network namespace
  // are meant. The first letter in brackets keeps the pattern from matching the command that carries it.
  std::set<int> pids(const std::string& place, const std::string& pattern) {
    const auto r =
        lab.exec(place, {"bash", "-c",
                         fmt::format("mine=$(readlink /proc/self/ns/net); for p in $(pgrep -f '[{}]{}'); do "
                                     "[ \"$(readlink /proc/$p/ns/net)\" = \"$mine\" ] && echo $p; done; true",
                                     pattern.substr(0, 1), pattern.substr(1))});
    std::istringstream in(r.out);
    std::set<int> out;
    for (int pid = 0; in >> pid;) out.insert(pid);
    return out;
  }
  // kill -9, and the proof that it hit: others run in their place afterwards.
  ::testing::AssertionResult kill(const std::string& place, const std::string& pattern) {
    const auto before = pids(place, pattern);
    if (before.empty()) return ::testing::AssertionFailure() << "nothing like '" << pattern << "' runs on " << place;
    Argv command{"kill", "-9"};
    for (const int p : before) command.push_back(std::to_string(p));
    const auto r = lab.exec(place, command);
    if (!r.ok()) return ::testing::AssertionFailure() << r.describe();
    return eventually(20s, "'" + pattern + "' runs again on " + place, [&] {
      const auto now = pids(place, pattern);
      std::string seen;
      bool fresh = !now.empty();
      for (const int p : now) {
        seen += std::to_string(p) + " ";
        if (before.contains(p)) fresh = false;
      }
      return Seen{fresh, "running: " + seen};
    });
  }
  std::string node(const std::string& cluster, int n) { return fmt::format("{0}/{0}-node{1}", cluster, n); }
  std::string node_of(const std::string& cluster, const Argv& what) {
    Argv args{"get"};
    args.insert(args.end(), what.begin(), what.end());
    args.insert(args.end(), {"-o", "jsonpath={.items[0].spec.nodeName}{.spec.nodeName}"});
    return lab.kubectl(cluster, args).out;
  }

  struct Loads {
    Background fresh, kept;
  };
  // New connections and one long-lived connection through the service, from the client of cluster1.
  Loads start(int seconds) {
    const auto fresh = mesh.load_argv("cluster1", {"--duration", std::to_string(seconds), "--interval", "5",
                                                   "--timeout", "2000", mesh.ip_url("cluster1", 4)});
    const auto kept = mesh.load_argv("cluster1", {"--duration", std::to_string(seconds), "--interval", "5", "--timeout",
                                                  "2000", "--keepalive", mesh.ip_url("cluster1", 6)});
    return {Background(fresh, lab.env()), Background(kept, lab.env())};
  }
  void expect_no_failure(Loads& loads) {
    for (auto* b : {&loads.fresh, &loads.kept}) {
      const Load l = parse_load(b->wait(120s));
      EXPECT_TRUE(l.parsed && l.requests > 100) << l.raw;
      EXPECT_EQ(l.failed, 0) << l.raw;
      std::cout << "[ load     ] " << l.requests << " requests, " << l.failed << " failed, longest gap "
                << l.longest_gap_ms << " ms" << std::endl;
    }
  }
  ::testing::AssertionResult healthy(std::chrono::seconds limit = 60s) {
    for (const auto& c : kBothClusters) {
      auto r = eventually(
          limit, "the mesh of " + c + " is well",
          [&] {
            const auto s = mesh.status(c);
            return Seen{s.ok() && s.out.starts_with("✅ Cluster Mesh: OK"), s.describe()};
          },
          500ms);
      if (!r) return r;
    }
    return ::testing::AssertionSuccess();
  }

  Mesh& mesh = Mesh::get();
  const Lab& lab = mesh.lab();
};

TEST_F(Faults, an_agent_killed_under_load_costs_no_request) {
  const std::string where = node_of("cluster1", {"-n", "shop", "pod", "client"});
  ASSERT_FALSE(where.empty());
  auto loads = start(12);
  std::this_thread::sleep_for(2s);  // both connections are made and in use
  EXPECT_TRUE(kill("cluster1/" + where, "weft-agent"));
  expect_no_failure(loads);
  EXPECT_TRUE(healthy());
  // And the new agent goes on: it follows changes.
  ASSERT_TRUE(mesh.scale("cluster1", 0));
  EXPECT_TRUE(mesh.all_from("cluster1", "cluster2", {mesh.url()}));
}

TEST_F(Faults, the_mesh_process_killed_costs_no_request_and_resumes) {
  const std::string where = node_of("cluster2", {"-n", "kube-system", "pods", "-l", "k8s-app=clustermesh-apiserver"});
  ASSERT_FALSE(where.empty());
  auto loads = start(12);
  std::this_thread::sleep_for(2s);
  EXPECT_TRUE(kill("cluster2/" + where, "weft-clustermesh"));
  expect_no_failure(loads);
  EXPECT_TRUE(healthy());
  ASSERT_TRUE(mesh.scale("cluster2", 0));
  EXPECT_TRUE(mesh.all_from("cluster1", "cluster1", {mesh.url()})) << "a change after the fault arrives";
}

TEST_F(Faults, the_mesh_store_killed_keeps_what_was_known_and_resumes) {
  const std::string where = node_of("cluster2", {"-n", "kube-system", "pods", "-l", "k8s-app=clustermesh-apiserver"});
  auto loads = start(15);
  std::this_thread::sleep_for(2s);
  EXPECT_TRUE(kill("cluster2/" + where, "etcd "));
  expect_no_failure(loads);
  EXPECT_TRUE(healthy(90s));
  ASSERT_TRUE(mesh.scale("cluster2", 1));
  const auto backends = [&] {
    const auto r = mesh.on_node("cluster1", 1, {"weft", "service", "list", "--clustermesh", "-o", "json"});
    return r.out;
  };
  ASSERT_TRUE(mesh.both_answer("cluster1", {mesh.url()}, 60s)) << backends();
}

TEST_F(Faults, the_kubernetes_etcd_killed_keeps_traffic_and_resumes) {
  auto loads = start(15);
  std::this_thread::sleep_for(2s);
  EXPECT_TRUE(kill("cluster1/cp", "etcd "));
  expect_no_failure(loads);
  EXPECT_TRUE(eventually(60s, "the API server works again", [&] {
    const auto r = lab.kubectl("cluster1", {"get", "nodes"});
    return Seen{r.ok(), r.describe()};
  }));
  ASSERT_TRUE(mesh.scale("cluster1", 0));
  EXPECT_TRUE(mesh.all_from("cluster1", "cluster2", {mesh.url()}, 60s));
}

TEST_F(Faults, a_cut_between_the_clusters_keeps_remote_rows_and_heals) {
  mesh.affinity("local");
  ASSERT_TRUE(mesh.all_from("cluster1", "cluster1", {mesh.url()}));
  const auto rows = [&] { return mesh.on_node("cluster1", 1, {"weft", "node", "list"}).out; };
  ASSERT_THAT(rows(), HasSubstr("cluster2-node1"));
  auto loads = start(75);
  const auto cut = lab.weft({"lab", "link", "cut", "cluster1", "cluster2", "--name", lab.name()});
  ASSERT_TRUE(cut.ok()) << cut.describe();
  // A change on the other side that cannot arrive now.
  ASSERT_TRUE(mesh.scale("cluster2", 3));
  EXPECT_TRUE(always(
      60s, "remote rows are kept while the link is cut",
      [&] {
        const std::string seen = rows();
        return Seen{seen.find("cluster2-node1") != std::string::npos, seen};
      },
      2s));
  EXPECT_FALSE(mesh.status("cluster1").ok()) << "and the status says that it is cut";
  const auto restore = lab.weft({"lab", "link", "restore", "cluster1", "cluster2", "--name", lab.name()});
  ASSERT_TRUE(restore.ok()) << restore.describe();
  EXPECT_TRUE(healthy(60s));
  expect_no_failure(loads);
  EXPECT_TRUE(eventually(30s, "the change of meanwhile has arrived", [&] {
    const std::string seen =
        mesh.on_node("cluster1", 1, {"weft", "service", "list", "--clustermesh", "-o", "json"}).out;
    std::set<std::string> remote;
    for (auto at = seen.find("10.2."); at != std::string::npos; at = seen.find("10.2.", at + 1))
      remote.insert(seen.substr(at, seen.find_first_of("\":/", at) - at));
    return Seen{remote.size() == 3, seen};
  }));
  mesh.affinity("");
  EXPECT_TRUE(mesh.both_answer("cluster1", {mesh.url()}));
}

TEST_F(Faults, five_hundred_changes_a_second_end_in_the_same_maps_everywhere) {
  // Slices of a global service without selector, written by us alone, as fast as a busy cluster would: thirty seconds'
  // worth of writes. A server that is slower than 500 a second (a real one takes some 300 here) only makes it last
  // longer.
  const std::string service = R"(
apiVersion: v1
kind: Service
metadata: {name: churn, namespace: shop, annotations: {service.cilium.io/global: "true"}}
spec: {ipFamilyPolicy: PreferDualStack, ports: [{name: http, port: 80, targetPort: 8080}]}
)";
  for (const auto& c : kBothClusters) ASSERT_TRUE(lab.apply(c, service));
  Background churn(Argv{program("weft-e2e-churn"), "--kubeconfig", lab.kubeconfig(), "--context", "cluster2",
                        "--namespace", "shop", "--service", "churn", "--rate", "500", "--writes", "15000"},
                   lab.env());
  const auto done = churn.wait(150s);
  ASSERT_TRUE(done.ok()) << done.describe();
  std::cout << "[ churn    ] " << done.out << std::flush;
  // The last state: what the server holds now.
  const auto final_state = json::parse(done.out);
  std::set<std::string> wanted;
  for (const auto& a : final_state.at("addresses").as_array()) wanted.insert(std::string(a.as_string()));
  ASSERT_FALSE(wanted.empty());
  EXPECT_EQ(final_state.at("writes").as_int64(), 15'000);
  EXPECT_GE(final_state.at("changes").as_int64(), 15'000) << "most writes changed something";
  for (const auto& c : kBothClusters) {
    const auto vip = lab.kubectl(c, {"-n", "shop", "get", "service", "churn", "-o", "jsonpath={.spec.clusterIP}"}).out;
    for (int n = 1; n <= 3; ++n) {
      EXPECT_TRUE(eventually(
          30s, fmt::format("{} has the final backends in its map", node(c, n)),
          [&] {
            const auto r = mesh.on_node(c, n, {"weft", "bpf", "lb", "list", "-o", "json"});
            std::set<std::string> have;
            boost::system::error_code ec;
            const auto v = json::parse(r.out, ec);
            if (ec) return Seen{false, r.describe()};
            const std::string all = json::serialize(v);
            for (const auto& a : wanted)
              if (all.find('"' + a + ":8080\"") != std::string::npos || all.find('"' + a + '"') != std::string::npos)
                have.insert(a);
            // Addresses of the range that only this load uses, and that are not of the final state.
            std::size_t surplus = 0;
            for (auto at = all.find("\"10.2.250."); at != std::string::npos; at = all.find("\"10.2.250.", at + 1)) {
              const std::string a = all.substr(at + 1, all.find_first_of("\":", at + 1) - at - 1);
              surplus += !wanted.contains(a);
            }
            return Seen{have == wanted && surplus == 0, fmt::format("{} of {} addresses, {} surplus, for {}",
                                                                    have.size(), wanted.size(), surplus, vip)};
          },
          500ms));
    }
  }
  for (const auto& c : kBothClusters) lab.kubectl(c, {"-n", "shop", "delete", "service", "churn"});
}

}  // namespace
}  // namespace weft::e2e
