#include "mesh/exporter.h"

#include <fmt/format.h>

#include <map>
#include <set>

#include "async/backoff.h"
#include "base/log.h"
#include "kvstore/sync_store.h"
#include "mesh/global_namespaces.h"
#include "mesh/values/codec.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

// Slices that another controller of the mesh made out of remote backends: not ours to tell about.
constexpr std::string_view kMeshController = "endpointslice-mesh-controller.cilium.io";

}  // namespace

struct Exporter::Impl {
  Impl(kvstore::Client& c, LocalCluster l, ExportSources s, ExportOptions o)
      : client(c),
        local(std::move(l)),
        from(s),
        options(o),
        leases(c, o.lease),
        scope(c.io(), "mesh export"),
        ended(c.io()),
        namespaces_known(c.io()),
        namespaces(s.namespaces, o.namespaces_global_by_default),
        nodes(store(Kind::nodes)),
        services(store(Kind::services)),
        identities(store(Kind::identities)),
        ips(store(Kind::ip)),
        exports(store(Kind::service_exports)) {}

  std::unique_ptr<kvstore::SyncStore> store(Kind kind) {
    return std::make_unique<kvstore::SyncStore>(
        client, leases,
        kvstore::SyncStore::Options{.prefix = data_prefix(kind, local.name), .canary = canary_key(kind, local.name)});
  }
  std::vector<const kvstore::SyncStore*> stores() const {
    return {nodes.get(), services.get(), identities.get(), ips.get(), exports.get()};
  }

  Task<Result<bool>> enforce_config();
  Task<> keep_config();
  Task<> watch_config();
  Task<> heartbeat();
  Task<> renew() { co_await leases.run(); }
  Task<> write(kvstore::SyncStore* s);
  Task<> follow_nodes();
  Task<> follow_namespaces();
  Task<> know_namespaces();
  Task<> follow_identities();
  Task<> follow_endpoints();
  Task<> follow_services();
  Task<> follow_slices();
  void publish_service(const ObjectName& name);
  void publish_identity(const Identity& identity);
  void publish_endpoint(const kube::CiliumEndpoint& endpoint);
  void services_changed();
  void claim(const ObjectName& endpoint, std::vector<IpIdentity> rows);

  kvstore::Client& client;
  LocalCluster local;
  ExportSources from;
  ExportOptions options;
  kvstore::LeaseManager leases;
  Scope scope;
  Notifier ended;
  std::optional<Error> end;
  // Nothing that has a namespace is told before all namespaces have been heard of.
  Notifier namespaces_known;
  bool all_namespaces = false;
  GlobalNamespaces namespaces;
  std::unique_ptr<kvstore::SyncStore> nodes, services, identities, ips, exports;
  bool config_written = false;

  std::map<ObjectName, std::map<ObjectName, std::shared_ptr<const EndpointSlice>>> slices_of;  // by service
  std::map<ObjectName, ObjectName> service_of;                                                 // by slice
  Revision slices_seen = 0;
  bool services_open = false;  // both tables are complete: services may be written
  // Who says what about an address. A pod's successor may have its address before its own endpoint is gone: the last
  // to speak counts, and when it goes, the one before.
  std::map<std::string, std::vector<std::pair<ObjectName, std::string>>> claims;
  std::map<ObjectName, std::vector<std::string>> keys_of;
};

Exporter::Exporter(kvstore::Client& client, LocalCluster local, ExportSources sources, ExportOptions options)
    : impl_(std::make_shared<Impl>(client, std::move(local), sources, options)) {}
Exporter::~Exporter() = default;

Task<Result<>> Exporter::run() {
  const auto impl = impl_;
  impl->scope.spawn("leases", impl->renew());
  Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(30));
  for (;;) {
    const auto written = co_await impl->enforce_config();
    if (written) break;
    log::warn("cannot write the cluster configuration",
              {{"cluster", impl->local.name}, {"error", written.error().message}});
    if (written.error().code == Errc::conflict) co_return std::unexpected(written.error());
    co_await sleep_for(backoff.next());
  }
  impl->config_written = true;
  impl->scope.spawn("cluster config", impl->keep_config());
  impl->scope.spawn("cluster config watch", impl->watch_config());
  impl->scope.spawn("heartbeat", impl->heartbeat());
  impl->scope.spawn("nodes", impl->follow_nodes());
  impl->scope.spawn("namespaces", impl->follow_namespaces());
  impl->scope.spawn("identities", impl->follow_identities());
  impl->scope.spawn("endpoints", impl->follow_endpoints());
  impl->scope.spawn("slices", impl->follow_slices());
  impl->scope.spawn("services", impl->follow_services());
  for (auto* s :
       {impl->nodes.get(), impl->services.get(), impl->identities.get(), impl->ips.get(), impl->exports.get()})
    impl->scope.spawn(s->prefix(), impl->write(s));
  impl->exports->synced();  // nothing is exported that way; readers wait for the canary all the same
  while (!impl->end) co_await impl->ended.changed_since(impl->ended.version());
  co_return std::unexpected(*impl->end);
}

Task<> Exporter::stop() {
  const auto impl = impl_;
  co_await impl->scope.stop();
}

bool Exporter::ready() const {
  for (const auto* s : impl_->stores())
    if (!s->canary_written() || !s->error().empty()) return false;
  return impl_->config_written;
}

std::vector<Exporter::KindStatus> Exporter::status() const {
  std::vector<KindStatus> out;
  for (const auto* s : impl_->stores())
    out.push_back({s->prefix(), s->wanted(), s->waiting(), s->canary_written(), s->error()});
  return out;
}

Task<> Exporter::Impl::write(kvstore::SyncStore* s) {
  const auto r = co_await s->run();
  if (!r && !end) {
    end = r.error();
    ended.notify();
  }
}

// ---- cluster configuration and heartbeat

// True if it had to be written.
Task<Result<bool>> Exporter::Impl::enforce_config() {
  const std::string key = cluster_config_key(local.name);
  const std::string wanted = encode_cluster_config({.id = local.id,
                                                    .synced_canaries = true,
                                                    .max_connected_clusters = local.max_connected_clusters,
                                                    .service_exports_enabled = false});
  std::string ask = key;
  const auto now = co_await client.get(std::move(ask));
  if (!now) co_return std::unexpected(now.error());
  std::string for_lease = key;
  const auto lease = co_await leases.lease_for(std::move(for_lease));
  if (!lease) co_return std::unexpected(lease.error());
  if (*now && (*now)->value == wanted && (*now)->lease == *lease) co_return false;
  std::string name = key, value = wanted;
  const auto put = co_await client.put(std::move(name), std::move(value), *lease);
  if (!put) {
    if (put.error().code == Errc::not_found) leases.expire(*lease);
    co_return std::unexpected(put.error());
  }
  co_return true;
}

Task<> Exporter::Impl::keep_config() {
  for (;;) {
    co_await sleep_for(options.config_every);
    const auto r = co_await enforce_config();
    if (r && *r) log::warn("the cluster configuration had been changed, wrote it again", {{"cluster", local.name}});
  }
}

Task<> Exporter::Impl::watch_config() {
  Backoff backoff(std::chrono::milliseconds(500), std::chrono::seconds(30));
  for (;;) {
    kvstore::WatchRequest request;
    request.key = cluster_config_key(local.name);
    auto stream = co_await client.watch(std::move(request));
    if (stream) {
      for (;;) {
        (void)co_await enforce_config();
        const auto batch = co_await (*stream)->next();
        if (!batch) break;
        backoff.reset();
      }
    }
    co_await sleep_for(backoff.next());
  }
}

Task<> Exporter::Impl::heartbeat() {
  // One that fails is made up for soon: readers take two missed ones for a store without quorum.
  Backoff backoff(std::chrono::milliseconds(250), std::chrono::seconds(15));
  for (;;) {
    std::string key(kHeartbeatKey);
    const auto lease = co_await leases.lease_for(std::move(key));
    bool written = false;
    if (lease) {
      std::string name(kHeartbeatKey), value = rfc3339(Wall::now());
      const auto r = co_await client.put(std::move(name), std::move(value), *lease);
      written = r.has_value();
      if (!r) {
        log::warn("cannot write the heartbeat", {{"error", r.error().message}});
        if (r.error().code == Errc::not_found) leases.expire(*lease);
      }
    }
    if (!written) {
      co_await sleep_for(backoff.next());
      continue;
    }
    backoff.reset();
    co_await sleep_for(options.heartbeat_every);
  }
}

// ---- one coroutine for each table

Task<> Exporter::Impl::follow_nodes() {
  Table<Node>::Stream changes(from.nodes);
  for (;;) {
    for (const auto& c : changes.next()) {
      if (c.key.cluster != local.name) continue;
      if (c.row) {
        nodes->upsert(c.key.name, encode_node(export_node(*c.row, local)));
      } else {
        nodes->remove(c.key.name);
      }
    }
    if (from.nodes.initialized()) nodes->synced();
    co_await changes.changed();
  }
}

Task<> Exporter::Impl::follow_namespaces() {
  for (;;) {
    const auto changed = namespaces.take();
    if (all_namespaces && !changed.empty()) {
      from.identities.for_each([&](const Identity& i) {
        if (changed.contains(namespace_of(i))) publish_identity(i);
      });
      from.endpoints.for_each([&](const kube::CiliumEndpoint& e) {
        if (changed.contains(e.name.ns)) publish_endpoint(e);
      });
      from.services.for_each([&](const Service& s) {
        if (changed.contains(s.name.ns)) publish_service(s.name);
      });
    }
    if (!all_namespaces && namespaces.complete()) {
      all_namespaces = true;
      namespaces_known.notify();
    }
    co_await namespaces.changed();
  }
}

Task<> Exporter::Impl::know_namespaces() {
  while (!all_namespaces) co_await namespaces_known.changed_since(namespaces_known.version());
}

void Exporter::Impl::publish_identity(const Identity& identity) {
  if (identity.cluster != local.name) return;
  if (namespaces.global(namespace_of(identity))) {
    identities->upsert(std::to_string(identity.id), encode_identity(identity.labels));
  } else {
    identities->remove(std::to_string(identity.id));
  }
}

void Exporter::Impl::publish_endpoint(const kube::CiliumEndpoint& endpoint) {
  const bool told = namespaces.global(endpoint.name.ns);
  claim(endpoint.name, told ? export_endpoint(endpoint, local) : std::vector<IpIdentity>());
}

Task<> Exporter::Impl::follow_identities() {
  co_await know_namespaces();
  Table<Identity>::Stream changes(from.identities);
  for (;;) {
    for (const auto& c : changes.next()) {
      if (c.row) {
        publish_identity(*c.row);
      } else {
        identities->remove(std::to_string(c.key));
      }
    }
    if (from.identities.initialized()) identities->synced();
    co_await changes.changed();
  }
}

void Exporter::Impl::claim(const ObjectName& endpoint, std::vector<IpIdentity> rows) {
  std::map<std::string, std::string> now;
  for (const auto& row : rows) now[ip_key(row.prefix)] = encode_ip(row);
  for (const auto& key : keys_of[endpoint]) {
    if (now.contains(key)) continue;
    auto& who = claims[key];
    std::erase_if(who, [&](const auto& c) { return c.first == endpoint; });
    if (who.empty()) {
      claims.erase(key);
      ips->remove(key);
    } else {
      ips->upsert(key, who.back().second);
    }
  }
  keys_of[endpoint].clear();
  for (const auto& [key, value] : now) {
    keys_of[endpoint].push_back(key);
    auto& who = claims[key];
    std::erase_if(who, [&](const auto& c) { return c.first == endpoint; });
    who.emplace_back(endpoint, value);
    ips->upsert(key, value);
  }
  if (now.empty()) keys_of.erase(endpoint);
}

Task<> Exporter::Impl::follow_endpoints() {
  co_await know_namespaces();
  Table<kube::CiliumEndpoint>::Stream changes(from.endpoints);
  for (;;) {
    for (const auto& c : changes.next()) {
      if (c.row) {
        publish_endpoint(*c.row);
      } else {
        claim(c.key, {});
      }
    }
    if (from.endpoints.initialized()) ips->synced();
    co_await changes.changed();
  }
}

// A service is written only when all slices are known: one without its backends, even for a moment, is an outage.
void Exporter::Impl::publish_service(const ObjectName& name) {
  if (!services_open) return;
  const auto service = from.services.get(name);
  std::optional<ClusterService> out;
  if (service && service->global && namespaces.global(name.ns)) {
    std::vector<std::shared_ptr<const EndpointSlice>> slices;
    if (const auto it = slices_of.find(name); it != slices_of.end())
      for (const auto& [slice_name, slice] : it->second) slices.push_back(slice);
    out = export_service(*service, std::move(slices), local);
  }
  if (out) {
    services->upsert(name.to_string(), encode_service(*out));
  } else {
    services->remove(name.to_string());
  }
}

void Exporter::Impl::services_changed() {
  if (services_open || !all_namespaces || !from.services.initialized() || !from.slices.initialized() ||
      slices_seen < from.slices.revision())
    return;
  services_open = true;
  from.services.for_each([&](const Service& s) { publish_service(s.name); });
  services->synced();
}

Task<> Exporter::Impl::follow_slices() {
  co_await know_namespaces();
  Table<EndpointSlice>::Stream changes(from.slices);
  for (;;) {
    std::set<ObjectName> touched;
    for (const auto& c : changes.next()) {
      if (const auto it = service_of.find(c.key); it != service_of.end()) {
        touched.insert(it->second);
        slices_of[it->second].erase(c.key);
        if (slices_of[it->second].empty()) slices_of.erase(it->second);
        service_of.erase(it);
      }
      if (!c.row || c.row->managed_by == kMeshController) continue;
      const ObjectName service{c.key.ns, c.row->service};
      slices_of[service][c.key] = c.row;
      service_of[c.key] = service;
      touched.insert(service);
    }
    slices_seen = changes.seen();
    for (const auto& name : touched) publish_service(name);
    services_changed();
    co_await changes.changed();
  }
}

Task<> Exporter::Impl::follow_services() {
  co_await know_namespaces();
  Table<Service>::Stream changes(from.services);
  for (;;) {
    for (const auto& c : changes.next()) publish_service(c.key);
    services_changed();
    co_await changes.changed();
  }
}

}  // namespace weft::mesh
