// What the tests of remote clusters share: our side's tables, and a small remote written into an etcd.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "async/tests/run.h"
#include "mesh/remote_cluster.h"
#include "mesh/values/keys.h"

namespace weft::mesh {

using namespace std::chrono_literals;
using kvstore::Client;
using weft::testing::eventually;
using weft::testing::run;

inline const LocalCluster kHome{"home", 1, 255};

struct World {
  explicit World(asio::io_context& i) : io(i) {}
  asio::io_context& io;
  Table<Node> nodes{io, "nodes"};
  Table<ClusterService> services{io, "cluster-services"};
  Table<IpIdentity> ips{io, "ips"};
  Table<Identity> identities{io, "identities"};
  Table<RemoteStatus> remotes{io, "remotes"};
  IdRegistry ids;
  Tables tables{nodes, services, ips, identities, remotes};

  std::unique_ptr<RemoteCluster> remote(std::string name, kvstore::Options store, bool initial = false) {
    return std::make_unique<RemoteCluster>(io, kHome, std::move(name), options(std::move(store)), tables, ids, initial);
  }
  bool initialized() const {
    return nodes.initialized() && services.initialized() && ips.initialized() && identities.initialized();
  }
  static RemoteOptions options(kvstore::Options store) {
    RemoteOptions o;
    o.store = std::move(store);
    o.store.dial_timeout = 2s;
    o.retry_first = 50ms;
    o.retry_max = 200ms;
    o.check_every = 200ms;
    return o;
  }
  RemoteStatus status(const std::string& name) const {
    const auto row = remotes.get(name);
    return row ? *row : RemoteStatus{};
  }
};

/// Waits until a remote says why it is not ready, in words that hold `part`.
inline Task<> eventually_says(const World& w, std::string remote, std::string part) {
  std::function<bool()> fact = [&] {
    const auto status = w.status(remote);
    return !status.ready && status.why.find(part) != std::string::npos;
  };
  std::function<std::string()> seen = [&] {
    const auto status = w.status(remote);
    return (status.ready ? "ready, " : "not ready, ") + status.why;
  };
  co_await weft::testing::until(std::move(fact), std::move(seen), 20s);
}

inline Task<> put(Client& c, std::string key, std::string value) {
  const auto r = co_await c.put(std::move(key), std::move(value));
  EXPECT_TRUE(r.has_value()) << (r ? "" : r.error().message);
}

inline std::string config_json(ClusterId id, ClusterId max = 255) {
  return encode_cluster_config(
      {.id = id, .synced_canaries = true, .max_connected_clusters = max, .service_exports_enabled = false});
}

inline Task<> canaries(Client& c, std::string cluster) {
  for (const Kind k : kMirroredKinds) {
    std::string key = canary_key(k, cluster);
    co_await put(c, std::move(key), "2026-01-01T00:00:00Z");
  }
}

inline Node node(const std::string& cluster, ClusterId id, const std::string& name, const std::string& cidr) {
  Node n;
  n.cluster = cluster, n.cluster_id = id, n.name = name;
  n.pod_cidrs = {*Prefix::parse(cidr)};
  return n;
}

inline Task<> put_node(Client& c, Node n) {
  std::string key = data_prefix(Kind::nodes, n.cluster) + n.name;
  std::string value = encode_node(n);
  co_await put(c, std::move(key), std::move(value));
}

// A small cluster: one node, one service, one address, one identity, its configuration and canaries.
inline Task<> seed(Client& c, std::string cluster, ClusterId id, std::string cidr) {
  co_await put(c, cluster_config_key(cluster), config_json(id));
  co_await put_node(c, node(cluster, id, cluster + "-n1", cidr));
  ClusterService s;
  s.cluster = cluster, s.cluster_id = id, s.name = {"shop", "cart"};
  s.backends[Prefix::parse(cidr)->address().plus(9)][""] = {Protocol::tcp, 80};
  co_await put(c, data_prefix(Kind::services, cluster) + "shop/cart", encode_service(s));
  IpIdentity ip;
  ip.prefix = Prefix::host(Prefix::parse(cidr)->address().plus(9));
  ip.id = (id << 16) + 300;
  co_await put(c, data_prefix(Kind::ip, cluster) + ip_key(ip.prefix), encode_ip(ip));
  const Labels labels{{"k8s:io.cilium.k8s.policy.cluster", cluster}, {"k8s:app", "cart"}};
  co_await put(c, data_prefix(Kind::identities, cluster) + std::to_string(ip.id), encode_identity(labels));
  co_await canaries(c, cluster);
}

}  // namespace weft::mesh
