#include <gtest/gtest.h>

#include <boost/json.hpp>

#include <algorithm>

#include "async/tests/run.h"
#include "identity/endpoint_publisher.h"
#include "identity/node_publisher.h"
#include "kube/fake.h"
#include "kube/json.h"
#include "kube/reflector.h"

namespace weft::identity {
namespace {

namespace json = boost::json;
using weft::testing::run;
using weft::testing::until;
using namespace weft::kube;

const Address kNode4 = *Address::parse("172.18.1.11"), kNode6 = *Address::parse("fd00:18:1::11");
const ClusterInfo kCluster{"cluster1", 1};

json::object pod_object(const std::string& name, const std::string& uid, const std::string& app) {
  return {{"metadata", {{"name", name}, {"namespace", "shop"}, {"uid", uid}, {"labels", {{"app", app}}}}},
          {"spec",
           {{"nodeName", "n1"},
            {"serviceAccountName", "default"},
            {"containers", {{{"ports", {{{"name", "http"}, {"containerPort", 8080}}}}}}}}},
          {"status", {{"phase", "Running"}}}};
}

LocalPod local_pod(const std::string& name, const std::string& uid, int n) {
  LocalPod p;
  p.container_id = "container-" + name + uid;
  p.pod_ifname = "eth0";
  p.pod = {"shop", name};
  p.uid = uid;
  p.ips = {Address::parse("10.1.0." + std::to_string(n)).value(),
           Address::parse("fd00:1::" + std::to_string(n)).value()};
  p.ifindex = n;
  return p;
}

struct World {
  asio::io_context io;
  FakeServer server{io};
  Client client{io, FakeServer::config(), server.transport()};
  Table<LocalPod> local{io, "local"};
  Table<Pod> pods{io, "pods"};
  Table<Namespace> namespaces{io, "namespaces"};
  Table<CiliumEndpoint> ceps{io, "ceps"};
  Table<Identity> identities{io, "identities"};
  Table<Endpoint> endpoints{io, "endpoints"};
  Table<Node> nodes{io, "nodes"};
  Reflector<Pod> r1{client, kPods, pods, parse_pod};
  Reflector<Namespace> r2{client, kNamespaces, namespaces, parse_namespace};
  Reflector<CiliumEndpoint> r3{client,
                               kCiliumEndpoints,
                               ceps,
                               parse_cilium_endpoint,
                               {.label_selector = std::string(kNodeLabel) + "=" + node_label_value("n1")}};
  Reflector<Identity> r4{client, kCiliumIdentities, identities,
                         [](const json::object& o) { return parse_cilium_identity(o, kCluster); }};
  Reflector<Node> r5{client, kCiliumNodes, nodes, [](const json::object& o) { return parse_cilium_node(o, kCluster); }};
  IdentityAllocator allocator{client, identities, "cluster1", identity_range(1, 255)};
  EndpointPublisher publisher{client,
                              allocator,
                              {local, pods, namespaces, ceps, identities, endpoints},
                              {"cluster1", "n1", {kNode4, kNode6}, LabelsFilter()}};
  NodePublisher node_publisher{client, nodes};
  Scope scope{io, "test"};

  World() { server.put(kNamespaces, json::object{{"metadata", {{"name", "shop"}, {"labels", {{"team", "retail"}}}}}}); }
  void start() {
    scope.spawn("pods", r1.run());
    scope.spawn("namespaces", r2.run());
    scope.spawn("ceps", r3.run());
    scope.spawn("identities", r4.run());
    scope.spawn("nodes", r5.run());
    scope.spawn("publisher", publisher.run());
    scope.spawn("node publisher", node_publisher.run());
  }
  std::optional<CiliumEndpoint> cep(const std::string& name) const {
    const auto o = server.get(kCiliumEndpoints, "shop", name);
    if (!o) return std::nullopt;
    return *parse_cilium_endpoint(*o).value();
  }
  NumericIdentity identity(const std::string& name) const {
    const auto e = cep(name);
    return e ? e->identity : 0;
  }
  std::string text() const { return json::serialize(json::array(1, json::value_from(server.all(kCiliumEndpoints)))); }
};

Task<> written(World& w) {
  w.start();
  w.local.upsert(local_pod("cart", "u1", 7));
  co_await until([&] { return w.endpoints.size() == 1; });
  EXPECT_EQ(w.endpoints.get({"shop", "cart"})->state, "waiting-for-identity");
  EXPECT_FALSE(w.endpoints.get({"shop", "cart"})->why.empty());
  w.server.put(kPods, pod_object("cart", "u1", "cart"));
  co_await until([&] { return w.identity("cart") != 0; });
  const auto e = *w.cep("cart");
  EXPECT_EQ(e.pod_uid, "u1");
  EXPECT_EQ(e.addresses.size(), 2u);
  EXPECT_EQ(e.node, kNode4);
  EXPECT_EQ(e.state, "ready");
  EXPECT_EQ(e.service_account, "default");
  EXPECT_EQ(e.container_id, "container-cartu1");
  EXPECT_EQ(e.named_ports.size(), 1u);
  EXPECT_NE(
      std::find(e.identity_labels.begin(), e.identity_labels.end(), "k8s:io.cilium.k8s.namespace.labels.team=retail"),
      e.identity_labels.end());
  const auto row = w.endpoints.get({"shop", "cart"});
  EXPECT_EQ(row->identity, e.identity);
  EXPECT_EQ(row->state, "ready");
  EXPECT_EQ(ip_identities(e, "cluster1").size(), 2u);
  // A second pod of the same labels shares the identity; one of others does not.
  w.server.put(kPods, pod_object("cart-2", "u2", "cart"));
  w.server.put(kPods, pod_object("web", "u3", "web"));
  w.local.upsert(local_pod("cart-2", "u2", 8));
  w.local.upsert(local_pod("web", "u3", 9));
  co_await until([&] { return w.identity("cart-2") != 0 && w.identity("web") != 0; });
  EXPECT_EQ(w.identity("cart-2"), e.identity);
  EXPECT_NE(w.identity("web"), e.identity);
  // Gone with the pod.
  w.local.remove(local_pod("cart", "u1", 7).key());
  co_await until([&] { return !w.cep("cart"); });
  EXPECT_FALSE(w.endpoints.contains({"shop", "cart"}));
  co_await w.scope.stop();
}
TEST(EndpointPublisher, pod_gets_its_identity_and_its_object) {
  World w;
  run(w.io, written(w));
}
TEST(EndpointPublisher, writes_status_also_where_the_kind_has_a_status_subresource) {
  World w;
  w.server.status_subresource.insert("ciliumendpoints");
  run(w.io, written(w));
}

Task<> relabelled(World& w) {
  w.start();
  w.local.upsert(local_pod("cart", "u1", 7));
  w.server.put(kPods, pod_object("cart", "u1", "cart"));
  co_await until([&] { return w.identity("cart") != 0; });
  const auto first = w.identity("cart");
  w.server.put(kPods, pod_object("cart", "u1", "web"));
  co_await until([&] { return w.identity("cart") != first && w.cep("cart")->labels.at("app") == "web"; });
  const auto second = w.identity("cart");
  w.server.put(kNamespaces, json::object{{"metadata", {{"name", "shop"}, {"labels", {{"team", "other"}}}}}});
  co_await until([&] { return w.identity("cart") != second; });
  co_await w.scope.stop();
}
TEST(EndpointPublisher, new_labels_of_pod_or_namespace_give_a_new_identity) {
  World w;
  run(w.io, relabelled(w));
}

Task<> repaired(World& w) {
  w.start();
  w.local.upsert(local_pod("cart", "u1", 7));
  w.server.put(kPods, pod_object("cart", "u1", "cart"));
  co_await until([&] { return w.ceps.contains({"shop", "cart"}); });
  const auto good = *w.cep("cart");
  w.server.erase(kCiliumEndpoints, "shop", "cart");
  co_await until([&] { return w.cep("cart") && w.cep("cart")->identity == good.identity; });
  co_await until([&] { return w.ceps.contains({"shop", "cart"}); });
  auto wrong = *w.server.get(kCiliumEndpoints, "shop", "cart");
  wrong["status"].get_object()["identity"] = json::object{{"id", 99}};
  w.server.put(kCiliumEndpoints, wrong);
  co_await until([&] { return w.identity("cart") == good.identity; });
  // The identity itself.
  w.server.erase(kCiliumIdentities, "", std::to_string(good.identity));
  co_await until([&] { return w.server.get(kCiliumIdentities, "", std::to_string(good.identity)).has_value(); });
  co_await w.scope.stop();
}
TEST(EndpointPublisher, deleted_or_changed_objects_are_put_right) {
  World w;
  run(w.io, repaired(w));
}

Task<> back_again(World& w) {
  w.start();
  w.local.upsert(local_pod("cart", "u1", 7));
  w.server.put(kPods, pod_object("cart", "u1", "cart"));
  co_await until([&] { return w.ceps.contains({"shop", "cart"}); });
  const auto id = std::to_string(w.identity("cart"));
  w.local.remove(local_pod("cart", "u1", 7).key());
  co_await until([&] { return !w.cep("cart"); });
  // Nobody uses it: the operator announces that it goes. Then a pod of the same labels comes.
  auto marked = *w.server.get(kCiliumIdentities, "", id);
  metadata_of(marked)["annotations"] = json::object{{kHeartbeatAnnotation, "2026-01-01T00:00:00Z"}};
  w.server.put(kCiliumIdentities, marked);
  w.server.put(kPods, pod_object("cart-2", "u2", "cart"));
  w.local.upsert(local_pod("cart-2", "u2", 8));
  co_await until([&] { return w.cep("cart-2").has_value(); });
  EXPECT_EQ(std::to_string(w.identity("cart-2")), id);
  EXPECT_TRUE(object_at(metadata(*w.server.get(kCiliumIdentities, "", id)), "annotations").empty())
      << "the mark stays, and the operator deletes an identity in use";
  co_await w.scope.stop();
}
TEST(EndpointPublisher, an_identity_that_was_out_of_use_here_is_looked_at_again) {
  World w;
  run(w.io, back_again(w));
}

Task<> pruned(World& w) {
  CiliumEndpoint stale;
  stale.name = {"shop", "gone"};
  stale.node = kNode6;
  stale.identity = 65600;
  stale.labels = {{kNodeLabel, "n1"}};
  CiliumEndpoint elsewhere = stale;
  elsewhere.name = {"shop", "elsewhere"};
  elsewhere.node = Address::parse("172.18.1.12").value();
  elsewhere.labels = {{kNodeLabel, "n2"}};
  w.server.put(kCiliumEndpoints, to_cilium_endpoint(stale));
  w.server.put(kCiliumEndpoints, to_cilium_endpoint(elsewhere));
  w.start();
  co_await until([&] { return !w.cep("gone"); });
  EXPECT_TRUE(w.cep("elsewhere"));
  EXPECT_FALSE(w.ceps.contains({"shop", "elsewhere"})) << "no agent watches the endpoints of other nodes";
  co_await w.scope.stop();
}
TEST(EndpointPublisher, leftovers_of_this_node_go_and_those_of_others_stay) {
  World w;
  run(w.io, pruned(w));
}

Task<> taken_over(World& w) {
  // As a release that did not label wrote it.
  CiliumEndpoint old;
  old.name = {"shop", "cart"};
  old.node = kNode4;
  old.identity = 65600;
  w.server.put(kCiliumEndpoints, to_cilium_endpoint(old));
  w.start();
  w.local.upsert(local_pod("cart", "u1", 7));
  w.server.put(kPods, pod_object("cart", "u1", "cart"));
  co_await until([&] { return w.ceps.contains({"shop", "cart"}); });
  EXPECT_EQ(w.cep("cart")->labels.at(kNodeLabel), "n1");
  EXPECT_EQ(w.cep("cart")->pod_uid, "u1");
  // Somebody takes the label away: we no longer see the object, and put that right too.
  auto bare = *w.server.get(kCiliumEndpoints, "shop", "cart");
  metadata_of(bare)["labels"] = json::object{{"app", "cart"}};
  w.server.put(kCiliumEndpoints, bare);
  co_await until([&] { return w.cep("cart")->labels.contains(kNodeLabel); });
  co_await w.scope.stop();
}
TEST(EndpointPublisher, object_without_the_label_of_its_node_gets_it) {
  World w;
  run(w.io, taken_over(w));
}
TEST(EndpointPublisher, node_name_that_is_too_long_for_a_label_is_hashed) {
  EXPECT_EQ(node_label_value("n1.example.com"), "n1.example.com");
  const std::string name(64, 'n');
  EXPECT_EQ(node_label_value(name).size(), 37u);
  EXPECT_NE(node_label_value(name), node_label_value(name + "x"));
}

Task<> readdressed(World& w) {
  w.start();
  w.local.upsert(local_pod("cart", "u1", 7));
  w.server.put(kPods, pod_object("cart", "u1", "cart"));
  co_await until([&] { return w.ceps.contains({"shop", "cart"}); });
  const Address fresh = Address::parse("172.18.1.77").value();
  w.publisher.set_node_addresses({fresh, kNode6});
  co_await until([&] { return w.cep("cart") && w.cep("cart")->node == fresh; });
  // What was written under the old address is ours all the same.
  w.local.remove(local_pod("cart", "u1", 7).key());
  co_await until([&] { return !w.cep("cart"); });
  co_await w.scope.stop();
}
TEST(EndpointPublisher, objects_follow_the_nodes_address) {
  World w;
  run(w.io, readdressed(w));
}

Task<> moved(World& w) {
  w.start();
  w.local.upsert(local_pod("db-0", "u1", 7));
  w.server.put(kPods, pod_object("db-0", "u1", "db"));
  co_await until([&] { return w.ceps.contains({"shop", "db-0"}); });
  // The pod came up on another node under its old name before our container was gone.
  auto theirs = *w.cep("db-0");
  theirs.node = Address::parse("172.18.1.12").value();
  theirs.pod_uid = "u2";
  w.server.erase(kPods, "shop", "db-0");
  co_await until([&] { return !w.pods.contains({"shop", "db-0"}); });
  w.local.remove(local_pod("db-0", "u1", 7).key());
  w.server.put(kCiliumEndpoints, to_cilium_endpoint(theirs));
  co_await until([&] { return w.endpoints.size() == 0; });
  co_await sleep_for(std::chrono::milliseconds(20));
  EXPECT_TRUE(w.cep("db-0")) << "the object is the other node's now";
  co_await w.scope.stop();
}
TEST(EndpointPublisher, object_of_a_pod_that_moved_to_another_node_is_left_alone) {
  World w;
  run(w.io, moved(w));
}

Task<> node(World& w) {
  CoreNode core;
  core.name = "n1";
  core.labels = {{"zone", "z1"}};
  core.addresses = {{NodeAddressType::internal_ip, "172.18.1.11"}, {NodeAddressType::hostname, "n1"}};
  core.pod_cidrs = {*Prefix::parse("10.1.0.0/24"), *Prefix::parse("fd00:1::/64")};
  core.boot_id = "boot";
  const std::vector<Address> inner{*Address::parse("10.1.0.5"), *Address::parse("fd00:1::5")};
  const Node wanted = describe_node(core, kCluster, inner);
  w.node_publisher.set(wanted, "node-uid");
  w.start();
  const auto as_wanted = [&] {
    const auto o = w.server.get(kCiliumNodes, "", "n1");
    return o && *parse_cilium_node(*o, kCluster).value() == wanted;
  };
  co_await until(as_wanted);
  EXPECT_EQ(
      text_at(array_at(metadata(*w.server.get(kCiliumNodes, "", "n1")), "ownerReferences").at(0).get_object(), "uid"),
      "node-uid");
  EXPECT_EQ(wanted.addresses.size(), 3u);
  co_await until([&] { return w.nodes.size() == 1; });
  w.server.erase(kCiliumNodes, "", "n1");
  co_await until(as_wanted);
  // Another controller's part stays, ours is corrected.
  auto changed = *w.server.get(kCiliumNodes, "", "n1");
  changed["spec"].get_object()["eni"] = json::object{{"x", 1}};
  changed["spec"].get_object()["bootid"] = "wrong";
  w.server.put(kCiliumNodes, changed);
  co_await until(as_wanted);
  EXPECT_TRUE(w.server.get(kCiliumNodes, "", "n1")->at("spec").get_object().contains("eni"));
  core.boot_id = "after reboot";
  w.node_publisher.set(describe_node(core, kCluster, inner), "node-uid");
  co_await until(
      [&] { return text_at(object_at(*w.server.get(kCiliumNodes, "", "n1"), "spec"), "bootid") == "after reboot"; });
  co_await w.scope.stop();
}
TEST(NodePublisher, object_is_made_corrected_and_made_again) {
  World w;
  run(w.io, node(w));
}
Node plain_node() {
  CoreNode core;
  core.name = "n1";
  core.addresses = {{NodeAddressType::internal_ip, "172.18.1.11"}};
  core.pod_cidrs = {*Prefix::parse("10.1.0.0/24")};
  return describe_node(core, kCluster, {*Address::parse("10.1.0.5")});
}

// What an agent of Cilium with WireGuard and multi-pool IPAM leaves behind.
json::object node_of_cilium() {
  return {{"metadata",
           {{"name", "n1"},
            {"annotations", {{std::string(kWireguardKeyAnnotation), "c3RhbGU="}, {"example.org/rack", "r7"}}}}},
          {"spec",
           {{"bootid", "of-before"},
            {"encryption", {{"key", 3}}},
            {"eni", {{"x", 1}}},
            {"ipam",
             {{"podCIDRs", json::array{"10.9.0.0/24"}},
              {"min-allocate", 8},
              {"pools", {{"allocated", json::array{{{"pool", "blue"}, {"cidrs", json::array{"10.77.0.0/24"}}}}}}}}}}},
          {"status", {{"ipam", {{"used", json::object()}}}}}};
}

std::size_t writes(const World& w) {
  const auto& calls = w.server.calls();
  return static_cast<std::size_t>(
      std::count_if(calls.begin(), calls.end(), [](const auto& c) { return c.method == "PUT"; }));
}

Task<> left_by_cilium(World& w) {
  w.server.put(kCiliumNodes, node_of_cilium());
  const Node wanted = plain_node();
  w.node_publisher.set(wanted, "node-uid");
  w.start();
  co_await until([&] {
    const auto seen = w.nodes.get(wanted.key());
    return seen && seen->wireguard_key.empty() && seen->pod_cidrs == wanted.pod_cidrs;
  });
  const auto o = *w.server.get(kCiliumNodes, "", "n1");
  EXPECT_EQ(labels_at(metadata(o), "annotations"), (Labels{{"example.org/rack", "r7"}}));
  const auto& spec = object_at(o, "spec");
  EXPECT_FALSE(object_at(spec, "ipam").contains("pools")) << "other clusters would route the pool's addresses here";
  EXPECT_FALSE(spec.contains("bootid"));
  EXPECT_FALSE(object_at(spec, "encryption").contains("key"));
  // What a row does not know is somebody else's.
  EXPECT_EQ(number_at(object_at(spec, "ipam"), "min-allocate"), 8);
  EXPECT_TRUE(spec.contains("eni"));
  EXPECT_TRUE(object_at(o, "status").contains("ipam"));
  // Written once, and nothing left to write: the next change that is not ours moves nobody.
  auto annotated = o;
  metadata_of(annotated)["annotations"].get_object()["example.org/rack"] = "r8";
  w.server.put(kCiliumNodes, annotated);
  co_await until([&] { return w.nodes.get(wanted.key())->annotations.at("example.org/rack") == "r8"; });
  EXPECT_EQ(writes(w), 1u);
  EXPECT_EQ(w.node_publisher.error(), "");
  co_await w.scope.stop();
}
TEST(NodePublisher, what_cilium_left_in_the_object_is_not_told_as_ours) {
  World w;
  run(w.io, left_by_cilium(w));
}

Task<> kept_by_the_server(World& w) {
  w.server.put(kCiliumNodes, node_of_cilium());
  bool keeps = true;
  std::vector<Steady::time_point> at;
  w.server.intercept = [&](const Request& q) -> std::optional<Response> {
    if (q.method != "PUT") return std::nullopt;
    at.push_back(Steady::now());
    if (!keeps) return std::nullopt;
    Response r;
    r.status = 200;
    r.body = json::serialize(*w.server.get(kCiliumNodes, "", "n1"));
    return r;
  };
  const Node wanted = plain_node();
  w.node_publisher.set(wanted, "node-uid");
  w.start();
  co_await until([&] { return at.size() >= 5; }, [&] { return std::to_string(at.size()) + " writes"; },
                 std::chrono::seconds(15));
  // Pauses of 100, 200, 400 and 800 ms, each a fifth less at the least.
  EXPECT_GE(at.at(4) - at.at(0), std::chrono::milliseconds(1200)) << "an answer is no reason to hurry";
  EXPECT_NE(w.node_publisher.error().find("CiliumNode n1 does not say what was written to it"), std::string::npos)
      << w.node_publisher.error();
  keeps = false;
  co_await until(
      [&] {
        const auto seen = w.nodes.get(wanted.key());
        return seen && seen->wireguard_key.empty() && w.node_publisher.error().empty();
      },
      [&] { return w.node_publisher.error(); }, std::chrono::seconds(15));
  co_await w.scope.stop();
}
TEST(NodePublisher, a_server_that_keeps_something_else_is_told_of_and_not_asked_in_a_fury) {
  World w;
  run(w.io, kept_by_the_server(w), std::chrono::seconds(40));
}

TEST(NodePublisher, a_remote_cluster_that_has_not_answered_holds_up_nobody) {
  World w;
  w.nodes.expect("remote cluster east");
  run(w.io, node(w));
  EXPECT_FALSE(w.nodes.initialized());
}

}  // namespace
}  // namespace weft::identity
