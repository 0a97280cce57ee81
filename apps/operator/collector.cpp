#include "apps/operator/collector.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/json.hpp>

#include "base/log.h"
#include "identity/allocator.h"
#include "kube/json.h"
#include "kube/reflector.h"
#include "kube/types/cilium.h"

namespace weft::op {

namespace json = boost::json;

namespace {

Result<std::optional<Named>> parse_named(const json::object& o) { return Named{kube::name_of(o), kube::uid_of(o)}; }

Result<std::optional<OwnerPod>> parse_owner_pod(const json::object& o) {
  const auto phase = kube::text_at(kube::object_at(o, "status"), "phase");
  return OwnerPod{kube::name_of(o), kube::uid_of(o), phase == "Succeeded" || phase == "Failed"};
}

Result<std::optional<OwnedEndpoint>> parse_owned_endpoint(const json::object& o) {
  auto e = kube::parse_cilium_endpoint(o);
  if (!e) return fail(e.error());
  return OwnedEndpoint{(*e)->name, (*e)->uid, (*e)->pod_uid, (*e)->identity};
}

bool belongs(const OwnedEndpoint& e, const std::string& pod_uid, bool finished) {
  return !finished && (e.pod_uid.empty() || e.pod_uid == pod_uid);
}

}  // namespace

std::set<ObjectName> orphaned_endpoints(const Table<OwnedEndpoint>& endpoints, const Table<OwnerPod>& pods) {
  std::set<ObjectName> out;
  endpoints.for_each([&](const OwnedEndpoint& e) {
    const auto pod = pods.get(e.name);
    if (!pod || !belongs(e, pod->uid, pod->finished)) out.insert(e.name);
  });
  return out;
}

std::set<ObjectName> orphaned_nodes(const Table<Named>& cilium_nodes, const Table<Named>& nodes) {
  std::set<ObjectName> out;
  cilium_nodes.for_each([&](const Named& n) {
    if (!nodes.contains(n.name)) out.insert(n.name);
  });
  return out;
}

struct Collector::Sources {
  kube::Reflector<identity::IdentityObject> identities;
  kube::Reflector<OwnedEndpoint> endpoints;
  kube::Reflector<OwnerPod> pods;
  kube::Reflector<Named> cilium_nodes;
  kube::Reflector<Named> nodes;
};

Collector::Collector(kube::Client& client, const Options& options)
    : client_(client),
      options_(options),
      identities_(client.io(), "identities"),
      endpoints_(client.io(), "cilium endpoints"),
      pods_(client.io(), "pods"),
      cilium_nodes_(client.io(), "cilium nodes"),
      nodes_(client.io(), "nodes"),
      sources_(new Sources{{client, kube::kCiliumIdentities, identities_, identity::parse_identity_object},
                           {client, kube::kCiliumEndpoints, endpoints_, parse_owned_endpoint},
                           {client, kube::kPods, pods_, parse_owner_pod},
                           {client, kube::kCiliumNodes, cilium_nodes_, parse_named},
                           {client, kube::kNodes, nodes_, parse_named}}),
      scope_(client.io(), "collector") {}
Collector::~Collector() = default;

void Collector::failed(const Error& error) {
  ++counts_.failures;
  log::warn("collecting garbage failed, the next pass tries again", {{"error", error.message}});
}

Task<> Collector::run() {
  scope_.spawn("identities", sources_->identities.run());
  scope_.spawn("endpoints", sources_->endpoints.run());
  scope_.spawn("pods", sources_->pods.run());
  scope_.spawn("cilium nodes", sources_->cilium_nodes.run());
  scope_.spawn("nodes", sources_->nodes.run());
  if (options_.identity_gc_interval.count() > 0) scope_.spawn("identity passes", identities());
  if (options_.node_gc_interval.count() > 0) scope_.spawn("node passes", nodes());
  if (options_.endpoint_gc_interval.count() > 0) scope_.spawn("endpoint passes", endpoints());
  std::exception_ptr end;
  try {
    for (;;) co_await sleep_for(std::chrono::hours(24));
  } catch (...) {
    end = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await scope_.stop();
  if (end) std::rethrow_exception(end);
}

Task<> Collector::identities() {
  for (;;) {
    co_await sleep_for(options_.identity_gc_interval);
    if (!identities_.initialized() || !endpoints_.initialized()) continue;
    auto r = co_await collect_identities();
    if (!r) failed(r.error());
  }
}

Task<Result<>> Collector::collect_identities() {
  std::vector<identity::IdentityObject> all;
  identities_.for_each([&](const identity::IdentityObject& o) { all.push_back(o); });
  std::set<NumericIdentity> used;
  endpoints_.for_each([&](const OwnedEndpoint& e) { used.insert(e.identity); });
  const auto garbage = identity::identity_garbage(all, used, Wall::now(), options_.identity_heartbeat_timeout);
  for (const auto& o : garbage.unmark) {
    auto r = co_await annotate(o, false);
    if (!r) co_return r;
  }
  for (const auto& o : garbage.mark) {
    auto r = co_await annotate(o, true);
    if (!r) co_return r;
    ++counts_.identities_marked;
  }
  if (garbage.remove.empty()) co_return Result<>{};
  // Our table may lag behind a broken watch for longer than the mark's limit: ask once more.
  auto fresh = co_await client_.list_all(kube::kCiliumEndpoints);
  if (!fresh) co_return fail(fresh.error());
  for (const auto& object : *fresh) {
    auto e = parse_owned_endpoint(object);
    // It may well be the one that uses what is about to go.
    if (!e)
      co_return fail(e.error().in("no identity is removed while a CiliumEndpoint cannot be read, " +
                                  kube::name_of(object).to_string()));
    if (*e) used.insert((*e)->identity);
  }
  for (const auto& o : garbage.remove) {
    if (used.contains(o.id)) continue;
    kube::DeleteOptions bound;
    bound.uid = o.uid;
    bound.resource_version = o.version;
    auto r = co_await client_.remove(kube::kCiliumIdentities, "", o.name, bound);
    if (r) {
      ++counts_.identities_removed;
      log::info("unused identity removed", {{"id", o.name}});
    } else if (r.error().code != Errc::conflict && r.error().code != Errc::not_found) {
      co_return fail(r.error());
    }
  }
  co_return Result<>{};
}

// Bound to the version that we judged by: who changed it meanwhile knows better.
Task<Result<>> Collector::annotate(const identity::IdentityObject& o, bool mark) {
  json::object annotations, meta, patch;
  if (mark) {
    annotations[identity::kHeartbeatAnnotation] = rfc3339(Wall::now());
  } else {
    annotations[identity::kHeartbeatAnnotation] = nullptr;
  }
  meta["annotations"] = std::move(annotations);
  meta["resourceVersion"] = o.version;
  patch["metadata"] = std::move(meta);
  auto r = co_await client_.patch(kube::kCiliumIdentities, "", o.name, kube::PatchType::merge, patch);
  if (!r && r.error().code != Errc::conflict && r.error().code != Errc::not_found) co_return fail(r.error());
  co_return Result<>{};
}

Task<> Collector::nodes() {
  identity::Suspects<ObjectName> suspects(options_.node_gc_interval);
  for (;;) {
    co_await sleep_for(options_.node_gc_interval);
    if (!nodes_.initialized() || !cilium_nodes_.initialized()) continue;
    for (const auto& name : suspects.look(orphaned_nodes(cilium_nodes_, nodes_), Steady::now())) {
      auto r = co_await remove_node(name);
      if (!r) failed(r.error());
    }
  }
}

Task<Result<>> Collector::remove_node(ObjectName name) {
  auto node = co_await client_.get(kube::kNodes, "", name.name);
  if (node) co_return Result<>{};
  if (node.error().code != Errc::not_found) co_return fail(node.error());
  const auto row = cilium_nodes_.get(name);
  if (!row) co_return Result<>{};
  kube::DeleteOptions bound;
  bound.uid = row->uid;
  auto r = co_await client_.remove(kube::kCiliumNodes, "", name.name, bound);
  if (r) {
    ++counts_.nodes_removed;
    log::info("CiliumNode of a vanished node removed", {{"node", name.name}});
  } else if (r.error().code != Errc::conflict && r.error().code != Errc::not_found) {
    co_return fail(r.error());
  }
  co_return Result<>{};
}

Task<> Collector::endpoints() {
  identity::Suspects<ObjectName> suspects(options_.endpoint_gc_interval);
  for (;;) {
    co_await sleep_for(options_.endpoint_gc_interval);
    if (!pods_.initialized() || !endpoints_.initialized()) continue;
    for (const auto& name : suspects.look(orphaned_endpoints(endpoints_, pods_), Steady::now())) {
      auto r = co_await remove_endpoint(name);
      if (!r) failed(r.error());
    }
  }
}

Task<Result<>> Collector::remove_endpoint(ObjectName name) {
  const auto row = endpoints_.get(name);
  if (!row) co_return Result<>{};
  auto pod = co_await client_.get(kube::kPods, name.ns, name.name);
  if (!pod && pod.error().code != Errc::not_found) co_return fail(pod.error());
  if (pod) {
    const auto owner = parse_owner_pod(*pod);
    if (belongs(*row, (*owner)->uid, (*owner)->finished)) co_return Result<>{};
  }
  auto object = co_await client_.get(kube::kCiliumEndpoints, name.ns, name.name);
  if (!object && object.error().code == Errc::not_found) co_return Result<>{};
  if (!object) co_return fail(object.error());
  const auto now = parse_owned_endpoint(*object);
  if (!now) co_return fail(now.error().in("CiliumEndpoint " + name.to_string()));
  if (*now && (*now)->pod_uid != row->pod_uid) co_return Result<>{};  // a new pod took it over meanwhile
  kube::DeleteOptions bound;
  bound.uid = kube::uid_of(*object);
  bound.resource_version = kube::version_of(*object);
  auto r = co_await client_.remove(kube::kCiliumEndpoints, name.ns, name.name, bound);
  if (r) {
    ++counts_.endpoints_removed;
    log::info("CiliumEndpoint of a vanished pod removed", {{"pod", name.to_string()}});
  } else if (r.error().code != Errc::conflict && r.error().code != Errc::not_found) {
    co_return fail(r.error());
  }
  co_return Result<>{};
}

}  // namespace weft::op
