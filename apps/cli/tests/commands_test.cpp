// The command line as typed: parsing, completion, errors, and reading a cluster through the in-memory API server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <CLI/CLI.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json.hpp>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "api/server.h"
#include "api/views.h"
#include "apps/cli/app.h"
#include "apps/cli/cluster.h"
#include "apps/cli/completion.h"
#include "apps/cli/helm.h"
#include "apps/cli/process.h"
#include "apps/cli/tests/objects.h"
#include "apps/cli/wait.h"
#include "base/encoding.h"
#include "base/file.h"
#include "kube/client.h"
#include "kube/fake.h"
#include "lab/pki/pki.h"

namespace weft::cli {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct Typed {
  int code;
  std::string out, err;
  Target target;
};

Typed type(std::vector<const char*> words) {
  words.insert(words.begin(), "weft");
  CLI::App app;
  Context context;
  build(app, context);
  ::testing::internal::CaptureStdout();
  ::testing::internal::CaptureStderr();
  const int code = run(app, context, static_cast<int>(words.size()), words.data());
  return {code, ::testing::internal::GetCapturedStdout(), ::testing::internal::GetCapturedStderr(), context.target};
}

TEST(CommandLine, version_and_help) {
  EXPECT_EQ(type({"version"}).out, "weft " WEFT_VERSION "\n");
  EXPECT_EQ(type({"--version"}).code, 0);
  const auto help = type({"clustermesh", "--help"});
  EXPECT_EQ(help.code, 0);
  for (const char* word : {"enable", "disable", "connect", "disconnect", "status"})
    EXPECT_THAT(help.out, HasSubstr(word));
}

TEST(CommandLine, a_duration_that_is_none_is_said_before_anybody_is_asked) {
  const auto typed = type({"bgp", "peers", "--socket", "/nowhere/weft.sock", "--wait-duration", "soon"});
  EXPECT_NE(typed.code, 0);
  EXPECT_THAT(typed.err, HasSubstr("--wait-duration"));
  EXPECT_THAT(typed.err, HasSubstr("soon"));
}

TEST(CommandLine, global_options_may_stand_anywhere) {
  EXPECT_EQ(type({"--context", "a", "--kubeconfig", "/absent", "status"}).target.context, "a");
  EXPECT_EQ(type({"clustermesh", "status", "--context", "b", "--kubeconfig", "/absent", "-n", "x"}).target.ns, "x");
}

TEST(CommandLine, mistakes_are_named_and_exit_with_2) {
  auto t = type({"clustermesh", "conect"});
  EXPECT_EQ(t.code, 2);
  EXPECT_THAT(t.err, HasSubstr("Error: weft clustermesh: no command \"conect\"; did you mean connect?"));
  t = type({"frobnicate"});
  EXPECT_THAT(t.err, HasSubstr("weft: no command \"frobnicate\"; it knows bgp, bpf, clustermesh, completion"));
  t = type({"clustermesh", "enable", "--service-type", "Ingress"});
  EXPECT_EQ(t.code, 2);
  EXPECT_THAT(t.err, HasSubstr("--service-type"));
  EXPECT_EQ(type({"status", "-o", "xml"}).code, 2);
  EXPECT_EQ(type({}).code, 2);
  EXPECT_EQ(type({"install", "--values", "/absent.yaml"}).code, 2);
}

TEST(CommandLine, connect_wants_another_cluster) {
  auto t = type({"clustermesh", "connect", "--context", "a"});
  EXPECT_EQ(t.code, 2);
  EXPECT_THAT(t.err, HasSubstr("--destination-context is missing"));
  t = type({"clustermesh", "connect", "--context", "a", "--destination-context", "a"});
  EXPECT_EQ(t.code, 2);
  EXPECT_THAT(t.err, HasSubstr("is the context to connect from"));
  EXPECT_THAT(type({"clustermesh", "connect", "--context", "a", "--destination-context", "b,b"}).err,
              HasSubstr("given twice"));
  EXPECT_THAT(type({"clustermesh", "connect", "--wait-duration", "soon"}).err, HasSubstr("\"soon\" is not a duration"));
}

TEST(CommandLine, a_missing_kubeconfig_is_named) {
  const auto t = type({"status", "--kubeconfig", "/absent/config"});
  EXPECT_EQ(t.code, 1);
  EXPECT_THAT(t.err, HasSubstr("/absent/config"));
}

TEST(CommandLine, the_way_to_a_cluster_is_the_one_that_kubectl_and_helm_take) {
  const std::string file = std::string(::testing::TempDir()) + "weft-cli-proxy-" + std::to_string(::getpid());
  const auto opened = [&](const std::string& server, const std::string& proxy_url, const char* https_proxy) {
    EXPECT_TRUE(write_file(file, "current-context: x\nclusters: [{name: x, cluster: {server: '" + server + "'" +
                                     proxy_url + "}}]\ncontexts: [{name: x, context: {cluster: x}}]\n"));
    const char* before = std::getenv("HTTPS_PROXY");
    const std::optional<std::string> kept = before ? std::optional<std::string>(before) : std::nullopt;
    ::setenv("HTTPS_PROXY", https_proxy, 1);
    const auto c = Cluster::open({.kubeconfig = file});
    kept ? ::setenv("HTTPS_PROXY", kept->c_str(), 1) : ::unsetenv("HTTPS_PROXY");
    return c ? c->config().proxy_url : "refused: " + c.error().message;
  };
  EXPECT_EQ(opened("https://192.0.2.1:6443", "", "http://bastion:3128"), "http://bastion:3128");
  EXPECT_EQ(opened("https://192.0.2.1:6443", ", proxy-url: 'http://other:1'", "http://bastion:3128"), "http://other:1");
  EXPECT_EQ(opened("https://127.0.0.1:6443", "", "http://bastion:3128"), "") << "a lab is on this machine";
  EXPECT_THAT(opened("https://192.0.2.1:6443", "", "socks5://bastion:1080"), HasSubstr("refused: $HTTPS_PROXY"));
  EXPECT_THAT(opened("https://192.0.2.1:6443", ", proxy-url: 'socks5://other:1'", ""),
              HasSubstr("refused: " + file + ": cluster x: proxy-url: "));
  std::filesystem::remove(file);
}

TEST(CommandLine, a_node_without_agent_is_told) {
  const auto t = type({"service", "list", "--socket", "/absent/weft.sock"});
  EXPECT_EQ(t.code, 1);
  EXPECT_THAT(t.err, HasSubstr("/absent/weft.sock: nobody listens there"));
  EXPECT_THAT(t.err, HasSubstr("is the agent running on this node?"));
}

TEST(CommandLine, a_list_is_of_a_socket_or_of_a_cluster) {
  auto t = type({"endpoint", "list", "--socket", "/absent/weft.sock", "--context", "a"});
  EXPECT_EQ(t.code, 2);
  EXPECT_THAT(t.err, HasSubstr("give one or the other"));
  for (const char* words : {"service", "node", "identity", "endpoint"}) {
    t = type({words, "list", "--kubeconfig", "/absent/config"});
    EXPECT_EQ(t.code, 1) << words;
    EXPECT_THAT(t.err, HasSubstr("/absent/config")) << words;
  }
  t = type({"bpf", "lb", "list", "-n", "x", "--kubeconfig", "/absent/config"});
  EXPECT_THAT(t.err, HasSubstr("/absent/config"));
  t = type({"config", "view", "--kubeconfig", "/absent/config"});
  EXPECT_EQ(t.code, 1);
  EXPECT_THAT(t.err, HasSubstr("/absent/config"));
}

/// An agent's socket with one endpoint, on a thread of its own, since the client blocks.
class FakeAgent {
 public:
  FakeAgent() {
    char name[] = "/tmp/weft-cli-XXXXXX";
    folder_ = ::mkdtemp(name);
    server_ = std::make_unique<api::Server>(io_, socket());
    server_->route_value("GET", "/v1/endpoints", [](const api::Request&) -> Result<json::value> {
      const api::EndpointInfo e{.id = 7,
                                .pod = {"shop", "cart-1"},
                                .addresses = {*Address::parse("10.1.0.5"), *Address::parse("fd00:1::5")},
                                .identity = 65792,
                                .interface = "lxc1",
                                .state = "ready"};
      return json::array{api::view(e)};
    });
    EXPECT_TRUE(server_->listen());
    const auto serve = [](api::Server& s) -> Task<> { co_await s.run(); };
    asio::co_spawn(io_, serve(*server_), asio::detached);
    thread_ = std::thread([this] { io_.run(); });
  }
  ~FakeAgent() {
    io_.stop();
    thread_.join();
    std::filesystem::remove_all(folder_);
  }
  std::string socket() const { return folder_ + "/weft.sock"; }

 private:
  std::string folder_;
  asio::io_context io_{1};
  std::unique_ptr<api::Server> server_;
  std::thread thread_;
};

TEST(CommandLine, endpoints_are_those_of_the_agent_at_the_socket) {
  const FakeAgent agent;
  const auto socket = agent.socket();
  EXPECT_EQ(type({"endpoint", "list", "--socket", socket.c_str()}).out,
            "ID  Pod          Addresses            Identity  State  Interface\n"
            " 7  shop/cart-1  10.1.0.5, fd00:1::5     65792  ready  lxc1\n");
  const auto listed = json::parse(type({"endpoint", "list", "--socket", socket.c_str(), "-o", "json"}).out);
  ASSERT_EQ(listed.as_array().size(), 1u);
  EXPECT_EQ(listed.at(0).at("pod"), json::value("cart-1"));
  EXPECT_EQ(type({"identity", "list", "--socket", socket.c_str()}).code, 1) << "it has no such list";
}

TEST(CommandLine, durations_as_go_writes_them) {
  EXPECT_EQ(parse_duration("90s"), 90s);
  EXPECT_EQ(parse_duration("1h30m"), 90min);
  for (const char* wrong : {"", "5", "m", "5x", "-1s", "1.5m", "99999999999999999999s"})
    EXPECT_FALSE(parse_duration(wrong)) << wrong;
}

TEST(Completion, offers_commands_options_and_values) {
  CLI::App app;
  Context context;
  build(app, context);
  EXPECT_THAT(complete(app, {"clustermesh", "c"}), ElementsAre("connect"));
  EXPECT_THAT(complete(app, {"clustermesh", ""}), ElementsAre("connect", "disable", "disconnect", "enable", "status"));
  EXPECT_THAT(complete(app, {"--context", "x", "serv"}), ElementsAre("service"));
  EXPECT_THAT(complete(app, {"bpf", "lb", ""}), ElementsAre("list"));
  EXPECT_THAT(complete(app, {"clustermesh", "connect", "--dest"}), Contains("--destination-context"));
  EXPECT_THAT(complete(app, {"clustermesh", "status", "--cont"}), ElementsAre("--context"));
  EXPECT_THAT(complete(app, {"clustermesh", "enable", "--service-type", "N"}), ElementsAre("NodePort"));
  EXPECT_THAT(complete(app, {"nonsense", ""}), ElementsAre());
  EXPECT_FALSE(complete(app, {}).empty());
}

TEST(Completion, scripts_are_for_three_shells) {
  for (const char* shell : {"bash", "zsh", "fish"}) EXPECT_THAT(completion_script(shell), HasSubstr("weft __complete"));
  const auto checked = run_process({"bash", "-c", completion_script("bash") + "\ncomplete -p weft"});
  ASSERT_TRUE(checked);
  EXPECT_EQ(checked->out, "complete -F _weft weft\n") << checked->err;
  EXPECT_EQ(type({"completion", "tcsh"}).code, 2);
}

TEST(Process, keeps_both_outputs_and_the_exit_code) {
  const auto r = run_process({"/bin/sh", "-c", "echo out; echo $GIVEN >&2; exit 3"}, {{"GIVEN", "err"}});
  ASSERT_TRUE(r);
  EXPECT_EQ(r->code, 3);
  EXPECT_EQ(r->out, "out\n");
  EXPECT_EQ(r->err, "err\n");
}

TEST(Process, absent_programs_and_endless_ones_are_errors) {
  EXPECT_EQ(run_process({"/absent/program"}).error().code, Errc::not_found);
  const auto start = Steady::now();
  EXPECT_EQ(run_process({"/bin/sleep", "30"}, {}, 100ms).error().code, Errc::timeout);
  EXPECT_LT(Steady::now() - start, 10s);
}

TEST(HelmComplaint, is_the_sentence_that_matters) {
  EXPECT_EQ(helm_complaint("coalesce.go:301: warning: destination for x\nError: INSTALLATION FAILED: cannot re-use a "
                           "name that is still in use\n"),
            "INSTALLATION FAILED: cannot re-use a name that is still in use");
  EXPECT_EQ(helm_complaint("Error: UPGRADE FAILED: execution error at (weft/templates/configmap.yaml:1:4): x: error "
                           "calling fail: cluster.id 300: use less\n\nUse --debug flag\n"),
            "cluster.id 300: use less");
}

TEST(HelmComplaint, lists_are_joined) {
  EXPECT_EQ(
      helm_complaint("Error: INSTALLATION FAILED: 1 error occurred:\n\t* DaemonSet.apps \"weft-agent\" is invalid\n\n"),
      "INSTALLATION FAILED: 1 error occurred: DaemonSet.apps \"weft-agent\" is invalid");
}

TEST(Wait, ends_when_nothing_is_missing_or_says_what_was) {
  int looks = 0;
  EXPECT_TRUE(wait_until(10s, [&]() -> Result<std::string> { return ++looks < 2 ? "more" : ""; }));
  EXPECT_EQ(looks, 2);
  EXPECT_EQ(wait_until(0s, []() -> Result<std::string> { return "two nodes"; }).error().message,
            "not ready after 0s: two nodes");
  EXPECT_EQ(wait_until(10s, []() -> Result<std::string> { return fail(Errc::unauthorized, "no"); }).error().code,
            Errc::unauthorized);
  EXPECT_EQ(wait_until(0s, []() -> Result<std::string> { return fail(Errc::unavailable, "down"); }).error().message,
            "not ready after 0s: down");
}

/// A Cluster whose API server is in memory.
class FakeCluster : public ::testing::Test {
 protected:
  FakeCluster()
      : io(std::make_shared<asio::io_context>(1)),
        server(*io),
        cluster({.context = "cluster1"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), server.transport())) {}

  void add_node(const std::string& name, const std::string& ip) {
    server.put(kube::kNodes,
               obj(R"({"metadata": {"name": ")" + name +
                   R"("}, "status": {"addresses": [{"type": "InternalIP", "address": ")" + ip + R"("}]}})"));
    server.put(kube::kPods,
               obj(R"({"metadata": {"name": "weft-)" + name +
                   R"(", "namespace": "kube-system", "labels": {"k8s-app": "weft"}}, "spec": {"nodeName": ")" + name +
                   R"("}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}})"));
    api::MeshStatus s;
    s.node = name;
    s.cluster = "cluster1";
    s.updated = Wall::now();
    s.remotes = {{.name = "cluster2", .ready = true, .nodes = 3}};
    server.put(kube::kConfigMaps, api::mesh_status_object(s, "kube-system", ""));
  }
  void add_mesh() {
    server.put(
        kube::kConfigMaps,
        obj(R"({"metadata": {"name": "weft-config", "namespace": "kube-system"}, "data": {"cluster-name": "cluster1", "cluster-id": "1"}})"));
    server.put(
        kube::kServices,
        obj(R"({"metadata": {"name": "clustermesh-apiserver", "namespace": "kube-system"}, "spec": {"type": "NodePort", "ports": [{"port": 2379, "nodePort": 32379}]}})"));
    server.put(
        kube::kDeployments,
        obj(R"({"metadata": {"name": "clustermesh-apiserver", "namespace": "kube-system"}, "spec": {"replicas": 1}, "status": {"readyReplicas": 1}})"));
    auto ca = obj(R"({"metadata": {"name": "cilium-ca", "namespace": "kube-system"}, "data": {}})");
    ca["data"].as_object()["ca.crt"] = base64_encode(lab::make_ca("test")->cert);
    server.put(kube::kSecrets, ca);
    auto config = obj(R"({"metadata": {"name": "cilium-clustermesh", "namespace": "kube-system"}, "data": {}})");
    config["data"].as_object()["cluster2"] = base64_encode("endpoints:\n- https://172.18.2.11:32379\n");
    server.put(kube::kSecrets, config);
  }

  std::shared_ptr<asio::io_context> io;
  kube::FakeServer server;
  Cluster cluster;
};

TEST_F(FakeCluster, mesh_status_is_read_from_kubernetes_alone) {
  add_mesh();
  add_node("n1", "172.18.1.11");
  add_node("n2", "172.18.1.12");
  const auto in = cluster.mesh_input();
  ASSERT_TRUE(in) << in.error().message;
  const auto r = mesh_report(*in);
  EXPECT_TRUE(r.ready()) << r.missing();
  EXPECT_TRUE(render(r, false).starts_with(
      "✅ Cluster Mesh: OK\n✅ Remote clusters: 1 connected\n - cluster2: ready, 3 nodes\n"))
      << render(r, false);
}

TEST_F(FakeCluster, reports_are_read_where_the_configuration_says_whatever_namespace_weft_is_in) {
  Cluster elsewhere({.context = "cluster1", .ns = "net"}, io,
                    std::make_shared<kube::Client>(*io, kube::FakeServer::config(), server.transport()));
  server.put(
      kube::kConfigMaps,
      obj(R"({"metadata": {"name": "weft-config", "namespace": "net"}, "data": {"mesh-status-namespace": "reports"}})"));
  api::MeshStatus s;
  s.cluster = "cluster1";
  for (const char* ns : {"net", "reports", "shop"}) {
    s.node = std::string("in-") + ns;
    server.put(kube::kConfigMaps, api::mesh_status_object(s, ns, ""));
  }
  const auto in = elsewhere.mesh_input();
  ASSERT_TRUE(in) << in.error().message;
  ASSERT_EQ(in->reports.size(), 1u) << "others' ConfigMaps may say what they like";
  EXPECT_EQ(in->reports[0].node, "in-reports");
}

TEST_F(FakeCluster, an_empty_cluster_is_not_installed) {
  const auto in = cluster.mesh_input();
  ASSERT_TRUE(in) << in.error().message;
  EXPECT_EQ(mesh_report(*in).trouble, "Weft is not installed here");
}

TEST_F(FakeCluster, a_report_that_makes_no_sense_is_a_note_not_an_end) {
  add_mesh();
  add_node("n1", "172.18.1.11");
  server.put(
      kube::kConfigMaps,
      obj(R"({"metadata": {"name": "weft-mesh-status-x", "namespace": "kube-system", "labels": {"weft.io/status": "mesh"}}, "data": {"mesh.json": "{"}})"));
  const auto r = mesh_report(*cluster.mesh_input());
  EXPECT_TRUE(r.ready());
  ASSERT_EQ(r.notes.size(), 1u);
  EXPECT_THAT(r.notes[0], HasSubstr("ConfigMap weft-mesh-status-x: data.mesh.json: not JSON"));
}

TEST_F(FakeCluster, an_api_server_that_is_down_is_an_error_that_names_the_cluster) {
  server.set_down(true);
  const auto in = cluster.mesh_input();
  ASSERT_FALSE(in);
  EXPECT_EQ(in.error().code, Errc::unavailable);
  EXPECT_THAT(in.error().message, HasSubstr("cluster1"));
}

TEST_F(FakeCluster, an_authority_is_inherited_once_and_never_replaced) {
  add_mesh();
  kube::FakeServer other_server(*io);
  Cluster other({.context = "cluster2"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), other_server.transport()));
  ASSERT_TRUE(inherit_ca(cluster, other));
  const auto copied = other_server.get(kube::kSecrets, "kube-system", "cilium-ca");
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->at("data"), server.get(kube::kSecrets, "kube-system", "cilium-ca")->at("data"));
  EXPECT_FALSE(copied->at("metadata").as_object().contains("annotations"));
  EXPECT_TRUE(inherit_ca(cluster, other)) << "the same again";
  auto own =
      obj(R"({"metadata": {"name": "cilium-ca", "namespace": "kube-system"}, "data": {"ca.crt": "x", "ca.key": "y"}})");
  other_server.put(kube::kSecrets, own);
  EXPECT_THAT(inherit_ca(cluster, other).error().message, HasSubstr("cluster2: has a Secret cilium-ca of its own"));
  kube::FakeServer empty(*io);
  Cluster none({.context = "cluster3"}, io,
               std::make_shared<kube::Client>(*io, kube::FakeServer::config(), empty.transport()));
  EXPECT_THAT(inherit_ca(none, other).error().message, HasSubstr("cluster3: no Secret cilium-ca"));
}

TEST_F(FakeCluster, a_namespace_that_is_not_there_yet_is_made_before_the_authority_is_put_in_it) {
  add_mesh();
  kube::FakeServer other_server(*io);
  other_server.intercept = [&](const kube::Request& request) -> std::optional<kube::Response> {
    // As a real server, which keeps no object of a namespace that it does not know.
    if (request.method != "POST" || request.target.find("/namespaces/net/secrets") == std::string::npos ||
        other_server.get(kube::kNamespaces, "", "net"))
      return std::nullopt;
    return kube::Response{
        .status = 404,
        .content_type = "application/json",
        .body = R"({"kind": "Status", "reason": "NotFound", "message": "namespaces \"net\" not found"})"};
  };
  Cluster other({.context = "cluster2", .ns = "net"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), other_server.transport()));
  const auto inherited = inherit_ca(cluster, other);
  ASSERT_TRUE(inherited) << inherited.error().message;
  ASSERT_TRUE(other_server.get(kube::kNamespaces, "", "net"));
  const auto copied = other_server.get(kube::kSecrets, "net", "cilium-ca");
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->at("data"), server.get(kube::kSecrets, "kube-system", "cilium-ca")->at("data"));
}

TEST_F(FakeCluster, a_namespace_that_is_there_is_not_asked_for) {
  add_mesh();
  kube::FakeServer other_server(*io);
  Cluster other({.context = "cluster2", .ns = "net"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), other_server.transport()));
  ASSERT_TRUE(inherit_ca(cluster, other));
  for (const auto& call : other_server.calls())
    EXPECT_THAT(call.target, HasSubstr("/namespaces/net/secrets")) << "the user may have rights in that one only";
}

TEST_F(FakeCluster, an_authority_in_another_namespace_than_ours_is_asked_for_by_name) {
  kube::FakeServer empty(*io);
  Cluster none({.context = "cluster3", .ns = "net"}, io,
               std::make_shared<kube::Client>(*io, kube::FakeServer::config(), empty.transport()));
  EXPECT_THAT(inherit_ca(none, cluster).error().message,
              HasSubstr("cluster3: no Secret cilium-ca in namespace net to inherit; install Weft there first, or name "
                        "the namespace it is in with --inherit-ca-namespace"));
  add_mesh();
  kube::FakeServer other_server(*io);
  Cluster other({.context = "cluster2", .ns = "net"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), other_server.transport()));
  ASSERT_TRUE(inherit_ca(cluster, other)) << "from kube-system to net";
  EXPECT_TRUE(other_server.get(kube::kSecrets, "net", "cilium-ca"));
  EXPECT_THAT(type({"install", "--inherit-ca-namespace", "net"}).err, HasSubstr("--inherit-ca"));
}

TEST_F(FakeCluster, an_authority_in_a_secret_of_another_name_is_found_and_inherited) {
  add_mesh();
  add_node("n1", "172.18.1.11");
  ASSERT_TRUE(cluster.apply(
      kube::kConfigMaps,
      obj(R"({"metadata": {"name": "weft-config", "namespace": "kube-system", "annotations": {"weft.io/ca-secret": "our-ca"}}})")));
  EXPECT_THAT(access_info(*cluster.objects()).error().message, HasSubstr("no Secret our-ca in namespace kube-system"));
  auto ca = *server.get(kube::kSecrets, "kube-system", "cilium-ca");
  ca["metadata"] = obj(R"({"name": "our-ca", "namespace": "kube-system"})");
  server.put(kube::kSecrets, ca);
  server.erase(kube::kSecrets, "kube-system", "cilium-ca");
  const auto access = access_info(*cluster.objects());
  ASSERT_TRUE(access) << access.error().message;
  kube::FakeServer other_server(*io);
  Cluster other({.context = "cluster2"}, io,
                std::make_shared<kube::Client>(*io, kube::FakeServer::config(), other_server.transport()));
  ASSERT_TRUE(inherit_ca(cluster, other, "their-ca"));
  const auto copied = other_server.get(kube::kSecrets, "kube-system", "their-ca");
  ASSERT_TRUE(copied);
  EXPECT_EQ(copied->at("data"), ca.at("data"));
}

TEST_F(FakeCluster, objects_are_made_or_merged) {
  const auto crd = obj(R"({"metadata": {"name": "a.cilium.io"}, "spec": {"group": "cilium.io", "scope": "Cluster"}})");
  ASSERT_TRUE(cluster.apply(kube::kCustomResourceDefinitions, crd));
  auto changed = crd;
  changed["spec"].as_object()["scope"] = "Namespaced";
  ASSERT_TRUE(cluster.apply(kube::kCustomResourceDefinitions, changed));
  EXPECT_EQ(server.get(kube::kCustomResourceDefinitions, "", "a.cilium.io")->at("spec").at("scope"),
            json::value("Namespaced"));
  EXPECT_TRUE(cluster.remove(kube::kCustomResourceDefinitions, "", "a.cilium.io"));
  EXPECT_TRUE(cluster.remove(kube::kCustomResourceDefinitions, "", "a.cilium.io"));
}

}  // namespace
}  // namespace weft::cli
