#include "bgp/control/cluster_controller.h"

#include <boost/asio/cancellation_state.hpp>

#include <algorithm>

#include "async/backoff.h"
#include "base/log.h"
#include "kube/status.h"

namespace weft::bgp::control {

namespace {

// Changes that come together are answered together.
constexpr std::chrono::milliseconds kGather{50};

Result<std::optional<NodeConfigRow>> parse_row(Keeper<NodeConfigSpec>& keeper, const json::object& o) {
  NodeConfigRow row{
      .name = kube::name_of(o).name, .owner = {}, .owner_uid = {}, .uid = kube::uid_of(o), .config = nullptr};
  for (const auto& r : kube::array_at(kube::metadata(o), "ownerReferences"))
    if (r.is_object() && kube::text_at(r.get_object(), "kind") == kClusterConfigKind) {
      row.owner = kube::text_at(r.get_object(), "name");
      row.owner_uid = kube::text_at(r.get_object(), "uid");
    }
  row.config = std::make_shared<const Object<NodeConfigSpec>>(keeper(o));
  return row;
}

json::array owned_by(const std::string& name, const std::string& uid) {
  json::object owner{{"apiVersion", kClusterConfigs.api_version()},
                     {"kind", kClusterConfigKind},
                     {"name", name},
                     {"uid", uid},
                     {"controller", true}};
  json::array owners;
  owners.push_back(std::move(owner));
  return owners;
}

const kube::Resource* resource_of(const std::string& kind) {
  for (const auto* r : {&kPeeringPolicies, &kClusterConfigs, &kPeerConfigs, &kAdvertisements, &kOverrides})
    if (r->kind == kind) return r;
  return nullptr;
}

// What a condition that holds says; empty when it does not hold.
std::string message_of(const json::array& conditions, const std::string& type) {
  for (const auto& c : conditions)
    if (c.is_object() && kube::text_at(c.get_object(), "type") == type &&
        kube::text_at(c.get_object(), "status") == "True")
      return kube::text_at(c.get_object(), "message");
  return {};
}

bool same(const std::vector<kube::Condition>& a, const std::vector<kube::Condition>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.type == y.type && x.holds == y.holds && x.reason == y.reason && x.message == y.message &&
           x.observed_generation == y.observed_generation;
  });
}

}  // namespace

struct ClusterController::Sources {
  Sources(kube::Client& client, const Options& o)
      : policies(client, kPeeringPolicies, parse_peering_policy),
        cluster_configs(client, kClusterConfigs, parse_cluster_config),
        peer_configs(client, kPeerConfigs, parse_peer_config),
        advertisements(client, kAdvertisements, parse_advertisement),
        overrides(client, kOverrides, parse_node_override),
        nodes(client.io(), "nodes"),
        passwords(client.io(), "secrets"),
        node_configs(client.io(), "node configs"),
        node_source(client, kube::kNodes, nodes, parse_node_row),
        password_source(client, kube::kSecrets, passwords, parse_password, {.ns = o.secrets_namespace}),
        node_config_source(client, kNodeConfigs, node_configs,
                           [this](const json::object& object) { return parse_row(keeper, object); }) {}

  ObjectSource<PeeringPolicySpec> policies;
  ObjectSource<ClusterConfigSpec> cluster_configs;
  ObjectSource<PeerConfigSpec> peer_configs;
  ObjectSource<AdvertisementSpec> advertisements;
  ObjectSource<NodeConfigOverrideSpec> overrides;
  Table<NodeRow> nodes;
  Table<Password> passwords;
  Table<NodeConfigRow> node_configs;
  kube::Reflector<NodeRow> node_source;
  kube::Reflector<Password> password_source;
  Keeper<NodeConfigSpec> keeper{parse_node_config};
  kube::Reflector<NodeConfigRow> node_config_source;

  template <class Fn>
  void each_kind(Fn fn) {
    fn(policies);
    fn(cluster_configs);
    fn(peer_configs);
    fn(advertisements);
    fn(overrides);
  }
  template <class Fn>
  void each_table(Fn fn) {
    each_kind([&](auto& source) { fn(source.table()); });
    fn(nodes);
    fn(passwords);
    fn(node_configs);
  }
};

ClusterController::ClusterController(kube::Client& client, Options options)
    : client_(client),
      options_(std::move(options)),
      woken_(client.io()),
      sources_(std::make_unique<Sources>(client, options_)),
      scope_(client.io(), "bgp"),
      events_(client, scope_, "weft-operator", options_.host) {}
ClusterController::~ClusterController() = default;

bool ClusterController::listed() const {
  // A Secret that we may not read must not keep everything else from working: its absence is then unknown.
  bool all = sources_->nodes.initialized() &&
             (sources_->node_configs.initialized() || absent_.contains(kNodeConfigs.to_string()));
  sources_->each_kind([&](const auto& source) { all = all && source.known(absent_); });
  return all;
}

// The CRDs of an older Cilium serve policies and no v2: those get their conditions. Without both nothing is to be done.
void ClusterController::look_for_kinds() {
  AbsentKinds now;
  const auto patience = options_.kind_patience;
  if (sources_->policies.table().initialized() || sources_->cluster_configs.table().initialized()) {
    sources_->each_kind([&](const auto& source) { source.note_absent(patience, absent_, now); });
    note_absent(sources_->node_configs, sources_->node_config_source.health(), kNodeConfigs, patience, absent_, now);
  }
  for (const auto& [crd, version] : now)
    if (!absent_.contains(crd))
      log::warn("a kind of BGP is not served, the others go on without it",
                {{"crd", crd}, {"lacks", version}, {"mend", kCrdMend}});
  absent_ = std::move(now);
}

ClusterObjects ClusterController::objects() const {
  ClusterObjects o;
  o.secrets_namespace = options_.secrets_namespace;
  o.router_ids = options_.router_ids;
  sources_->nodes.for_each([&](const NodeRow& n) { o.nodes.push_back({n.name, n.labels, n.annotations}); });
  o.policies = sources_->policies.all();
  o.cluster_configs = sources_->cluster_configs.all();
  o.overrides = sources_->overrides.by_name();
  o.peer_configs = sources_->peer_configs.by_name();
  o.advertisements = sources_->advertisements.by_name();
  sources_->node_configs.for_each([&](const NodeConfigRow& row) {
    o.node_configs.emplace(row.name, row.config);
    if (!row.owner.empty()) o.owners.emplace(row.name, row.owner);
  });
  if (!sources_->passwords.initialized()) o.passwords_error = sources_->password_source.health().error;
  if (sources_->passwords.initialized()) {
    o.passwords.emplace();
    sources_->passwords.for_each([&](const Password& p) { o.passwords->insert(p.name); });
  }
  return o;
}

Task<> ClusterController::run() {
  scope_.spawn("policies", sources_->policies.run());
  scope_.spawn("cluster configs", sources_->cluster_configs.run());
  scope_.spawn("peer configs", sources_->peer_configs.run());
  scope_.spawn("advertisements", sources_->advertisements.run());
  scope_.spawn("overrides", sources_->overrides.run());
  scope_.spawn("nodes", sources_->node_source.run());
  scope_.spawn("secrets", sources_->password_source.run());
  scope_.spawn("node configs", sources_->node_config_source.run());
  const auto forward = [](Notifier& from, Notifier& to) -> Task<> {
    for (auto seen = from.version();;) {
      co_await from.changed_since(seen);
      seen = from.version();
      to.notify();
    }
  };
  sources_->each_table([&](auto& table) { scope_.spawn("watch", forward(table.notifier(), woken_)); });
  std::exception_ptr end;
  try {
    Backoff backoff(std::chrono::milliseconds(500), std::chrono::seconds(60));
    for (;;) {
      const auto seen = woken_.version();
      bool done = true;
      look_for_kinds();
      const bool all = listed();
      if (all) {
        const auto begun = Steady::now();
        done = co_await pass();
        if (on_pass) on_pass(std::chrono::duration<double>(Steady::now() - begun).count());
      }
      if (done) {
        backoff.reset();
        auto wait = std::chrono::nanoseconds(std::chrono::hours(1));
        if (!unwritten_.empty()) wait = options_.status_retry;
        // Nobody wakes us when reading Secrets fails, or when a kind is not there.
        if (!all || !sources_->passwords.initialized())
          wait = std::clamp<std::chrono::nanoseconds>(options_.kind_patience, kGather, std::chrono::seconds(2));
        co_await woken_.changed_since(seen, wait);
      } else {
        const auto wait = backoff.next();
        co_await woken_.changed_since(seen, wait);
      }
      co_await sleep_for(kGather);
    }
  } catch (...) {
    end = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await scope_.stop();
  if (end) std::rethrow_exception(end);
}

// True when all is as it shall be.
Task<bool> ClusterController::pass() {
  ClusterOutcome outcome = derive(objects());
  const auto conditions = std::move(outcome.conditions);
  bool done = true;
  // What cannot be seen is not gone: its NodeConfigs stay.
  if (!absent_.contains(kClusterConfigs.to_string()) && !absent_.contains(kOverrides.to_string()) &&
      !absent_.contains(kNodeConfigs.to_string()))
    done = co_await write_node_configs(std::move(outcome));
  for (const auto& [object, wanted] : conditions) {
    const auto it = written_.find(object);
    const auto unkept = unwritten_.find(object);
    const bool again = unkept != unwritten_.end() && Steady::now() >= unkept->second;
    if (it != written_.end() && same(it->second, wanted) && !again) continue;
    const auto r = co_await write_conditions(object, wanted);
    if (r) {
      written_[object] = wanted;
      continue;
    }
    done = false;
    ++errors_[object];
    log::warn("conditions cannot be written", {{"object", object.to_string()}, {"error", r.error().message}});
  }
  std::erase_if(written_, [&](const auto& entry) { return !conditions.contains(entry.first); });
  std::erase_if(unwritten_, [&](const auto& entry) { return !conditions.contains(entry.first); });
  co_return done;
}

Task<bool> ClusterController::write_node_configs(ClusterOutcome outcome) {
  bool done = true;
  const auto failed = [&](const ObjectRef& object, const Error& error) {
    done = false;
    ++errors_[object];
    log::warn("BGP configuration of a node", {{"node", object.name}, {"error", error.message}});
  };
  for (const auto& [node, wanted] : outcome.node_configs) {
    const auto now = sources_->node_configs.get(node);
    // Kubernetes removes what an owner of another uid made, be there one of the same name or not.
    if (now && now->owner == wanted.owner && now->owner_uid == wanted.owner_uid && now->config->good &&
        !has_errors(now->config->findings) && *now->config->good == wanted.spec)
      continue;
    const auto r = co_await write_node_config(node, wanted);
    if (!r) failed({kClusterConfigKind, wanted.owner}, r.error());
  }
  for (const auto& node : outcome.untouched) {
    const auto now = sources_->node_configs.get(node);
    const auto owner = now ? sources_->cluster_configs.table().get(now->owner) : nullptr;
    if (!owner || owner->meta.uid == now->owner_uid) continue;
    const auto r = co_await adopt(node, now->owner, owner->meta.uid);
    if (!r) failed({kNodeConfigKind, node}, r.error());
  }
  for (const auto& row : sources_->node_configs.all()) {
    if (row->owner.empty() || outcome.node_configs.contains(row->name) || outcome.untouched.contains(row->name))
      continue;
    const auto r = co_await remove_node_config(row->name, row->uid);
    if (!r) failed({kNodeConfigKind, row->name}, r.error());
  }
  co_return done;
}

Task<Result<>> ClusterController::write_node_config(std::string node, WantedNodeConfig wanted) {
  json::object meta;
  meta["name"] = node;
  meta["ownerReferences"] = owned_by(wanted.owner, wanted.owner_uid);
  json::object object;
  object["apiVersion"] = kNodeConfigs.api_version();
  object["kind"] = kNodeConfigKind;
  object["metadata"] = std::move(meta);
  object["spec"] = to_json(wanted.spec);
  Result<json::object> r;
  if (sources_->node_configs.contains(node)) {
    r = co_await client_.patch(kNodeConfigs, "", node, kube::PatchType::merge, object);
  } else {
    r = co_await client_.create(kNodeConfigs, "", object);
    // Our table may lag: somebody, perhaps we ourselves, made it a moment ago.
    if (!r && r.error().code == Errc::exists)
      r = co_await client_.patch(kNodeConfigs, "", node, kube::PatchType::merge, object);
  }
  if (!r) co_return fail(r.error());
  log::info("BGP configuration of a node written", {{"node", node}, {"from", wanted.owner}});
  co_return Result<>{};
}

// Keeps what a NodeConfig says and makes it the cluster configuration's that has the name of its owner now.
Task<Result<>> ClusterController::adopt(std::string node, std::string owner, std::string owner_uid) {
  json::object meta;
  meta["ownerReferences"] = owned_by(owner, owner_uid);
  json::object change;
  change["metadata"] = std::move(meta);
  const auto r = co_await client_.patch(kNodeConfigs, "", node, kube::PatchType::merge, change);
  if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
  if (r) log::info("BGP configuration of a node has a new owner", {{"node", node}, {"owner", owner}});
  co_return Result<>{};
}

Task<Result<>> ClusterController::remove_node_config(std::string node, std::string uid) {
  kube::DeleteOptions bound;
  bound.uid = std::move(uid);
  const auto r = co_await client_.remove(kNodeConfigs, "", node, bound);
  if (!r && r.error().code != Errc::not_found && r.error().code != Errc::conflict) co_return fail(r.error());
  if (r) log::info("BGP configuration of a node removed, nothing selects it", {{"node", node}});
  co_return Result<>{};
}

// Where the object itself does not tell: whether this was news once.
bool ClusterController::said_before(const ObjectRef& object, const kube::Condition& c) const {
  const auto it = written_.find(object);
  return it != written_.end() && std::any_of(it->second.begin(), it->second.end(), [&](const kube::Condition& o) {
           return o.type == c.type && o.holds && o.message == c.message;
         });
}

// The object is there and its status cannot be written: CRDs of Cilium have none for some kinds, where a plain write
// would be pruned, and some API servers refuse it over what else stands in the object. Its events say what its
// conditions would.
void ClusterController::note_unwritten(const ObjectRef& object, const kube::Resource& resource, const Error& error) {
  const bool fresh = !unwritten_.contains(object);
  unwritten_[object] = Steady::now() + options_.status_retry;
  if (error.code == Errc::invalid) {
    if (fresh)
      log::warn("an object of BGP cannot keep conditions until it is mended, it has events only",
                {{"object", object.to_string()}, {"error", error.message}});
    return;
  }
  if (told_no_status_.insert(resource.to_string()).second)
    log::warn(
        "a kind of BGP cannot keep conditions, its objects have events only",
        {{"crd", resource.to_string()}, {"lacks", "subresource status of " + resource.version}, {"mend", kCrdMend}});
}

Task<Result<>> ClusterController::write_conditions(ObjectRef object, std::vector<kube::Condition> conditions) {
  const kube::Resource& resource = *resource_of(object.kind);
  for (int attempt = 0;; ++attempt) {
    auto now = co_await client_.get(resource, "", object.name);
    if (!now && now.error().code == Errc::not_found) co_return Result<>{};
    if (!now) co_return fail(now.error());
    json::array list = kube::array_at(kube::object_at(*now, "status"), "conditions");
    bool changed = false;
    std::vector<const kube::Condition*> news;
    for (const auto& c : conditions) {
      const std::string before = message_of(list, c.type);
      // A condition that never held is not worth an entry.
      const bool known = std::any_of(list.begin(), list.end(), [&](const json::value& v) {
        return v.is_object() && kube::text_at(v.get_object(), "type") == c.type;
      });
      if (!known && !c.holds && !c.type.starts_with("cilium.io/")) continue;
      // Some API servers (1.20 built with Go 1.19) take an empty text for null and refuse the whole status.
      kube::Condition said = c;
      if (said.message.empty()) said.message = c.holds ? c.reason : "it is not so";
      if (!kube::set_condition(list, said, Wall::now())) continue;
      changed = true;
      // Another conflict, another bad field: news as well, though the condition held before.
      if (c.holds && said.message != before) news.push_back(&c);
    }
    if (!changed) co_return Result<>{};
    json::object status;
    status["conditions"] = std::move(list);
    const auto version = kube::version_of(*now);
    const auto r = co_await kube::patch_status(client_, resource, "", object.name, status, version);
    if (!r && r.error().code == Errc::conflict && attempt < 5) continue;
    // 404: the kind has no /status. 422: before 1.30 API servers judge all of an old object by the rules of now.
    const bool unkept = !r && (r.error().code == Errc::not_found || r.error().code == Errc::invalid);
    if (!r && !unkept) co_return fail(r.error());
    if (unkept) {
      const auto there = co_await client_.get(resource, "", object.name);
      if (!there && there.error().code == Errc::not_found) co_return Result<>{};
      if (!there) co_return fail(there.error());
      note_unwritten(object, resource, r.error());
    } else {
      unwritten_.erase(object);
    }
    const auto about = kube::reference_to(*now);
    for (const auto* c : news)
      if (!said_before(object, *c)) events_.record(about, kube::EventRecorder::Type::warning, c->reason, c->message);
    co_return Result<>{};
  }
}

}  // namespace weft::bgp::control
