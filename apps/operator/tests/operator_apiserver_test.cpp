// The operator as a process, and identities allocated by many, on a real API (see src/kube/tests/lab_server.h).
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <boost/json.hpp>

#include <cstdio>

#include "apps/operator/crds.h"
#include "async/tests/run.h"
#include "base/encoding.h"
#include "identity/allocator.h"
#include "identity/endpoint_publisher.h"
#include "identity/node_publisher.h"
#include "kube/json.h"
#include "kube/leader_election.h"
#include "kube/reflector.h"
#include "kube/tests/lab_server.h"
#include "kube/types/cilium.h"

namespace weft::op {
namespace {

namespace json = boost::json;
using namespace weft::kube;
using weft::testing::Child;
using weft::testing::LabServer;
using weft::testing::run;
using weft::testing::until;

class OperatorOnApi : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = new LabServer; }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }
  static LabServer* server;
  asio::io_context io;
  Client client{io, server->config()};
};
LabServer* OperatorOnApi::server = nullptr;

json::object named(const std::string& name, const std::string& ns = {}) {
  json::object o;
  metadata_of(o)["name"] = name;
  if (!ns.empty()) metadata_of(o)["namespace"] = ns;
  return o;
}

Child start_operator(LabServer& server, const std::string& log) {
  return Child({std::string(WEFT_BIN_DIR) + "/weft-operator", "--kubeconfig", server.kubeconfig(),
                "--operator-health-port", "0", "--identity-gc-interval", "1s", "--identity-heartbeat-timeout", "2s",
                "--cilium-endpoint-gc-interval", "1s", "--nodes-gc-interval", "1s", "--leader-election-lease-duration",
                "4s", "--leader-election-renew-deadline", "2s", "--leader-election-retry-period", "1s"},
               server.dir() + "/" + log);
}

// A look at the API server whenever the fact is asked for, from coroutines that may not be lambdas with captures.
struct Look {
  Client& client;
  Task<std::optional<json::object>> get(const Resource& r, std::string ns, std::string name) {
    auto o = co_await client.get(r, ns, name);
    if (!o) co_return std::nullopt;
    co_return *o;
  }
  Task<bool> gone(const Resource& r, std::string ns, std::string name, int tenths = 150) {
    for (int i = 0; i < tenths; ++i) {
      auto o = co_await client.get(r, ns, name);
      if (!o && o.error().code == Errc::not_found) co_return true;
      co_await sleep_for(std::chrono::milliseconds(100));
    }
    co_return false;
  }
};

Task<> installs(Client& client, LabServer& server) {
  Child first = start_operator(server, "operator-1.log");
  const auto crds = *built_in_crds();
  std::size_t established = 0;
  for (int i = 0; i < 300 && established < crds.size(); ++i) {
    established = 0;
    auto all = co_await client.list_all(kCustomResourceDefinitions);
    if (all)
      for (const auto& c : *all) established += crd_established(c);
    co_await sleep_for(std::chrono::milliseconds(100));
  }
  EXPECT_GE(established, crds.size());
  // A second candidate waits, and takes over at once when the first goes in good order.
  Child second = start_operator(server, "operator-2.log");
  const std::string ns = server.config().ns;
  auto lease = co_await client.get(kLeases, ns, "weft-operator");
  EXPECT_TRUE(lease) << lease.error().message;
  const auto holder = parse_lease(*lease).holder;
  first.stop(SIGTERM);
  std::string now = holder;
  const auto began = Steady::now();
  while ((now == holder || now.empty()) && Steady::now() - began < std::chrono::seconds(10)) {
    lease = co_await client.get(kLeases, ns, "weft-operator");
    if (lease) now = parse_lease(*lease).holder;
    co_await sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_NE(now, holder);
  EXPECT_LT(Steady::now() - began, std::chrono::seconds(4)) << "the lease was given back, not waited for";

  // Garbage.
  const std::string space_name = "garbage-" + hex_encode(random_bytes(3));
  const auto number = static_cast<NumericIdentity>(80'000 + 2 * static_cast<unsigned char>(random_bytes(1)[0]));
  Identity unused, used;
  unused.id = number;
  unused.labels = {{"k8s:app", "unused"}};
  used.id = number + 1;
  used.labels = {{"k8s:app", "used"}};
  auto r = co_await client.create(kCiliumIdentities, "", to_cilium_identity(unused));
  EXPECT_TRUE(r) << r.error().message;
  r = co_await client.create(kCiliumIdentities, "", to_cilium_identity(used));
  EXPECT_TRUE(r) << r.error().message;
  const auto space = named(space_name);
  r = co_await client.create(kNamespaces, "", space);
  json::object container{{"name", "c"}, {"image", "x"}};
  json::object pod = named("alive", space_name);
  json::object spec;
  spec["containers"] = json::array(1, container);
  pod["spec"] = spec;
  r = co_await client.create(kPods, space_name, pod);
  EXPECT_TRUE(r) << r.error().message;
  CiliumEndpoint alive;
  alive.name = {space_name, "alive"};
  alive.pod_uid = r ? uid_of(*r) : "";
  alive.identity = number + 1;
  alive.state = "ready";
  CiliumEndpoint dead = alive;
  dead.name = {space_name, "dead"};
  dead.pod_uid = "";
  r = co_await client.create(kCiliumEndpoints, space_name, to_cilium_endpoint(alive));
  EXPECT_TRUE(r) << r.error().message;
  r = co_await client.create(kCiliumEndpoints, space_name, to_cilium_endpoint(dead));
  EXPECT_TRUE(r) << r.error().message;
  Node vanished;
  vanished.name = "vanished";
  r = co_await client.create(kCiliumNodes, "", to_cilium_node(vanished));
  EXPECT_TRUE(r) << r.error().message;
  Look look{client};
  const std::string none, unused_name = std::to_string(number), used_name = std::to_string(number + 1),
                          dead_name = "dead", node_name = "vanished";
  const bool i = co_await look.gone(kCiliumIdentities, none, unused_name);
  EXPECT_TRUE(i) << "unused identity";
  const bool e = co_await look.gone(kCiliumEndpoints, space_name, dead_name);
  EXPECT_TRUE(e) << "endpoint without a pod";
  const bool n = co_await look.gone(kCiliumNodes, none, node_name);
  EXPECT_TRUE(n) << "CiliumNode without a Node";
  r = co_await client.get(kCiliumIdentities, "", used_name);
  EXPECT_TRUE(r) << "an identity in use was deleted";
  r = co_await client.get(kCiliumEndpoints, space_name, "alive");
  EXPECT_TRUE(r) << "the endpoint of a living pod was deleted";
  EXPECT_EQ(second.stop(SIGTERM), 0) << "it ends in good order";
  if (::testing::Test::HasFailure())
    std::fputs(read_file(server.dir() + "/operator-2.log").value_or("no log").c_str(), stderr);
}
TEST(OperatorProgram, a_flag_that_it_does_not_know_is_refused) {
  const auto run = [](const std::string& flags) {
    FILE* pipe = ::popen((std::string(WEFT_BIN_DIR) + "/weft-operator " + flags + " 2>&1").c_str(), "r");
    std::string out;
    char buffer[512];
    for (std::size_t n = 0; (n = ::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
    return std::to_string(WEXITSTATUS(::pclose(pipe))) + " " + out;
  };
  EXPECT_EQ(run("--nodes-gc-intervall 1m"),
            "2 weft-operator: --nodes-gc-intervall: no such option; weft-operator --help lists them\n");
}

TEST_F(OperatorOnApi, leader_installs_definitions_hands_over_and_collects_garbage) {
  run(io, installs(client, *server), std::chrono::seconds(90));
}

// One agent's share of the work.
struct Agent {
  Client client;
  Table<Identity> table;
  Reflector<Identity> reflector;
  identity::IdentityAllocator allocator;
  Agent(asio::io_context& io, LabServer& server)
      : client(io, server.config()),
        table(io, "identities"),
        reflector(client, kCiliumIdentities, table,
                  [](const json::object& o) { return parse_cilium_identity(o, {"cluster1", 1}); }),
        allocator(client, table, "cluster1", identity_range(1, 255)) {}
};

Task<> ask(Agent& agent, Labels labels, std::vector<NumericIdentity>& answers) {
  auto id = co_await agent.allocator.allocate(labels);
  EXPECT_TRUE(id) << id.error().message;
  answers.push_back(id.value_or(0));
}

Task<> race(asio::io_context& io, Client& client, LabServer& server) {
  const auto crds = *built_in_crds();
  auto r = co_await install_crds(client, crds, std::chrono::seconds(30));
  EXPECT_TRUE(r) << r.error().message;
  std::vector<std::unique_ptr<Agent>> agents;
  Scope sources(io, "sources"), racers(io, "racers");
  for (int i = 0; i < 6; ++i) {
    agents.push_back(std::make_unique<Agent>(io, server));
    sources.spawn("identities", agents.back()->reflector.run());
  }
  std::map<int, std::vector<NumericIdentity>> answers;
  const auto began = Steady::now();
  for (int n = 0; n < 50; ++n)
    for (auto& agent : agents) {
      Labels labels;
      labels["k8s:app"] = "racer-" + std::to_string(n);
      racers.spawn("ask", ask(*agent, labels, answers[n]));
    }
  co_await until([&] { return racers.running() == 0; }, [&] { return std::to_string(racers.running()) + " still ask"; },
                 std::chrono::seconds(30));
  ::testing::Test::RecordProperty("milliseconds",
                                  std::to_string((Steady::now() - began) / std::chrono::milliseconds(1)));
  std::set<NumericIdentity> all;
  for (const auto& [n, ids] : answers) {
    EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 1u);
    all.insert(ids.begin(), ids.end());
  }
  EXPECT_EQ(all.size(), 50u);
  auto objects = co_await client.list_all(kCiliumIdentities);
  EXPECT_TRUE(objects);
  std::size_t copies = 0;
  for (const auto& o : *objects)
    copies += labels_at(o, "security-labels").contains("k8s:app") &&
              labels_at(o, "security-labels").at("k8s:app").starts_with("racer-");
  EXPECT_EQ(copies, 50u);
  co_await sources.stop();
}
TEST_F(OperatorOnApi, six_agents_and_fifty_label_sets_make_fifty_identities) {
  run(io, race(io, client, *server), std::chrono::seconds(60));
}

Task<> publishes(asio::io_context& io, Client& client) {
  const auto crds = *built_in_crds();
  auto installed = co_await install_crds(client, crds, std::chrono::seconds(30));
  EXPECT_TRUE(installed) << installed.error().message;
  const std::string ns = "publish-" + hex_encode(random_bytes(3));
  const auto space = named(ns);
  auto r = co_await client.create(kNamespaces, "", space);
  json::object container{{"name", "c"}, {"image", "x"}};
  json::object pod = named("cart", ns);
  metadata_of(pod)["labels"] = json::object{{"app", "cart"}};
  json::object spec;
  spec["containers"] = json::array(1, container);
  spec["nodeName"] = "test-node";
  pod["spec"] = spec;
  r = co_await client.create(kPods, ns, pod);
  EXPECT_TRUE(r) << r.error().message;

  Table<LocalPod> local(io, "local");
  Table<Pod> pods(io, "pods");
  Table<Namespace> namespaces(io, "namespaces");
  Table<CiliumEndpoint> ceps(io, "ceps");
  Table<Identity> identities(io, "identities");
  Table<identity::Endpoint> endpoints(io, "endpoints");
  Table<Node> nodes(io, "nodes");
  const ClusterInfo cluster{"cluster1", 1};
  ReflectorOptions ours;
  ours.field_selector = "spec.nodeName=test-node";
  Reflector<Pod> r1(client, kPods, pods, parse_pod, ours);
  Reflector<Namespace> r2(client, kNamespaces, namespaces, parse_namespace);
  Reflector<CiliumEndpoint> r3(client, kCiliumEndpoints, ceps, parse_cilium_endpoint);
  Reflector<Identity> r4(client, kCiliumIdentities, identities,
                         [&](const json::object& o) { return parse_cilium_identity(o, cluster); });
  Reflector<Node> r5(client, kCiliumNodes, nodes, [&](const json::object& o) { return parse_cilium_node(o, cluster); });
  identity::IdentityAllocator allocator(client, identities, "cluster1", identity_range(1, 255));
  identity::EndpointPublisherOptions options;
  options.cluster = "cluster1";
  options.node = "test-node";
  options.node_addresses.push_back(*Address::parse("192.0.2.1"));
  identity::EndpointPublisher::Tables tables{local, pods, namespaces, ceps, identities, endpoints};
  identity::EndpointPublisher publisher(client, allocator, tables, options);
  identity::NodePublisher node_publisher(client, nodes);
  Node self;
  self.cluster = "cluster1";
  self.cluster_id = 1;
  self.source = "custom-resource";
  self.name = "test-node";
  self.boot_id = "boot";
  self.pod_cidrs.push_back(*Prefix::parse("10.9.0.0/24"));
  self.addresses.push_back({NodeAddressType::internal_ip, "192.0.2.1"});
  node_publisher.set(self, "");
  Scope scope(io, "test");
  scope.spawn("r1", r1.run());
  scope.spawn("r2", r2.run());
  scope.spawn("r3", r3.run());
  scope.spawn("r4", r4.run());
  scope.spawn("r5", r5.run());
  scope.spawn("endpoints", publisher.run());
  scope.spawn("node", node_publisher.run());
  LocalPod attached;
  attached.container_id = "c1";
  attached.pod_ifname = "eth0";
  attached.pod = {ns, "cart"};
  attached.ips.push_back(*Address::parse("10.9.0.7"));
  attached.ips.push_back(*Address::parse("fd00:9::7"));
  attached.ifindex = 12;
  local.upsert(attached);
  const ObjectName name{ns, "cart"};
  co_await until(
      [&] {
        const auto e = ceps.get(name);
        return e && e->identity != 0 && e->state == "ready";
      },
      [&] {
        const auto e = endpoints.get(name);
        return e ? e->state + " " + e->why : "no endpoint";
      });
  const auto first = ceps.get(name);
  EXPECT_EQ(first->addresses.size(), 2u);
  co_await until([&] { return nodes.contains({"cluster1", "test-node"}); });
  EXPECT_EQ(*nodes.get({"cluster1", "test-node"}), self);
  // Somebody deletes both.
  r = co_await client.remove(kCiliumEndpoints, ns, "cart");
  EXPECT_TRUE(r) << r.error().message;
  r = co_await client.remove(kCiliumNodes, "", "test-node");
  co_await until([&] {
    const auto e = ceps.get(name);
    return e && e->uid != first->uid && e->identity == first->identity;
  });
  co_await until([&] { return nodes.contains({"cluster1", "test-node"}); });
  local.remove(attached.key());
  co_await until([&] { return !ceps.contains(name); });
  co_await scope.stop();
  r = co_await client.remove(kCiliumNodes, "", "test-node");
}
TEST_F(OperatorOnApi, agents_objects_are_written_and_repaired) {
  run(io, publishes(io, client), std::chrono::seconds(60));
}

}  // namespace
}  // namespace weft::op
