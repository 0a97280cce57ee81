// weft-lab-node in a lab of one node, with the lab's API server and controllers, and a CNI plugin of a few lines of
// shell. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <thread>

#include "async/scope.h"
#include "base/file.h"
#include "kube/client.h"
#include "lab/node/json.h"
#include "lab/sys/process.h"
#include "lab/up/build.h"
#include "lab/up/exec.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

// Gives each pod one address on an interface that leads nowhere, and notes every call.
constexpr const char* kPlugin = R"plugin(#!/bin/sh
cat > /run/cni-input
echo "$CNI_COMMAND $CNI_ARGS" >> /run/cni-calls
[ -e /run/cni-broken ] && { echo '{"cniVersion":"1.0.0","code":11,"msg":"agent is away"}'; exit 1; }
case "$CNI_COMMAND" in
ADD) nsenter --net="$CNI_NETNS" ip link add "$CNI_IFNAME" type veth peer name peer0 >&2 && nsenter --net="$CNI_NETNS" ip addr add 10.1.0.9/32 dev "$CNI_IFNAME" >&2
     nsenter --net="$CNI_NETNS" ip link set "$CNI_IFNAME" up >&2
     echo '{"cniVersion":"1.0.0","ips":[{"address":"10.1.0.9/32"}]}' ;;
esac
)plugin";

class Node : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (::geteuid() != 0) return;
    const std::string name = "n" + std::to_string(::getpid());
    file_ = fs::temp_directory_path() / (name + ".yaml");
    ASSERT_TRUE(write_file(file_,
                           "clusters: [{name: one, nodes: 1}]\nclients: {hosts: []}\nimages: [{image: greeter, "
                           "command: [echo, hello]}]\n"));
    UpOptions o;
    o.name = name;
    o.file = file_;
    o.bin = WEFT_BIN_DIR;
    auto r = up(o, [](const std::string&) {});
    ASSERT_TRUE(r) << r.error().message;
    lab_ = std::make_unique<LabRecord>(std::move(*r));
    io_ = std::make_unique<asio::io_context>(1);
    auto config = kube::load_kubeconfig(lab_->paths.kubeconfig(), "one");
    ASSERT_TRUE(config) << config.error().message;
    client_ = std::make_unique<kube::Client>(*io_, *config);
    // Through the node's own root: its folders are in its mount namespace alone.
    const std::string root = "/proc/" + std::to_string(lab_->holders.at("one-node1").pid) + "/root";
    ASSERT_TRUE(write_file(root + "/opt/cni/bin/test-cni", kPlugin, 0755));
    ASSERT_TRUE(write_file(root + "/etc/cni/net.d/10-test.conflist",
                           R"({"cniVersion":"1.0.0","name":"t","plugins":[{"type":"test-cni","mark":7}]})"));
    root_ = root;
  }
  static void TearDownTestSuite() {
    client_.reset();
    io_.reset();
    if (lab_) (void)down(lab_->paths.name, [](const std::string&) {});
    lab_.reset();
    std::error_code ec;
    fs::remove(file_, ec);
  }
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "needs root";
    ASSERT_TRUE(lab_) << "the lab did not come up";
  }

  template <class T>
  static Task<int> keep(Task<Result<T>> task, Result<T>& out) {
    out = co_await std::move(task);
    co_return 0;
  }
  template <class T>
  static Result<T> run(Task<Result<T>> task) {
    Result<T> out = fail(Errc::internal, "did not run");
    (void)run_to_completion(*io_, keep(std::move(task), out));
    io_->restart();
    return out;
  }

  static void create(const std::string& name, const std::string& spec) {
    const auto object = json::parse(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
                                    R"(","namespace":"default","labels":{"app":"x"}},"spec":)" + spec + "}")
                            .as_object();
    const auto r = run(client_->create(kube::kPods, "default", object));
    ASSERT_TRUE(r) << r.error().message;
  }
  static json::object get(const std::string& name) {
    return run(client_->get(kube::kPods, "default", name)).value_or(json::object{});
  }
  static bool remove(const std::string& name) { return run(client_->remove(kube::kPods, "default", name)).has_value(); }
  static bool eventually(const std::function<bool()>& fact, std::chrono::seconds limit = 20s) {
    for (const auto until = std::chrono::steady_clock::now() + limit; std::chrono::steady_clock::now() < until;
         std::this_thread::sleep_for(50ms))
      if (fact()) return true;
    return false;
  }
  static std::string ready(const std::string& name) {
    const auto pod = get(name);
    for (const auto& c : list(pod, "/status/conditions"))
      if (str(c.as_object(), "/type") == "Ready") return str(c.as_object(), "/status");
    return "";
  }
  static json::object container(const std::string& name) {
    const auto pod = get(name);
    const auto& all = list(pod, "/status/containerStatuses");
    return all.empty() ? json::object{} : all[0].as_object();
  }
  static int in_pod(const std::string& name, const std::string& script) {
    const auto place = find_place(*lab_, "one/" + name, "default", "");
    if (!place) return -1;
    return run_in(*place, {"sh", "-c", script}).value_or(-2);
  }
  static std::string log(const std::string& name) {
    const auto place = find_place(*lab_, "one/" + name, "default", "");
    return place ? read_file(place->log).value_or("no log") : place.error().message;
  }
  static std::string calls() { return read_file(root_ + "/run/cni-calls").value_or(""); }

  static inline std::unique_ptr<LabRecord> lab_;
  static inline std::unique_ptr<asio::io_context> io_;
  static inline std::unique_ptr<kube::Client> client_;
  static inline std::string file_, root_;
};

const char* kSleeper =
    R"({"terminationGracePeriodSeconds":5,"containers":[{"name":"c","image":"none","command":["sh","-c"],
  "args":["trap 'echo asked to end; exit 3' TERM; echo up as $(ME); while :; do sleep 0.1; done"],
  "env":[{"name":"ME","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}]}]})";

TEST_F(Node, a_pod_gets_network_environment_account_and_hosts) {
  create("full", kSleeper);
  ASSERT_TRUE(eventually([] { return ready("full") == "True"; })) << json::serialize(get("full"));
  EXPECT_EQ(str(get("full"), "/status/podIP"), "10.1.0.9");
  EXPECT_TRUE(eventually([] { return log("full") == "up as full\n"; })) << log("full");
  EXPECT_EQ(
      in_pod("full",
             "test $(hostname) = full && grep -q '10.1.0.9.full' /etc/hosts && ip addr show eth0 | grep -q 10.1.0.9"),
      0);
  EXPECT_EQ(in_pod("full",
                   "grep -q '^nameserver 10.96.0.10' /etc/resolv.conf && grep -q 'search default.svc.cluster.local' "
                   "/etc/resolv.conf"),
            0);
  EXPECT_EQ(in_pod("full",
                   "cd /var/run/secrets/kubernetes.io/serviceaccount && test -s token -a -s ca.crt && test $(cat "
                   "namespace) = default"),
            0);
  EXPECT_EQ(in_pod("full", "touch /usr/of-pod && test ! -e /etc/cni/net.d/10-test.conflist"), 0)
      << "its files are its own, not the node's";
  EXPECT_THAT(read_file(root_ + "/run/cni-input").value_or(""), HasSubstr("\"mark\":7"));
  EXPECT_TRUE(remove("full"));
  EXPECT_TRUE(eventually([] { return get("full").empty(); }));
  EXPECT_THAT(calls(), HasSubstr("DEL IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=full"));
}

TEST_F(Node, its_restart_leaves_pods_running_and_in_its_care) {
  create("stays", kSleeper);
  ASSERT_TRUE(eventually([] { return ready("stays") == "True"; })) << json::serialize(get("stays"));
  const auto before = find_place(*lab_, "one/stays", "default", "");
  ASSERT_TRUE(before);
  ProcessId kubelet;
  for (const auto& p : process_statuses(lab_->paths))
    if (p.name == "one-node1/kubelet") kubelet = p.id;
  ASSERT_EQ(::kill(kubelet.pid, SIGKILL), 0);
  ASSERT_TRUE(eventually([&] {
    for (const auto& p : process_statuses(lab_->paths))
      if (p.name == "one-node1/kubelet" && alive(p.id) && !(p.id == kubelet)) return true;
    return false;
  }));
  EXPECT_TRUE(alive(before->process));
  ASSERT_TRUE(eventually([] { return remove("stays"); }));
  EXPECT_TRUE(eventually([] { return get("stays").empty(); }));
  EXPECT_FALSE(alive(before->process));
}

TEST_F(Node, a_container_that_ends_is_started_again_and_its_last_words_are_kept) {
  create("again",
         R"({"containers":[{"name":"c","image":"none","command":["sh","-c","echo going; sleep 1; exit 5"]}]})");
  EXPECT_TRUE(eventually([] { return integer(container("again"), "/restartCount") >= 2; }))
      << json::serialize(container("again"));
  EXPECT_EQ(integer(container("again"), "/lastState/terminated/exitCode"), 5);
  EXPECT_THAT(str(container("again"), "/lastState/terminated/message"), HasSubstr("going"));
  EXPECT_TRUE(remove("again"));
}

TEST_F(Node, init_containers_come_first_and_readiness_follows_its_probe) {
  create("steps", R"({"terminationGracePeriodSeconds":1,"volumes":[{"name":"v","emptyDir":{}}],
    "initContainers":[{"name":"i","image":"none","command":["sh","-c","sleep 0.5; echo made > /v/f"],"volumeMounts":[{"name":"v","mountPath":"/v"}]}],
    "containers":[{"name":"c","image":"none","command":["sh","-c","cat /v/f; sleep 1000"],"volumeMounts":[{"name":"v","mountPath":"/v"}],
      "readinessProbe":{"exec":{"command":["test","-e","/v/ready"]},"periodSeconds":1}}]})");
  ASSERT_TRUE(eventually([] { return log("steps") == "made\n"; })) << log("steps");
  EXPECT_EQ(ready("steps"), "False");
  EXPECT_TRUE(eventually([] { return in_pod("steps", "touch /v/ready") == 0; }));
  EXPECT_TRUE(eventually([] { return ready("steps") == "True"; }));
  EXPECT_EQ(in_pod("steps", "rm /v/ready"), 0);
  EXPECT_TRUE(eventually([] { return ready("steps") == "False"; }));
  EXPECT_TRUE(remove("steps"));
}

TEST_F(Node, what_cannot_run_says_why) {
  create("nocmd", R"({"containers":[{"name":"c","image":"mystery:1"}]})");
  create("noprog",
         R"({"restartPolicy":"Never","containers":[{"name":"c","image":"none","command":["/no/such/program"]}]})");
  create("mapped", R"({"restartPolicy":"Never","containers":[{"name":"c","image":"greeter:2","args":["world"]}]})");
  EXPECT_TRUE(eventually([] { return str(container("nocmd"), "/state/waiting/reason") == "ContainerCannotRun"; }))
      << json::serialize(container("nocmd"));
  EXPECT_THAT(str(container("nocmd"), "/state/waiting/message"), HasSubstr("mystery:1"));
  EXPECT_TRUE(eventually([] { return str(get("noprog"), "/status/phase") == "Failed"; }));
  EXPECT_THAT(str(container("noprog"), "/state/terminated/message"), HasSubstr("/no/such/program"));
  EXPECT_TRUE(eventually([] { return str(get("mapped"), "/status/phase") == "Succeeded"; }));
  EXPECT_EQ(log("mapped"), "hello world\n");
  for (const char* name : {"nocmd", "noprog", "mapped"}) EXPECT_TRUE(remove(name));
}

TEST_F(Node, while_the_network_is_refused_a_pod_waits_and_then_comes_up) {
  ASSERT_TRUE(write_file(root_ + "/run/cni-broken", ""));
  create("waits", kSleeper);
  EXPECT_TRUE(eventually([] {
    return str(container("waits"), "/state/waiting/message").find("agent is away") != std::string::npos;
  })) << json::serialize(container("waits"));
  fs::remove(root_ + "/run/cni-broken");
  EXPECT_TRUE(eventually([] { return ready("waits") == "True"; }));
  EXPECT_TRUE(remove("waits"));
  EXPECT_TRUE(eventually([] { return get("waits").empty(); }));
}

TEST_F(Node, a_mounted_config_map_follows_its_object) {
  const json::object cm = {{"apiVersion", "v1"},
                           {"kind", "ConfigMap"},
                           {"metadata", {{"name", "cm"}, {"namespace", "default"}}},
                           {"data", {{"k", "one"}}}};
  ASSERT_TRUE(run(client_->create(kube::kConfigMaps, "default", cm)));
  create("mounts", R"({"terminationGracePeriodSeconds":1,"volumes":[{"name":"v","configMap":{"name":"cm"}}],
    "containers":[{"name":"c","image":"none","command":["sleep","1000"],"volumeMounts":[{"name":"v","mountPath":"/v"}]}]})");
  ASSERT_TRUE(eventually([] { return in_pod("mounts", "test $(cat /v/k) = one") == 0; }));
  const json::value patch = json::object{{"data", {{"k", "two"}}}};
  ASSERT_TRUE(run(client_->patch(kube::kConfigMaps, "default", "cm", kube::PatchType::merge, patch)));
  EXPECT_TRUE(eventually([] { return in_pod("mounts", "test $(cat /v/k) = two") == 0; }));
  EXPECT_TRUE(remove("mounts"));
}

}  // namespace
}  // namespace weft::lab
