#include <fmt/format.h>

#include <boost/json.hpp>

#include "api/metrics.h"
#include "api/server.h"
#include "apps/clustermesh/commands.h"
#include "async/scope.h"
#include "async/signal.h"
#include "base/file.h"
#include "base/log.h"
#include "kube/reflector.h"
#include "kube/types/cilium.h"
#include "kube/types/core.h"
#include "kube/types/endpoint_slice.h"
#include "kube/types/service.h"
#include "mesh/exporter.h"
#include "mesh/store_users.h"

namespace weft::clustermesh {
namespace {

// Kubernetes as rows.
struct Sources {
  Sources(asio::io_context& io, kube::Client& client, const mesh::LocalCluster& local)
      : nodes(io, "nodes"),
        services(io, "services"),
        slices(io, "endpoint-slices"),
        endpoints(io, "endpoints"),
        identities(io, "identities"),
        namespaces(io, "namespaces"),
        node_source(
            client, kube::kCiliumNodes, nodes,
            [c = kube::ClusterInfo{local.name, local.id}](const auto& o) { return kube::parse_cilium_node(o, c); }),
        service_source(client, kube::kServices, services, kube::parse_served_service),
        slice_source(client, kube::kEndpointSlices, slices, kube::parse_endpoint_slice),
        endpoint_source(client, kube::kCiliumEndpoints, endpoints, kube::parse_cilium_endpoint),
        identity_source(
            client, kube::kCiliumIdentities, identities,
            [c = kube::ClusterInfo{local.name, local.id}](const auto& o) { return kube::parse_cilium_identity(o, c); }),
        namespace_source(client, kube::kNamespaces, namespaces, kube::parse_namespace) {}

  void start(Scope& scope) {
    scope.spawn("cilium nodes", node_source.run());
    scope.spawn("services", service_source.run());
    scope.spawn("endpoint slices", slice_source.run());
    scope.spawn("cilium endpoints", endpoint_source.run());
    scope.spawn("identities", identity_source.run());
    scope.spawn("namespaces", namespace_source.run());
  }
  mesh::ExportSources rows() { return {nodes, services, slices, endpoints, identities, namespaces}; }

  Table<Node> nodes;
  Table<Service> services;
  Table<EndpointSlice> slices;
  Table<kube::CiliumEndpoint> endpoints;
  Table<Identity> identities;
  Table<kube::Namespace> namespaces;
  kube::Reflector<Node> node_source;
  kube::Reflector<Service> service_source;
  kube::Reflector<EndpointSlice> slice_source;
  kube::Reflector<kube::CiliumEndpoint> endpoint_source;
  kube::Reflector<Identity> identity_source;
  kube::Reflector<kube::Namespace> namespace_source;
};

// The store side, made anew when etcd turns out to hold another data set.
struct Store {
  std::unique_ptr<kvstore::Client> client;
  std::unique_ptr<mesh::Exporter> exporter;
};

Task<> mirror(asio::io_context& io, const Options& o, Sources& sources, Store& store) {
  for (;;) {
    store.client = std::make_unique<kvstore::Client>(io, o.store);
    store.exporter = std::make_unique<mesh::Exporter>(
        *store.client, o.local, sources.rows(),
        mesh::ExportOptions{.lease = {.ttl = o.lease_ttl},
                            .namespaces_global_by_default = o.namespaces_global_by_default});
    const auto r = co_await store.exporter->run();
    log::warn("starting the export anew", {{"reason", r ? "" : r.error().message}});
    co_await store.exporter->stop();
    store.exporter.reset();
  }
}

// Remote users come and go with the file: whoever it names can read, and nobody else, from a few seconds after. A file
// that cannot be read or understood changes nothing.
Task<> keep_users(asio::io_context& io, const Options& o) {
  std::optional<std::string> applied, complained;
  auto client = std::make_unique<kvstore::Client>(io, o.store);
  for (;;) {
    const auto text = read_file(o.users_config);
    auto users = text ? mesh::parse_store_users(*text) : Result<std::vector<mesh::StoreUser>>(fail(text.error()));
    if (!users) {
      if (complained != users.error().message)
        log::warn("store users not changed", {{"file", o.users_config}, {"error", users.error().message}});
      complained = users.error().message;
    } else if (complained.reset(); applied != *text) {
      std::string cluster = o.local.name;
      const auto r = co_await mesh::set_store_users(*client, std::move(cluster), std::move(*users));
      if (r) {
        applied = *text;
      } else {
        log::warn("cannot set up store users, trying again", {{"error", r.error().message}});
        if (r.error().code == Errc::conflict) client = std::make_unique<kvstore::Client>(io, o.store);
      }
    }
    co_await sleep_for(std::chrono::seconds(5));
  }
}

boost::json::object describe(const Store& store) {
  boost::json::object out;
  out["ready"] = store.exporter && store.exporter->ready();
  auto& kinds = out["kinds"].emplace_array();
  if (!store.exporter) return out;
  for (const auto& k : store.exporter->status()) {
    boost::json::object kind;
    kind["prefix"] = k.prefix;
    kind["keys"] = k.wanted;
    kind["waiting"] = k.waiting;
    kind["synced"] = k.canary;
    kind["error"] = k.error;
    kinds.push_back(std::move(kind));
  }
  return out;
}

void collect_metrics(metrics::Samples& out, const Store& store) {
  if (!store.exporter) return;
  for (const auto& k : store.exporter->status()) {
    const metrics::Labels of{{"prefix", k.prefix}};
    out.gauge("weft_clustermesh_keys", "Keys that the store shall hold.", of, static_cast<double>(k.wanted));
    out.gauge("weft_clustermesh_keys_waiting", "Keys not written yet.", of, static_cast<double>(k.waiting));
    out.gauge("weft_clustermesh_synced", "1 when everything of the first lists is written, 0 before.", of,
              k.canary ? 1 : 0);
  }
}

Task<api::Response> answer(api::Response response) { co_return response; }

void add_routes(api::Server& server, const Store& store) {
  server.route("GET", "/healthz", [](api::Request) { return answer(api::Response::text("ok\n")); });
  server.route("GET", "/readyz", [&store](api::Request) {
    const bool ready = store.exporter && store.exporter->ready();
    return answer(api::Response::of(describe(store), ready ? 200 : 503));
  });
}

}  // namespace

Task<int> run(asio::io_context& io, Options o) {
  if (auto r = validate_run(o); !r) {
    log::error("wrong configuration", {{"error", r.error().message}});
    co_return 2;
  }
  auto config = kube::find_config(o.kubeconfig);
  if (!config) {
    log::error("no way to the Kubernetes API", {{"error", config.error().message}});
    co_return 2;
  }
  config->user_agent = "weft-clustermesh";
  kube::Client client(io, *config);
  Sources sources(io, client, o.local);
  Store store;
  Scope scope(io, "clustermesh");

  const SocketAddress health{*Address::parse(o.health_address), o.health_port};
  const std::string address = "tcp://" + health.to_string();
  api::Server server(io, address);
  add_routes(server, store);
  metrics::Registry registry;
  registry.collect([&store](metrics::Samples& out) { collect_metrics(out, store); });
  api::add_metrics(server, registry);
  const auto serve = [](api::Server& s) -> Task<> { (void)co_await s.run(); };
  if (o.health_port != 0) scope.spawn("health", serve(server));

  sources.start(scope);
  scope.spawn("export", mirror(io, o, sources, store));
  if (!o.users_config.empty()) scope.spawn("users", keep_users(io, o));
  log::info("mirroring into the mesh store",
            {{"cluster", o.local.name}, {"id", o.local.id}, {"store", o.store.endpoints.front()}});

  const int signal = co_await wait_for_termination();
  log::info("stopping; the keys stay until their leases expire", {{"signal", signal}});
  co_await scope.stop();
  if (store.exporter) co_await store.exporter->stop();
  co_return 0;
}

}  // namespace weft::clustermesh
