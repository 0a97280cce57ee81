#include "mesh/remote_cluster.h"

#include <fmt/format.h>

#include <algorithm>

#include "async/backoff.h"
#include "base/log.h"
#include "kvstore/watch_store.h"
#include "mesh/absence.h"
#include "mesh/cidr_guard.h"
#include "mesh/endpoint_round.h"
#include "mesh/fetch_config.h"
#include "mesh/importer.h"
#include "mesh/node_endpoints.h"
#include "mesh/status_check.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

constexpr std::size_t kKinds = std::size(kMirroredKinds);
constexpr std::chrono::milliseconds kDialOneOfMany{2'000};

std::size_t index_of(Kind kind) {
  for (std::size_t i = 0; i < kKinds; ++i)
    if (kMirroredKinds[i] == kind) return i;
  return 0;
}

// One connection and what runs over it. Its coroutines hold it, so it outlives them all.
struct Session {
  Session(asio::io_context& io, kvstore::Options options) : client(io, std::move(options)), ended(io) {}
  kvstore::Client client;
  Notifier ended;
  std::optional<Error> end;  // why the connection must be rebuilt
  ClusterConfig config;
  std::unique_ptr<kvstore::WatchStore> stores[kKinds];
  std::unique_ptr<kvstore::WatchStore::Observer> canaries;
  std::unique_ptr<kvstore::WatchStore> canary_store;

  void finish(Error error) {
    if (!end) end = std::move(error);
    ended.notify();
  }
};

// Tells which canaries have been seen.
struct CanaryObserver : kvstore::WatchStore::Observer {
  std::function<void(const std::string&)> seen;
  void put(const std::string& key, const std::string&) override { seen(key); }
  void removed(const std::string&) override {}
  void listed() override {}
};

}  // namespace

struct RemoteCluster::Impl : std::enable_shared_from_this<RemoteCluster::Impl> {
  Impl(asio::io_context& io_context, const LocalCluster& l, std::string n, RemoteOptions o, Tables t, IdRegistry& i)
      : io(io_context),
        local(l),
        name(std::move(n)),
        options(std::move(o)),
        tables(t),
        ids(i),
        runner(io, "mesh " + name),
        workers(io, "mesh " + name) {}

  Task<> run();
  Task<Result<>> connect(std::shared_ptr<Session> s);
  Task<Result<>> check_overlap(std::shared_ptr<Session> s);
  void start_kind(const std::shared_ptr<Session>& s, Kind kind);
  Task<> follow(std::shared_ptr<Session> s, std::size_t i);
  Task<> follow_canaries(std::shared_ptr<Session> s);
  Task<> check(std::shared_ptr<Session> s);
  Task<> publish_forever();
  Task<> give_up_waiting();

  Result<std::optional<Node>> take_node(const std::string& key, const std::string& value);
  void withdraw_rows();
  void release_id();
  void publish();
  /// What its nodes say of its endpoints.
  void look_at_nodes();
  /// Drops the services of a remote that has been away for too long.
  void revoke_services();
  /// Why there is no connection.
  void show(const Error& error);
  void initialized(std::size_t i);

  asio::io_context& io;
  LocalCluster local;
  std::string name;
  RemoteOptions options;
  Tables tables;
  IdRegistry& ids;
  std::string source;  // under which tables wait for us; empty when they do not

  RemoteIdentity remote;  // id 0 until accepted
  Importer<Node> nodes{tables.nodes, [this](const auto& k, const auto& v) { return take_node(k, v); },
                       [this](const std::string& k) { return std::optional<Node::Key>({name, k}); },
                       [this](const Node& n) { return n.cluster == name; }};
  Importer<ClusterService> services{tables.services,
                                    [this](const auto& k, const auto& v) { return import_service(remote, k, v); },
                                    [this](const std::string& k) -> std::optional<ClusterService::Key> {
                                      const auto slash = k.find('/');
                                      if (slash == std::string::npos) return std::nullopt;
                                      return ClusterService::Key{{k.substr(0, slash), k.substr(slash + 1)}, name};
                                    },
                                    [this](const ClusterService& s) { return s.cluster == name; }};
  Importer<Identity> identities{
      tables.identities,
      [this](const std::string& k, const std::string& v) -> Result<std::optional<Identity>> {
        auto r = import_identity(remote, k, v);
        if (!r) return std::unexpected(r.error());
        return std::optional<Identity>(std::move(*r));
      },
      [this](const std::string& k) -> std::optional<NumericIdentity> {
        if (k.empty() || k.size() > 9 || k.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
        const auto id = static_cast<NumericIdentity>(std::stoul(k));
        // Whatever the key says, only what is in our range is ours to remove.
        if (!identity_range(remote.id, remote.max_connected_clusters).contains(id)) return std::nullopt;
        return id;
      },
      [this](const Identity& i) { return i.cluster == name; }};
  Importer<IpIdentity> ips{tables.ips,
                           [this](const std::string& k, const std::string& v) -> Result<std::optional<IpIdentity>> {
                             auto r = import_ip(remote, k, v);
                             if (!r) return std::unexpected(r.error());
                             return std::optional<IpIdentity>(std::move(*r));
                           },
                           [this](const std::string& k) -> std::optional<IpIdentity::Key> {
                             const auto p = Prefix::parse(k);
                             if (!p) return std::nullopt;
                             return IpIdentity::Key{name, *p};
                           },
                           [this](const IpIdentity& i) { return i.cluster == name; }};
  ImporterBase* importers[kKinds] = {&nodes, &services, &identities, &ips};  // as kMirroredKinds

  CidrGuard cidrs{tables, name};
  Revision nodes_seen = 0;  // of the table that the next two are about
  bool endpoints_are_nodes = false;
  NodeEndpoints node_urls;

  std::shared_ptr<Session> session;
  bool connected = false;  // its store answers, and what it says is accepted
  Absence absence{options.cache_ttl};
  StatusCheck status_check{name, options.heartbeat_within};
  bool name_clash = false;  // a remote answers to this cluster's name
  RemoteStatus status;
  std::uint64_t sessions = 0;
  Scope runner;
  Scope workers;
};

// ---- life

RemoteCluster::RemoteCluster(asio::io_context& io, const LocalCluster& local, std::string name, RemoteOptions options,
                             Tables tables, IdRegistry& ids, bool initial)
    : impl_(std::make_shared<Impl>(io, local, std::move(name), std::move(options), tables, ids)) {
  impl_->status.name = impl_->name;
  impl_->status.urls = impl_->options.store.endpoints;
  impl_->status.why = "not connected yet";
  if (initial) {
    impl_->source = std::string(kRemoteSourcePrefix) + impl_->name;
    tables.nodes.expect(impl_->source);
    tables.services.expect(impl_->source);
    tables.identities.expect(impl_->source);
    tables.ips.expect(impl_->source);
  }
  for (std::size_t i = 0; i < kKinds; ++i)
    impl_->importers[i]->on_listed = [raw = impl_.get(), i] { raw->initialized(i); };
  impl_->publish();
}

// Whatever still holds the rest: the index reads a table, and tables are not ours.
RemoteCluster::~RemoteCluster() { impl_->tables.pod_cidrs.reset(); }
const std::string& RemoteCluster::name() const { return impl_->name; }
const RemoteOptions& RemoteCluster::options() const { return impl_->options; }

void RemoteCluster::set_options(RemoteOptions options) {
  impl_->options = std::move(options);
  impl_->absence = Absence(impl_->options.cache_ttl);
  impl_->status_check = StatusCheck(impl_->name, impl_->options.heartbeat_within);
  impl_->status.urls = impl_->options.store.endpoints;
  impl_->endpoints_are_nodes = false;
  impl_->nodes_seen = 0;
}

void RemoteCluster::start() {
  const auto hold = [](std::shared_ptr<Impl> impl) -> Task<> { co_await impl->run(); };
  const auto show = [](std::shared_ptr<Impl> impl) -> Task<> { co_await impl->publish_forever(); };
  const auto wait = [](std::shared_ptr<Impl> impl) -> Task<> { co_await impl->give_up_waiting(); };
  impl_->runner.spawn("connection", hold(impl_));
  impl_->runner.spawn("status", show(impl_));
  impl_->runner.spawn("sync timeout", wait(impl_));
}

Task<> RemoteCluster::stop() {
  const auto impl = impl_;
  co_await impl->runner.stop();
  co_await impl->workers.stop();
  impl->session.reset();
}

void RemoteCluster::withdraw() {
  impl_->withdraw_rows();
  impl_->release_id();
  for (std::size_t i = 0; i < kKinds; ++i) impl_->initialized(i);
  impl_->tables.remotes.remove(impl_->name);
}

Task<> RemoteCluster::Impl::run() {
  Backoff backoff(options.retry_first, options.retry_max);
  kvstore::Options store = options.store;
  EndpointRound round(store.endpoints);
  for (;;) {
    look_at_nodes();
    round.learned(node_urls.others);
    store.endpoints = round.order();
    // One that is dead must not keep us from the others for long.
    if (store.endpoints.size() > 1) store.dial_timeout = std::min(options.store.dial_timeout, kDialOneOfMany);
    session = std::make_shared<Session>(io, store);
    const auto s = session;
    Result<> r = co_await connect(s);
    const bool lost = r.has_value();
    if (r) {
      backoff.reset();
      round.connected(s->client.endpoint());
      ++sessions;
      status.refused = false;
      while (!s->end) co_await s->ended.changed_since(s->ended.version());
      r = std::unexpected(*s->end);
    }
    const Error error = r.error();
    const std::string at = s->client.endpoint();
    co_await workers.stop();
    session.reset();
    status.ready = false;
    // This cluster's own entry in a list of all clusters is not a failure.
    if (error.code != Errc::exists) {
      ++status.failures;
      status.last_failure = Wall::now();
    }
    if (error.code == Errc::conflict) {
      // Another data set behind the address: whoever answers now is asked at once.
      round.start_with(at);
      show(error);
      continue;
    }
    if (error.code == Errc::exists) {
      show(error);
      co_await sleep_for(std::chrono::milliseconds(300'000));
      continue;
    }
    const bool all_asked = round.failed(error, at);
    // While others are still to be asked, only what they cannot make good counts.
    if (all_asked || lost || is_refusal(round.failure())) show(round.failure());
    if (all_asked) co_await sleep_for(backoff.next());
  }
}

void RemoteCluster::Impl::show(const Error& error) {
  status.refused = is_refusal(error);
  if (status.why != error.message && (name != local.name || name_clash))
    log::warn("remote cluster not connected", {{"cluster", name}, {"error", error.message}});
  status.why = error.message;
  // It has said what there is to say: nobody waits for rows that do not come.
  if (status.refused || error.code == Errc::exists)
    for (std::size_t i = 0; i < kKinds; ++i) initialized(i);
  publish();
}

// ---- connecting

Task<Result<>> RemoteCluster::Impl::connect(std::shared_ptr<Session> s) {
  if (auto r = check_name(local, name); !r) co_return r;
  ConfigQuestion question{local.name, name, options.store};
  auto config = co_await fetch_cluster_config(s->client, std::move(question));
  if (!config) co_return std::unexpected(config.error());
  status.config_retrieved = true;
  status.synced_canaries = config->synced_canaries;
  status.cached = config->cached;
  status.max_connected_clusters = config->max_connected_clusters;
  status.service_exports = config->service_exports_enabled;
  status.cluster_id = config->id;
  if (name == local.name) {
    const auto r = check_same_name(local, *config);
    name_clash = !r;
    if (!r) co_return r;
    co_return fail(Errc::exists, "this cluster itself");
  }
  const auto taken = ids.find(config->id);
  const std::string holder = taken != ids.end() && taken->second != name ? taken->second : std::string();
  if (auto r = check_config(local, name, *config, holder); !r) {
    // It was accepted before and changed since: what it said then is no longer true of anybody.
    if (remote.id != 0 && remote.id != config->id) {
      withdraw_rows();
      release_id();
    }
    co_return r;
  }
  if (remote.id != 0 && remote.id != config->id) {
    log::warn("remote cluster changed its id, taking everything anew",
              {{"cluster", name}, {"before", remote.id}, {"now", config->id}});
    withdraw_rows();
    release_id();
  }
  s->config = *config;
  const bool known_before = remote.id != 0;
  remote = {name, config->id, local.max_connected_clusters};
  if (!known_before) {
    if (auto r = co_await check_overlap(s); !r) {
      remote.id = 0;
      co_return r;
    }
  }
  if (const auto now = ids.find(config->id); now != ids.end() && now->second != name) {  // while we looked at its nodes
    remote.id = 0;
    co_return check_config(local, name, *config, now->second);
  }
  ids[config->id] = name;

  status.why = "waiting for the first lists";
  if (config->synced_canaries) {
    auto observer = std::make_unique<CanaryObserver>();
    observer->seen = [this, raw = s.get()](const std::string& prefix) {
      if (session.get() != raw) return;
      for (const Kind kind : kMirroredKinds)
        if (prefix == canary_prefix(kind, raw->config.cached)) start_kind(session, kind);
    };
    s->canaries = std::move(observer);
    s->canary_store = std::make_unique<kvstore::WatchStore>(
        s->client, *s->canaries, kvstore::WatchStore::Options{.prefix = std::string(kSyncedPrefix) + name + "/"});
    workers.spawn("canaries", follow_canaries(s));
  } else {
    for (const Kind kind : kMirroredKinds) start_kind(s, kind);
  }
  status_check.connected(Steady::now());
  workers.spawn("check", check(s));
  log::info("remote cluster connected", {{"cluster", name}, {"id", config->id}, {"endpoint", s->client.endpoint()}});
  co_return Result<>{};
}

Task<Result<>> RemoteCluster::Impl::check_overlap(std::shared_ptr<Session> s) {
  const std::string prefix = data_prefix(Kind::nodes, name, s->config.cached);
  std::vector<PodCidr> theirs;
  std::function<void(std::vector<kvstore::KeyValue>)> page = [&](std::vector<kvstore::KeyValue> kvs) {
    for (const auto& kv : kvs) {
      const auto node = import_node(remote, kv.key.substr(prefix.size()), kv.value);
      if (!node) continue;  // reported when it is taken
      for (const auto& p : node->pod_cidrs) theirs.push_back({name, node->name, p});
    }
  };
  kvstore::RangeRequest request = kvstore::RangeRequest::prefix(prefix);
  const auto r = co_await s->client.list(std::move(request), page, options.page);
  if (!r)
    co_return std::unexpected(
        r.error().in(fmt::format("cluster {} reading the nodes of cluster {}", local.name, name)));
  co_return cidrs.check(theirs);
}

Result<std::optional<Node>> RemoteCluster::Impl::take_node(const std::string& key, const std::string& value) {
  auto node = cidrs.take(remote, key, value);
  if (!node) return std::unexpected(node.error());
  return std::optional<Node>(std::move(*node));
}

// ---- following

void RemoteCluster::Impl::start_kind(const std::shared_ptr<Session>& s, Kind kind) {
  const std::size_t i = index_of(kind);
  if (s->stores[i]) return;
  s->stores[i] = std::make_unique<kvstore::WatchStore>(
      s->client, *importers[i],
      kvstore::WatchStore::Options{.prefix = data_prefix(kind, name, s->config.cached), .first_page = options.page});
  workers.spawn(canary_prefix(kind), follow(s, i));
}

Task<> RemoteCluster::Impl::follow(std::shared_ptr<Session> s, std::size_t i) {
  const auto r = co_await s->stores[i]->run();
  if (!r) s->finish(r.error());
}

Task<> RemoteCluster::Impl::follow_canaries(std::shared_ptr<Session> s) {
  const auto r = co_await s->canary_store->run();
  if (!r) s->finish(r.error());
}

Task<> RemoteCluster::Impl::check(std::shared_ptr<Session> s) {
  for (;;) {
    const auto began = Steady::now();
    std::string key(kHeartbeatKey);
    const auto beat = co_await s->client.get(std::move(key));
    const auto now = Steady::now();
    const bool was_fine = status_check.why().empty();
    const auto verdict = beat ? status_check.answered(*beat, now) : status_check.failed(beat.error());
    status.rtt_ms = beat ? std::chrono::duration<double, std::milli>(now - began).count() : -1;
    if (was_fine && !status_check.why().empty())
      log::warn("remote cluster fails its status check", {{"cluster", name}, {"error", status_check.why()}});
    if (verdict == StatusCheck::Verdict::reconnect) {
      s->finish(beat ? Error{Errc::unavailable, status_check.why()} : beat.error());
      co_return;
    }
    if (beat) {
      status.last_sync = Wall::now();
      std::string config_key = cluster_config_key(name);
      const auto said = co_await s->client.get(std::move(config_key));
      // Gone is no reason to part: its writer may be starting again. Unreadable or different is looked at from the
      // start.
      if (said && *said) {
        const auto config = decode_cluster_config((*said)->value);
        if (!config || *config != s->config) {
          s->finish({Errc::conflict, fmt::format("cluster {} has changed its configuration", name)});
          co_return;
        }
      }
    }
    // A node that overlapped may not any more. One that is gone since must not come back.
    cidrs.keep(nodes.rejected());
    const auto refused = cidrs.refused();
    nodes.retry(refused);
    const bool settled = status.ready && verdict == StatusCheck::Verdict::fine;
    const auto wait = settled || options.check_every < std::chrono::seconds(5) ? options.check_every
                                                                               : std::chrono::milliseconds(5'000);
    co_await sleep_for(wait);
  }
}

void RemoteCluster::Impl::withdraw_rows() {
  if (name == local.name) return;  // those rows are this cluster's own
  nodes.withdraw();
  services.withdraw();
  identities.withdraw();
  ips.withdraw();
}

void RemoteCluster::Impl::release_id() {
  if (const auto it = ids.find(remote.id); it != ids.end() && it->second == name) ids.erase(it);
  remote.id = 0;
}

// ---- what others see

void RemoteCluster::Impl::initialized(std::size_t i) {
  if (source.empty()) return;
  switch (kMirroredKinds[i]) {
    case Kind::nodes: tables.nodes.initialized_by(source); break;
    case Kind::services: tables.services.initialized_by(source); break;
    case Kind::identities: tables.identities.initialized_by(source); break;
    case Kind::ip: tables.ips.initialized_by(source); break;
    default: break;
  }
}

Task<> RemoteCluster::Impl::give_up_waiting() {
  co_await sleep_for(options.sync_timeout);
  for (std::size_t i = 0; i < kKinds; ++i) initialized(i);
}

void RemoteCluster::Impl::publish() {
  status.nodes = nodes.count();
  status.services = services.count();
  status.endpoints = ips.count();
  status.identities = identities.count();
  status.synced_nodes = nodes.listed_once();
  status.synced_services = services.listed_once();
  status.synced_endpoints = ips.listed_once();
  status.synced_identities = identities.listed_once();
  status.reconnections = sessions == 0 ? 0 : sessions - 1;
  status.rejected = 0;
  status.rejected_example.clear();
  for (const auto* importer : importers) {
    status.rejected += importer->rejected().size();
    if (!importer->rejected().empty() && status.rejected_example.empty())
      status.rejected_example = importer->rejected().begin()->second;
  }
  cidrs.keep(nodes.rejected());
  look_at_nodes();
  const auto warning = node_endpoints_warning(name, node_urls);
  status.warnings = warning.empty() ? std::vector<std::string>() : std::vector<std::string>{warning};
  connected = false;
  if (session && !session->end) {
    std::string waiting, error;
    std::uint64_t resumed = 0;
    for (std::size_t i = 0; i < kKinds; ++i) {
      const auto* store = session->stores[i].get();
      if (store) {
        resumed = std::max(resumed, store->health().watches);
        status.last_sync = std::max(status.last_sync, store->health().last_event);
      }
      if (!store || !store->health().listed) {
        waiting += (waiting.empty() ? "" : ", ") + canary_prefix(kMirroredKinds[i]);
        if (store && !store->health().error.empty()) error = store->health().error;
      } else if (!store->health().watching && !store->health().error.empty()) {
        error = store->health().error;
      }
    }
    if (resumed > 1) status.reconnections += resumed - 1;
    // A writer that is silent leaves its store reachable: that is no absence, but not ready either.
    connected = session->config.id != 0 && error.empty() && status_check.store_answers();
    if (remote.id != 0 && status.config_retrieved) {
      const std::string& overlap = cidrs.overlap();
      status.ready = waiting.empty() && connected && status_check.why().empty() && overlap.empty();
      if (status.ready) {
        status.why.clear();
      } else if (!error.empty()) {
        status.why = "connection lost, rows kept: " + error;
      } else if (!status_check.why().empty()) {
        status.why = status_check.why();
      } else if (!waiting.empty()) {
        status.why = fmt::format("waiting for cluster {} to finish writing {}", name, waiting);
      } else {
        status.why = overlap;
      }
    }
  }
  // This cluster's own entry in a list of all clusters is nobody's remote, unless somebody else answers to the name.
  if (name == local.name && !name_clash) return;
  tables.remotes.upsert(status);
}

void RemoteCluster::Impl::look_at_nodes() {
  if (nodes_seen == tables.nodes.revision() || name == local.name) return;
  nodes_seen = tables.nodes.revision();
  std::vector<Node> theirs;
  tables.nodes.scan({name, ""}, [&](const Node& n) {
    if (n.cluster == name) theirs.push_back(n);
    return n.cluster == name;
  });
  node_urls = node_endpoints(options.store.endpoints, theirs, endpoints_are_nodes);
}

void RemoteCluster::Impl::revoke_services() {
  if (services.count() == 0) return;
  const auto away = std::chrono::duration_cast<std::chrono::seconds>(options.cache_ttl);
  const auto why = fmt::format("cluster {} has not reached cluster {} for {} s (clustermesh.cacheTTL)", local.name,
                               name, away.count());
  log::warn("services of a remote cluster dropped", {{"cluster", name}, {"services", services.count()}, {"why", why}});
  services.withdraw();
  ++status.cache_revocations;
  // A watch that resumed would not bring back what is gone: list anew.
  if (session) session->finish({Errc::unavailable, why});
}

Task<> RemoteCluster::Impl::publish_forever() {
  for (;;) {
    (void)tables.pod_cidrs->index();
    publish();
    if (absence.too_long(connected, Steady::now())) {
      revoke_services();
      publish();
    }
    co_await sleep_for(std::chrono::milliseconds(200));
  }
}

}  // namespace weft::mesh
