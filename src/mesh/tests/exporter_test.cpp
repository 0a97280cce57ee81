// The exporter against a real etcd: what is written, in which order, and what happens to it later.
#include "mesh/exporter.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "async/tests/run.h"
#include "kvstore/testing/etcd_server.h"
#include "mesh/global_namespaces.h"
#include "mesh/remote_cluster.h"
#include "mesh/store_users.h"
#include "mesh/values/keys.h"

using namespace std::chrono_literals;

namespace weft::mesh {
namespace {

using kvstore::Client;
using kvstore::KeyValue;
using kvstore::testing::EtcdServer;
using kvstore::testing::TestCa;
using weft::testing::eventually;
using weft::testing::run;

const LocalCluster kEast{"east", 7, 255};

struct World {
  explicit World(asio::io_context& io)
      : nodes(io, "nodes"),
        services(io, "services"),
        slices(io, "slices"),
        endpoints(io, "endpoints"),
        identities(io, "identities"),
        namespaces(io, "namespaces") {
    nodes.expect("k8s"), services.expect("k8s"), slices.expect("k8s"), endpoints.expect("k8s"),
        identities.expect("k8s"), namespaces.expect("k8s");
  }
  void initialized() {
    nodes.initialized_by("k8s"), services.initialized_by("k8s"), slices.initialized_by("k8s"),
        endpoints.initialized_by("k8s"), identities.initialized_by("k8s"), namespaces.initialized_by("k8s");
  }
  ExportSources rows() { return {nodes, services, slices, endpoints, identities, namespaces}; }
  void fill() {
    Node n;
    n.cluster = "east", n.cluster_id = 7, n.name = "e1";
    n.pod_cidrs = {*Prefix::parse("10.7.0.0/24")};
    nodes.upsert(n);
    annotate(std::nullopt);
    Service s;
    s.name = {"shop", "cart"}, s.global = true;
    s.ports = {{"", Protocol::tcp, 80, 0, "8080", ""}};
    services.upsert(s);
    slices.upsert(slice("cart-a", "10.7.0.9"));
    endpoints.upsert(endpoint("cart-1", "10.7.0.9", (7 << 16) + 300));
    identities.upsert({(7 << 16) + 300,
                       {{"k8s:app", "cart"},
                        {"k8s:io.cilium.k8s.policy.cluster", "east"},
                        {"k8s:io.kubernetes.pod.namespace", "shop"}},
                       "east"});
  }
  // Namespace shop, with this value of clustermesh.cilium.io/global.
  void annotate(std::optional<std::string> global) {
    kube::Namespace n;
    n.name = "shop";
    if (global) n.annotations[kGlobalNamespaceAnnotation] = *global;
    namespaces.upsert(n);
  }
  static EndpointSlice slice(const char* name, const char* ip) {
    EndpointSlice s;
    s.name = {"shop", name}, s.service = "cart";
    s.ports = {{"", Protocol::tcp, 8080}};
    s.endpoints = {{{*Address::parse(ip)}, true, true, false, "", "e1", "", {}, {}}};
    return s;
  }
  static kube::CiliumEndpoint endpoint(const char* name, const char* ip, NumericIdentity id) {
    kube::CiliumEndpoint e;
    e.name = {"shop", name}, e.identity = id;
    e.addresses = {*Address::parse(ip)};
    e.node = *Address::parse("172.18.7.11");
    return e;
  }
  Table<Node> nodes;
  Table<Service> services;
  Table<EndpointSlice> slices;
  Table<kube::CiliumEndpoint> endpoints;
  Table<Identity> identities;
  Table<kube::Namespace> namespaces;
};

Task<> drive(Exporter& e) { (void)co_await e.run(); }

Task<std::map<std::string, KeyValue>> dump(Client& c) {
  kvstore::RangeRequest all = kvstore::RangeRequest::prefix("cilium/");
  auto r = co_await c.range(std::move(all));
  std::map<std::string, KeyValue> out;
  if (!r) {
    ADD_FAILURE() << r.error().message;
    co_return out;
  }
  for (auto& kv : r->kvs) out[kv.key] = kv;
  co_return out;
}

TEST(Exporter, writes_configuration_then_data_then_canaries_all_on_leases) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    (void)co_await c.put("cilium/state/nodes/v1/east/of-an-earlier-life", "x");
    World w(io);
    w.fill();
    Exporter e(c, kEast, w.rows());
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await sleep_for(300ms);
    EXPECT_FALSE(e.ready()) << "Kubernetes has not been listed";
    auto keys = co_await dump(c);
    EXPECT_FALSE(keys.contains("cilium/state/services/v1/east/shop/cart")) << "not before all slices are known";
    EXPECT_FALSE(keys.contains("cilium/synced/east/cilium/state/nodes/v1"));
    w.initialized();
    co_await eventually("ready", [&] { return e.ready(); });
    keys = co_await dump(c);
    std::vector<std::string> names;
    for (const auto& [key, kv] : keys) {
      names.push_back(key);
      EXPECT_NE(kv.lease, 0) << key;
    }
    EXPECT_EQ(names,
              (std::vector<std::string>{
                  "cilium/.heartbeat", "cilium/cluster-config/east", "cilium/state/identities/v1/id/459052",
                  "cilium/state/ip/v1/default/10.7.0.9", "cilium/state/nodes/v1/east/e1",
                  "cilium/state/services/v1/east/shop/cart", "cilium/synced/east/cilium/state/identities/v1",
                  "cilium/synced/east/cilium/state/ip/v1", "cilium/synced/east/cilium/state/nodes/v1",
                  "cilium/synced/east/cilium/state/serviceexports/v1", "cilium/synced/east/cilium/state/services/v1"}));
    const auto rev = [&](const std::string& key) { return keys[key].mod_revision; };
    for (const auto& name : names) EXPECT_LE(rev("cilium/cluster-config/east"), rev(name)) << name;
    EXPECT_GT(rev("cilium/synced/east/cilium/state/nodes/v1"), rev("cilium/state/nodes/v1/east/e1"));
    EXPECT_GT(rev("cilium/synced/east/cilium/state/services/v1"), rev("cilium/state/services/v1/east/shop/cart"));
    EXPECT_GT(rev("cilium/synced/east/cilium/state/ip/v1"), rev("cilium/state/ip/v1/default/10.7.0.9"));
    co_await scope.stop();
    co_await e.stop();
    EXPECT_EQ((co_await dump(c)).size(), names.size()) << "a restart takes nothing away";
  });
}

TEST(Exporter, follows_slices_services_and_pods) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    World w(io);
    w.fill();
    w.initialized();
    Exporter e(c, kEast, w.rows());
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await eventually("ready", [&] { return e.ready(); });
    w.slices.upsert(World::slice("cart-b", "10.7.0.10"));
    EndpointSlice mirrored = World::slice("cart-remote", "10.9.0.1");
    mirrored.managed_by = "endpointslice-mesh-controller.cilium.io";
    w.slices.upsert(mirrored);
    // The address passes to another pod before the first one's endpoint is gone.
    w.endpoints.upsert(World::endpoint("cart-2", "10.7.0.9", (7 << 16) + 301));
    w.endpoints.remove({"shop", "cart-1"});
    w.nodes.remove({"east", "e1"});
    std::map<std::string, KeyValue> keys;
    const auto until = Steady::now() + 10s;
    for (;;) {
      keys = co_await dump(c);
      const auto service = decode_service(keys["cilium/state/services/v1/east/shop/cart"].value);
      const auto ip = decode_ip(keys["cilium/state/ip/v1/default/10.7.0.9"].value);
      if ((service && service->backends.size() == 2 && ip && ip->pod == "cart-2" &&
           !keys.contains("cilium/state/nodes/v1/east/e1")) ||
          Steady::now() > until)
        break;
      co_await sleep_for(20ms);
    }
    const auto service = decode_service(keys["cilium/state/services/v1/east/shop/cart"].value);
    EXPECT_EQ(service->backends.size(), 2u);
    EXPECT_EQ(decode_ip(keys["cilium/state/ip/v1/default/10.7.0.9"].value)->id, (7u << 16) + 301);
    EXPECT_FALSE(keys.contains("cilium/state/nodes/v1/east/e1"));
    Service local = *w.services.get({"shop", "cart"});
    local.shared = false;
    w.services.upsert(local);
    do {
      keys = co_await dump(c);
    } while (keys.contains("cilium/state/services/v1/east/shop/cart") && Steady::now() < until);
    EXPECT_FALSE(keys.contains("cilium/state/services/v1/east/shop/cart"));
    co_await scope.stop();
    co_await e.stop();
  });
}

// The keys of namespace shop, and of the node beside them.
const char* const kOfShop[] = {"cilium/state/services/v1/east/shop/cart", "cilium/state/ip/v1/default/10.7.0.9",
                               "cilium/state/identities/v1/id/459052"};
const char* const kOfNode = "cilium/state/nodes/v1/east/e1";

// How many of shop's keys there are, once that is `wanted` or after a while.
Task<std::size_t> keys_of_shop(Client& c, std::size_t wanted) {
  const auto until = Steady::now() + 20s;
  for (;;) {
    const auto keys = co_await dump(c);
    EXPECT_TRUE(keys.contains(kOfNode)) << "nodes have no namespace";
    std::size_t n = 0;
    for (const char* key : kOfShop) n += keys.contains(key) ? 1 : 0;
    if (n == wanted || Steady::now() > until) co_return n;
    co_await sleep_for(20ms);
  }
}

TEST(Exporter, a_namespace_that_is_not_global_keeps_services_endpoints_and_identities_at_home) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    for (const char* key : kOfShop) (void)co_await c.put(key, "of an earlier life");
    World w(io);
    w.fill();
    w.annotate("false");
    w.initialized();
    Exporter e(c, kEast, w.rows());
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await eventually("ready", [&] { return e.ready(); });
    std::size_t n = co_await keys_of_shop(c, 0);
    EXPECT_EQ(n, 0u) << "also what was there before";

    const std::vector<std::pair<std::optional<std::string>, std::size_t>> steps{
        {"True", 3}, {"no", 0}, {std::nullopt, 3}, {"", 0}, {"true", 3}};
    for (const auto& step : steps) {
      w.annotate(step.first);
      n = co_await keys_of_shop(c, step.second);
      EXPECT_EQ(n, step.second) << step.first.value_or("not annotated");
    }
    w.namespaces.remove("shop");
    n = co_await keys_of_shop(c, 0);
    EXPECT_EQ(n, 0u) << "a namespace that is gone is not global";
    co_await scope.stop();
    co_await e.stop();
  });
}

TEST(Exporter, where_namespaces_are_not_global_by_default_only_annotated_ones_are_told) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    World w(io);
    w.fill();
    w.initialized();
    Exporter e(c, kEast, w.rows(), {.namespaces_global_by_default = false});
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await eventually("ready", [&] { return e.ready(); });
    std::size_t n = co_await keys_of_shop(c, 0);
    EXPECT_EQ(n, 0u);
    w.annotate("true");
    n = co_await keys_of_shop(c, 3);
    EXPECT_EQ(n, 3u);
    co_await scope.stop();
    co_await e.stop();
  });
}

TEST(Exporter, says_nothing_of_a_namespace_that_it_has_not_heard_of) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    for (const char* key : kOfShop) (void)co_await c.put(key, "of an earlier life");
    World w(io);
    w.fill();
    w.namespaces.remove("shop");
    w.namespaces.expect("slow");
    w.initialized();
    Exporter e(c, kEast, w.rows());
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await eventually("the nodes are written", [&] {
      const auto status = e.status();
      return std::any_of(status.begin(), status.end(),
                         [](const auto& k) { return k.canary && k.prefix.find("/nodes/") != std::string::npos; });
    });
    EXPECT_FALSE(e.ready());
    std::size_t n = co_await keys_of_shop(c, 3);
    EXPECT_EQ(n, 3u) << "and takes nothing away either";
    w.annotate("false");
    w.namespaces.initialized_by("slow");
    n = co_await keys_of_shop(c, 0);
    EXPECT_EQ(n, 0u);
    co_await scope.stop();
    co_await e.stop();
  });
}

TEST(Exporter, writes_the_cluster_configuration_again_when_somebody_changes_or_deletes_it) {
  EtcdServer etcd;
  run([&](asio::io_context& io) -> Task<> {
    Client c(io, etcd.options());
    World w(io);
    w.initialized();
    Exporter e(c, kEast, w.rows());
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await eventually("ready", [&] { return e.ready(); });
    co_await sleep_for(200ms);
    const std::string key = "cilium/cluster-config/east";
    const auto good = co_await c.get(key);
    for (const bool deletion : {false, true}) {
      if (deletion) {
        (void)co_await c.del(key);
      } else {
        (void)co_await c.put(key, "{}");
      }
      std::string value;
      const auto until = Steady::now() + 10s;
      while (value != (*good)->value && Steady::now() < until) {
        co_await sleep_for(20ms);
        const auto now = co_await c.get(key);
        value = now && *now ? (*now)->value : "";
      }
      EXPECT_EQ(value, (*good)->value);
    }
    co_await scope.stop();
    co_await e.stop();
  });
}

TEST(Exporter, a_reader_with_the_remote_certificate_takes_it_all_and_cannot_write) {
  TestCa ca("mesh CA");
  EtcdServer etcd({.ca = &ca});
  run([&](asio::io_context& io) -> Task<> {
    Client root(io, etcd.options("root"));
    const std::vector<StoreUser> more{{"remote", "remote"}, {"remote-west", "remote"}};
    for (int i = 0; i < 2; ++i) {  // the second time all is there already
      const auto users = co_await set_store_users(root, "east", more);
      EXPECT_TRUE(users.has_value()) << (users ? "" : users.error().message);
    }
    const auto on = co_await root.auth_enable();
    EXPECT_TRUE(on.has_value());
    Client admin(io, etcd.options("admin-east"));
    World w(io);
    w.fill();
    w.initialized();
    Exporter e(admin, kEast, w.rows());
    Scope scope(io, "test");
    scope.spawn("export", drive(e));
    co_await eventually("ready", [&] { return e.ready(); });

    for (const char* user : {"remote", "remote-west"}) {
      Table<Node> nodes(io, "nodes");
      Table<ClusterService> services(io, "services");
      Table<IpIdentity> ips(io, "ips");
      Table<Identity> identities(io, "identities");
      Table<RemoteStatus> remotes(io, "remotes");
      IdRegistry ids;
      RemoteOptions options;
      options.store = etcd.options(user);
      const LocalCluster west{"west", 8, 255};
      RemoteCluster r(io, west, "east", options, {nodes, services, ips, identities, remotes}, ids, false);
      r.start();
      co_await eventually("the remote reads all", [&] { return remotes.get("east")->ready; });
      EXPECT_EQ(nodes.size() + services.size() + ips.size() + identities.size(), 4u) << user;
      EXPECT_EQ(remotes.get("east")->rejected, 0u) << remotes.get("east")->rejected_example;
      co_await r.stop();
      Client remote(io, etcd.options(user));
      for (const char* key :
           {"cilium/state/nodes/v1/east/e1", "cilium/state/ip/v1/default/10.7.0.9", "cilium/.heartbeat", "elsewhere"}) {
        const auto put = co_await remote.put(key, "x");
        EXPECT_FALSE(put.has_value()) << key;
        EXPECT_EQ(put.error().code, Errc::unauthorized) << key;
        const auto del = co_await remote.del(key);
        EXPECT_EQ(del.error().code, Errc::unauthorized) << key;
      }
      const auto foreign = co_await remote.get("cilium/cluster-config/other");
      EXPECT_EQ(foreign.error().code, Errc::unauthorized);
    }
    co_await scope.stop();
    co_await e.stop();
  });
}

}  // namespace
}  // namespace weft::mesh
