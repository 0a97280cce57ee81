// A cluster's life with Weft: installed, asked, left. After weft uninstall nothing of it is on the nodes, and another
// installation, or another network, finds them as the first did.
#include <gmock/gmock.h>

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "tests/e2e/harness/lab.h"

namespace weft::e2e {
namespace {

using namespace std::chrono_literals;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

const std::string kNodes[] = {"cluster1-node1", "cluster1-node2"};

Lab& lab_of_one() {
  Lab::use_topology(source_path("tests/e2e/topologies/single.yaml"));
  return Lab::get();
}

class Uninstall : public ::testing::Test {
 protected:
  Output weft(Argv args, std::chrono::seconds limit = 300s) const {
    args.insert(args.end(), {"--context", "cluster1"});
    return lab.weft(args, limit);
  }
  void install() const {
    const auto r =
        weft({"install", "--set", "cluster.name=cluster1", "--set", "cluster.id=1", "--wait", "--wait-duration", "3m"});
    ASSERT_TRUE(r.ok()) << r.describe();
    pods_have_a_network();
  }
  // Those that were there without one, or whose one went with an uninstall.
  void pods_have_a_network() const {
    const auto gone = lab.kubectl(
        "cluster1", {"-n", "kube-system", "delete", "pod", "-l", "k8s-app=kube-dns", "--wait=true"}, {}, 90s);
    ASSERT_TRUE(gone.ok()) << gone.describe();
    const auto ready = lab.kubectl(
        "cluster1", {"-n", "kube-system", "rollout", "status", "deployment/kube-dns", "--timeout=120s"}, {}, 130s);
    EXPECT_TRUE(ready.ok()) << ready.describe()
                            << lab.kubectl("cluster1", {"get", "pods", "-A", "-o", "wide"}).describe();
  }
  // What agents leave on a node, each with a line; empty: it is clean.
  std::string left_on(const std::string& node) const {
    const auto r =
        lab.exec("cluster1/" + node,
                 {"bash", "-c",
                  "ls -d /etc/cni/net.d/05-weft.conflist /opt/cni/bin/weft-cni /sys/fs/bpf/weft "
                  "/var/run/weft/state /var/run/weft/weft.sock 2>/dev/null; ip -o link show | grep -E "
                  "'weft_|lxc'; for p in 214 215; do ip route show table all proto $p; ip -6 route show table "
                  "all proto $p; done; nft list tables | grep weft; true"});
    return r.ok() ? r.out : r.describe();
  }
  Lab& lab = lab_of_one();
};

TEST_F(Uninstall, a_cluster_is_asked_and_left_clean) {
  install();
  for (const auto& node : kNodes) {
    const auto there = left_on(node);
    for (const char* part : {"05-weft.conflist", "weft-cni", "/sys/fs/bpf/weft", "weft.sock", "weft_host", "weft_vxlan",
                             " dev weft_vxlan ", "weft_masquerade"})
      EXPECT_THAT(there, HasSubstr(part)) << "the test looks in the wrong place on " << node;
  }

  const auto config = weft({"config", "view"});
  EXPECT_TRUE(config.ok()) << config.describe();
  EXPECT_THAT(config.out, AllOf(StartsWith("KEY "), HasSubstr("cluster-name "), HasSubstr("cluster1\n")));
  boost::system::error_code ec;
  const auto parsed = json::parse(weft({"config", "view", "-o", "json"}).out, ec);
  ASSERT_FALSE(ec);
  EXPECT_EQ(parsed.at("cluster-id"), json::value("1"));

  // The agent of a node, asked there.
  std::size_t found = 0;
  for (const auto& node : kNodes) {
    const auto r = lab.exec("cluster1/" + node, {"weft", "endpoint", "list", "-o", "json"});
    ASSERT_TRUE(r.ok()) << r.describe();
    const auto endpoints = json::parse(r.out, ec);
    ASSERT_FALSE(ec) << r.describe();
    for (const auto& e : endpoints.as_array()) {
      ++found;
      EXPECT_EQ(e.at("namespace"), json::value("kube-system")) << r.out;
      EXPECT_THAT(std::string(e.at("interface").as_string()), StartsWith("lxc")) << r.out;
    }
  }
  EXPECT_GE(found, 1u) << "the DNS server's pod is on one of the nodes";

  const auto gone = weft({"uninstall", "--wait", "--wait-duration", "3m"});
  ASSERT_TRUE(gone.ok()) << gone.describe();
  EXPECT_THAT(gone.out, HasSubstr("✅ Weft is uninstalled from cluster1, 2 nodes are clean")) << gone.describe();
  for (const auto& node : kNodes) EXPECT_EQ(left_on(node), "") << node;
  const auto pods =
      lab.kubectl("cluster1", {"get", "pods", "-A", "-l", "app.kubernetes.io/part-of=weft", "-o", "name"});
  EXPECT_EQ(pods.out, "") << pods.describe();
  const auto again = weft({"uninstall"});
  EXPECT_EQ(again.code, 1);
  EXPECT_THAT(again.err, HasSubstr("cluster1: no release weft in namespace kube-system"));

  // As clean as before: the next one starts from nothing.
  install();
}

// The lab's API server has no exec: this is a kubectl that goes the lab's own way.
TEST_F(Uninstall, lists_of_a_cluster_come_from_agents_pods) {
  if (!lab.kubectl("cluster1", {"-n", "kube-system", "get", "daemonset", "weft-agent"}).ok()) install();
  const auto kubectl = std::filesystem::temp_directory_path() / fmt::format("weft-e2e-kubectl-{}", ::getpid());
  std::ofstream(kubectl) << "#!/bin/bash\nwhile [ $# -gt 0 ] && [ \"$1\" != exec ]; do shift; done\n"
                            "pod=$2; while [ \"$1\" != -- ]; do shift; done; shift\n"
                         << "exec " << program("weft") << " lab exec --name " << lab.name()
                         << " -n kube-system cluster1/$pod -- \"$@\"\n";
  std::filesystem::permissions(kubectl, std::filesystem::perms::owner_all);
  ::setenv("WEFT_KUBECTL", kubectl.c_str(), 1);
  const auto services = weft({"service", "list"});
  EXPECT_TRUE(services.ok()) << services.describe();
  EXPECT_THAT(services.out, AllOf(StartsWith("ID  Frontend"), HasSubstr("kube-system/kube-dns")))
      << services.describe();
  EXPECT_THAT(services.err, HasSubstr("As node cluster1-node1 has it, one of 2; --node asks another"));
  const auto maps = weft({"bpf", "lb", "list", "--node", "cluster1-node2"});
  EXPECT_TRUE(maps.ok()) << maps.describe();
  EXPECT_THAT(maps.err, HasSubstr("As node cluster1-node2 has it")) << maps.describe();
  const auto endpoints = weft({"endpoint", "list"});
  EXPECT_TRUE(endpoints.ok()) << endpoints.describe();
  EXPECT_THAT(endpoints.out, StartsWith("Node")) << endpoints.describe();
  EXPECT_THAT(endpoints.err, HasSubstr("From 2 of 2 nodes"));
  ::unsetenv("WEFT_KUBECTL");
  std::filesystem::remove(kubectl);
}

// What is there when somebody interrupts weft uninstall: agents' pods that clean up, and the release.
TEST_F(Uninstall, an_interrupted_one_is_taken_back_by_an_upgrade) {
  if (!lab.kubectl("cluster1", {"-n", "kube-system", "get", "daemonset", "weft-agent"}).ok()) install();
  const auto patched = lab.kubectl(
      "cluster1",
      {"-n", "kube-system", "patch", "daemonset", "weft-agent", "--type=json", "-p",
       R"([{"op": "add", "path": "/spec/template/spec/containers/0/args/-", "value": "--cleanup-and-wait"}])"});
  ASSERT_TRUE(patched.ok()) << patched.describe();
  for (const auto& node : kNodes)
    EXPECT_TRUE(eventually(90s, node + " is clean", [&] {
      const auto left = left_on(node);
      return Seen{left.empty(), left};
    }));
  const auto back = weft({"upgrade", "--wait", "--wait-duration", "3m"});
  ASSERT_TRUE(back.ok()) << back.describe();
  const auto args = lab.kubectl("cluster1", {"-n", "kube-system", "get", "daemonset", "weft-agent", "-o",
                                             "jsonpath={.spec.template.spec.containers[0].args}"});
  EXPECT_EQ(args.out, R"(["--config-dir=/etc/weft/config"])");
  for (const auto& node : kNodes)
    EXPECT_THAT(left_on(node), AllOf(HasSubstr("05-weft.conflist"), HasSubstr("/sys/fs/bpf/weft"))) << node;
  pods_have_a_network();
}

TEST_F(Uninstall, a_datapath_that_is_kept_is_taken_over) {
  if (!lab.kubectl("cluster1", {"-n", "kube-system", "get", "daemonset", "weft-agent"}).ok()) install();
  const auto kept = weft({"uninstall", "--keep-datapath", "--wait", "--wait-duration", "3m"});
  ASSERT_TRUE(kept.ok()) << kept.describe();
  EXPECT_THAT(kept.out, HasSubstr("Another weft install takes over")) << kept.describe();
  for (const auto& node : kNodes)
    EXPECT_THAT(left_on(node),
                AllOf(HasSubstr("05-weft.conflist"), HasSubstr("/sys/fs/bpf/weft"), HasSubstr("weft_host")))
        << node;
  const auto r =
      weft({"install", "--set", "cluster.name=cluster1", "--set", "cluster.id=1", "--wait", "--wait-duration", "3m"});
  EXPECT_TRUE(r.ok()) << r.describe();
}

}  // namespace
}  // namespace weft::e2e
