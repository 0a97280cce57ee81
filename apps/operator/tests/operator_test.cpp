#include <gtest/gtest.h>

#include <functional>

#include "apps/operator/collector.h"
#include "apps/operator/crds.h"
#include "apps/operator/options.h"
#include "async/tests/run.h"
#include "identity/allocator.h"
#include "kube/fake.h"
#include "kube/json.h"
#include "kube/types/cilium.h"

namespace weft::op {
namespace {

using weft::testing::run;
using weft::testing::until;
using namespace weft::kube;

TEST(Durations, go_form_is_read_and_nonsense_is_refused) {
  EXPECT_EQ(parse_duration("15m0s")->count(), 900);
  EXPECT_EQ(parse_duration("1h30m")->count(), 5400);
  EXPECT_EQ(parse_duration("500ms")->count(), 1);
  EXPECT_EQ(parse_duration("0")->count(), 0);
  for (const char* bad : {"", "m", "5x", "-1s", "1 h", "1h5"}) EXPECT_FALSE(parse_duration(bad)) << bad;
}

TEST(OperatorOptions, values_are_checked_by_name) {
  const auto o =
      parse_options({{"identity-gc-interval", "1m"}, {"operator-health-port", "0"}, {"something-else", "x"}});
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_EQ(o->identity_gc_interval.count(), 60);
  EXPECT_EQ(o->health_port, 0);
  const auto port = parse_options({{"operator-health-port", "70000"}});
  ASSERT_FALSE(port);
  EXPECT_NE(port.error().message.find("operator-health-port"), std::string::npos);
  EXPECT_FALSE(parse_options({{"leader-election-lease-duration", "5s"}}));
  EXPECT_FALSE(parse_options({{"debug", "yes"}}));
}

TEST(Crds, built_in_definitions_are_complete) {
  const auto crds = built_in_crds();
  ASSERT_TRUE(crds) << crds.error().message;
  std::set<std::string> names;
  for (const auto& c : *crds) names.insert(name_of(c).name);
  for (const char* n : {"ciliumnodes.cilium.io", "ciliumendpoints.cilium.io", "ciliumidentities.cilium.io"})
    EXPECT_TRUE(names.contains(n)) << n;
}

TEST(Crds, foreign_and_newer_definitions_are_left_alone) {
  const auto crds = built_in_crds();
  const json::object wanted = crds->front();
  EXPECT_EQ(decide_crd(nullptr, wanted, "0.1.0").move, CrdMove::create);
  json::object helm = wanted;
  EXPECT_EQ(decide_crd(&helm, wanted, "0.1.0").move, CrdMove::update);
  json::object cilium = wanted;
  metadata_of(cilium)["labels"] = json::object{{"io.cilium.k8s.crd.schema.version", "1.32.1"}};
  EXPECT_EQ(decide_crd(&cilium, wanted, "0.1.0").move, CrdMove::leave);
  json::object newer = wanted;
  metadata_of(newer)["annotations"] = json::object{{kCrdVersionAnnotation, "0.10.0"}, {kCrdDigestAnnotation, "x"}};
  EXPECT_EQ(decide_crd(&newer, wanted, "0.9.0").move, CrdMove::leave);
  EXPECT_EQ(decide_crd(&newer, wanted, "0.11.0").move, CrdMove::update);
}

// A definition of ours as Cilium would have it: under its label, and the first version that we store as `change` says.
json::object as_cilium_has_it(const json::object& wanted, const std::function<void(json::object& version)>& change) {
  json::object out = wanted;
  metadata_of(out)["labels"] = json::object{{"io.cilium.k8s.crd.schema.version", "1.29.4"}};
  for (auto& v : out["spec"].as_object()["versions"].as_array())
    if (bool_at(v.as_object(), "storage").value_or(false)) change(v.as_object());
  return out;
}

TEST(Crds, what_weft_needs_of_ciliums_definitions_is_named_and_they_are_left_alone) {
  const auto crds = built_in_crds();
  const auto find = [&](const char* name) {
    for (const auto& c : *crds)
      if (name_of(c).name == name) return c;
    return json::object();
  };
  const json::object peers = find("ciliumbgppeerconfigs.cilium.io");
  const json::object policies = find("ciliumbgppeeringpolicies.cilium.io");
  const auto spec = [](json::object& version) -> json::object& {
    return version["schema"].as_object()["openAPIV3Schema"].as_object()["properties"].as_object()["spec"].as_object();
  };
  const auto decide = [](const json::object& wanted, const std::function<void(json::object&)>& change) {
    const json::object existing = as_cilium_has_it(wanted, change);
    const auto d = decide_crd(&existing, wanted, "0.1.0");
    EXPECT_EQ(d.move, CrdMove::leave);
    return d.lacks;
  };
  EXPECT_EQ(decide(peers, [](json::object&) {}), "");
  EXPECT_EQ(decide(peers, [](json::object& v) { v["served"] = false; }), "a served v2");
  EXPECT_EQ(decide(peers, [](json::object& v) { v["name"] = "v2alpha1"; }), "a served v2");
  EXPECT_EQ(decide(policies, [](json::object& v) { v.erase("subresources"); }), "subresource status of v2alpha1");
  EXPECT_EQ(decide(peers, [&](json::object& v) { spec(v)["properties"].as_object().erase("bfd"); }), "spec.bfd of v2");
  EXPECT_EQ(decide(policies,
                   [&](json::object& v) {
                     v.erase("subresources");
                     auto& router =
                         spec(v)["properties"].as_object()["virtualRouters"].as_object()["items"].as_object();
                     auto& neighbor =
                         router["properties"].as_object()["neighbors"].as_object()["items"].as_object()["properties"];
                     neighbor.as_object().erase("bfd");
                     neighbor.as_object().erase("drain");
                   }),
            "subresource status of v2alpha1, spec.virtualRouters[].neighbors[].bfd and 1 other field(s) of v2alpha1");
  EXPECT_EQ(decide(peers,
                   [&](json::object& v) {
                     spec(v)["properties"] = json::object();
                     spec(v)["x-kubernetes-preserve-unknown-fields"] = true;
                   }),
            "")
      << "what it does not know is kept";
}

Task<> installs(asio::io_context& io, FakeServer& server) {
  Client client(io, FakeServer::config(), server.transport());
  const auto crds = *built_in_crds();
  // Somebody has to establish them, as the API server does.
  server.intercept = [&](const Request& r) -> std::optional<Response> {
    if (r.method != "GET") return std::nullopt;
    EXPECT_EQ(r.target.find('?'), std::string::npos) << "the definitions of others are not read: " << r.target;
    for (auto crd : server.all(kCustomResourceDefinitions)) {
      if (crd_established(crd)) continue;
      json::object established;
      established["type"] = "Established";
      established["status"] = "True";
      json::object status;
      status["conditions"] = json::array(1, established);
      crd["status"] = status;
      server.put(kCustomResourceDefinitions, crd);
    }
    return std::nullopt;
  };
  auto r = co_await install_crds(client, crds, std::chrono::seconds(5));
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(server.all(kCustomResourceDefinitions).size(), crds.size());
  const auto before = server.revision();
  r = co_await install_crds(client, crds, std::chrono::seconds(5));
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(server.revision(), before) << "the second run finds nothing to do";
  // An older schema is upgraded, what others put there stays.
  auto old = *server.get(kCustomResourceDefinitions, "", "ciliumnodes.cilium.io");
  old["spec"].get_object()["scope"] = "Namespaced";
  metadata_of(old)["annotations"] =
      json::object{{kCrdVersionAnnotation, "0.0.1"}, {kCrdDigestAnnotation, "old"}, {"mine", "kept"}};
  server.put(kCustomResourceDefinitions, old);
  r = co_await install_crds(client, crds, std::chrono::seconds(5));
  const auto now = *server.get(kCustomResourceDefinitions, "", "ciliumnodes.cilium.io");
  EXPECT_EQ(text_at(object_at(now, "spec"), "scope"), "Cluster");
  EXPECT_EQ(labels_at(metadata(now), "annotations").at("mine"), "kept");
}
TEST(Crds, are_installed_once_and_upgraded_when_they_changed) {
  asio::io_context io;
  FakeServer server(io);
  run(io, installs(io, server));
}

Task<> never_established(asio::io_context& io, FakeServer& server) {
  Client client(io, FakeServer::config(), server.transport());
  const auto crds = *built_in_crds();
  auto r = co_await install_crds(client, crds, std::chrono::seconds(0));
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::timeout);
  EXPECT_NE(r.error().message.find("ciliumnodes.cilium.io"), std::string::npos);
}
TEST(Crds, definition_that_is_not_established_is_named) {
  asio::io_context io;
  FakeServer server(io);
  run(io, never_established(io, server));
}

struct World {
  asio::io_context io;
  FakeServer server{io};
  Client client{io, FakeServer::config(), server.transport()};
  Scope scope{io, "test"};

  void identity(NumericIdentity id) {
    Identity i;
    i.id = id;
    i.labels = {{"k8s:app", std::to_string(id)}};
    server.put(kCiliumIdentities, to_cilium_identity(i));
  }
  void endpoint(const std::string& name, const std::string& pod_uid, NumericIdentity id) {
    CiliumEndpoint e;
    e.name = {"shop", name};
    e.pod_uid = pod_uid;
    e.identity = id;
    server.put(kCiliumEndpoints, to_cilium_endpoint(e));
  }
  void pod(const std::string& name, const std::string& uid, const std::string& phase = "Running") {
    json::object o;
    auto& meta = metadata_of(o);
    meta["name"] = name;
    meta["namespace"] = "shop";
    meta["uid"] = uid;
    o["status"] = json::object{{"phase", phase}};
    server.put(kPods, o);
  }
  void node(const Resource& r, const std::string& name) {
    json::object o;
    metadata_of(o)["name"] = name;
    server.put(r, o);
  }
  bool marked(NumericIdentity id) const {
    const auto o = server.get(kCiliumIdentities, "", std::to_string(id));
    return o && object_at(metadata(*o), "annotations").contains(identity::kHeartbeatAnnotation);
  }
  static Options fast() {
    Options o;
    o.identity_gc_interval = std::chrono::seconds(1);
    o.identity_heartbeat_timeout = std::chrono::seconds(1);
    o.endpoint_gc_interval = std::chrono::seconds(1);
    o.node_gc_interval = std::chrono::seconds(1);
    return o;
  }
};

Task<> collects(World& w) {
  w.identity(65600);
  w.identity(65601);
  w.pod("cart", "u1");
  w.endpoint("cart", "u1", 65600);
  w.endpoint("gone", "u2", 65600);
  w.endpoint("done", "u3", 65600);
  w.pod("done", "u3", "Succeeded");
  w.endpoint("other", "u4", 65600);
  w.pod("other", "u5");
  w.node(kNodes, "n1");
  w.node(kCiliumNodes, "n1");
  w.node(kCiliumNodes, "n2");
  const Options options = World::fast();
  Collector collector(w.client, options);
  w.scope.spawn("collector", collector.run());
  co_await until([&] { return w.marked(65601); });
  EXPECT_FALSE(w.marked(65600));
  co_await until([&] { return !w.server.get(kCiliumIdentities, "", "65601"); });
  co_await until([&] { return !w.server.get(kCiliumNodes, "", "n2"); });
  co_await until([&] { return w.server.all(kCiliumEndpoints).size() == 1; });
  EXPECT_TRUE(w.server.get(kCiliumEndpoints, "shop", "cart"));
  EXPECT_TRUE(w.server.get(kCiliumNodes, "", "n1"));
  EXPECT_TRUE(w.server.get(kCiliumIdentities, "", "65600"));
  EXPECT_EQ(collector.counts().failures, 0u);
  co_await w.scope.stop();
}
TEST(Collector, what_is_left_behind_goes_and_what_is_used_stays) {
  World w;
  run(w.io, collects(w));
}

Task<> picked_up(World& w) {
  w.identity(65600);
  const Options options = World::fast();
  Collector collector(w.client, options);
  w.scope.spawn("collector", collector.run());
  co_await until([&] { return w.marked(65600); });
  // An agent picks it up at the very moment of the delete: the mark goes, the version changes.
  bool raced = false;
  w.server.intercept = [&](const Request& r) -> std::optional<Response> {
    if (r.method == "DELETE" && !raced) {
      raced = true;
      w.identity(65600);
      w.endpoint("cart", "u1", 65600);
      w.pod("cart", "u1");
    }
    return std::nullopt;
  };
  co_await until([&] { return raced; });
  co_await sleep_for(std::chrono::milliseconds(1500));
  EXPECT_TRUE(w.server.get(kCiliumIdentities, "", "65600")) << "one in use was deleted";
  EXPECT_EQ(collector.counts().identities_removed, 0u);
  w.server.intercept = nullptr;
  co_await w.scope.stop();
}
TEST(Collector, identity_picked_up_at_the_last_moment_is_not_deleted) {
  World w;
  run(w.io, picked_up(w));
}

Task<> unreadable(World& w) {
  w.identity(65600);
  const Options options = World::fast();
  Collector collector(w.client, options);
  w.scope.spawn("collector", collector.run());
  co_await until([&] { return w.marked(65600); });
  // Who uses it says so in a way that we do not understand.
  w.pod("cart", "u1");
  CiliumEndpoint e;
  e.name = {"shop", "cart"};
  e.pod_uid = "u1";
  auto odd = to_cilium_endpoint(e);
  odd["status"].get_object()["identity"] = json::object{{"id", -1}};
  w.server.put(kCiliumEndpoints, odd);
  const auto before = collector.counts().failures;
  co_await until([&] { return collector.counts().failures > before; });
  EXPECT_TRUE(w.server.get(kCiliumIdentities, "", "65600")) << "one in use was deleted";
  EXPECT_EQ(collector.counts().identities_removed, 0u);
  // Mended, the passes go on: the endpoint uses another one.
  w.endpoint("cart", "u1", 65601);
  co_await until([&] { return !w.server.get(kCiliumIdentities, "", "65600"); });
  co_await w.scope.stop();
}
TEST(Collector, no_identity_goes_while_an_endpoint_cannot_be_read) {
  World w;
  run(w.io, unreadable(w));
}

Task<> stale(World& w) {
  // The watch of pods is stuck: the table lacks a pod that exists.
  w.endpoint("cart", "u1", 65600);
  w.server.intercept = [](const Request& r) -> std::optional<Response> {
    const bool pods = r.target.find("/pods") != std::string::npos;
    if (!pods) return std::nullopt;
    const bool list = r.target.find("/namespaces/") == std::string::npos;
    if (list && r.target.find("watch=") == std::string::npos)
      return Response{200, "application/json", R"({"metadata":{"resourceVersion":"1"},"items":[]})", std::nullopt};
    return std::nullopt;
  };
  const Options options = World::fast();
  Collector collector(w.client, options);
  w.scope.spawn("collector", collector.run());
  co_await sleep_for(std::chrono::milliseconds(200));
  w.server.break_watches("stuck");
  w.server.compact();
  w.pod("cart", "u1");
  w.server.compact();  // the watch cannot resume, the list shows nothing
  co_await sleep_for(std::chrono::milliseconds(2500));
  EXPECT_TRUE(w.server.get(kCiliumEndpoints, "shop", "cart")) << "the pod exists";
  co_await w.scope.stop();
}
TEST(Collector, pod_is_asked_for_once_more_before_its_endpoint_goes) {
  World w;
  run(w.io, stale(w));
}

}  // namespace
}  // namespace weft::op
