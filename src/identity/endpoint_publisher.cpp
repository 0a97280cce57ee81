#include "identity/endpoint_publisher.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/json.hpp>

#include "identity/pod_labels.h"
#include "kube/json.h"

namespace weft::identity {

namespace json = boost::json;

namespace {
// One of several sources woke: the loop waits on one notifier.
Task<> forward(Notifier& from, Notifier& to) {
  for (;;) {
    const auto seen = from.version();
    to.notify();
    co_await from.changed_since(seen);
  }
}
}  // namespace

struct EndpointPublisher::Ops final : ReconcileOps<EndpointIntent> {
  explicit Ops(EndpointPublisher& p) : self(p) {}
  EndpointPublisher& self;

  Task<Result<>> update(const EndpointIntent& intent) override {
    auto id = co_await self.allocator_.allocate(intent.labels);
    if (!id) {
      show(intent, 0, id.error().message);
      co_return fail(id.error());
    }
    kube::CiliumEndpoint wanted = intent.object;
    wanted.identity = *id;
    wanted.identity_labels = label_list(intent.labels);
    // The pod can be known by its identity from here on; the object follows.
    show(intent, *id, "");
    auto r = co_await write(wanted);
    if (r) self.written_[wanted.name] = wanted;
    co_return r;
  }

  Task<Result<>> remove(const ObjectName& name) override {
    self.written_.erase(name);
    self.t_.endpoints.remove(name);
    tell_allocator();
    auto r = co_await erase(name);
    co_return r;
  }

  // Objects of this node for pods that it does not have (any more).
  Task<Result<>> prune(const Table<EndpointIntent>& table) override {
    if (!self.t_.cilium_endpoints.initialized() || !self.t_.local_pods.initialized() || !self.t_.pods.initialized())
      co_return fail(Errc::unavailable, "not everything was listed yet");
    std::vector<ObjectName> strangers;
    self.t_.cilium_endpoints.for_each([&](const kube::CiliumEndpoint& e) {
      if (self.ours(e) && !table.contains(e.name)) strangers.push_back(e.name);
    });
    for (const auto& name : strangers) {
      auto r = co_await erase(name);
      if (!r) co_return r;
    }
    co_return Result<>{};
  }

  void show(const EndpointIntent& intent, NumericIdentity id, std::string why) {
    Endpoint e;
    e.pod = intent.object.name;
    e.pod_uid = intent.object.pod_uid;
    e.id = intent.object.endpoint_id;
    e.container_id = intent.object.container_id;
    e.interface = intent.interface;
    e.addresses = intent.object.addresses;
    e.identity = id;
    e.labels = intent.labels;
    e.state = id == 0 ? "waiting-for-identity" : "ready";
    e.why = std::move(why);
    const auto before = self.t_.endpoints.get(e.pod);
    self.t_.endpoints.upsert(std::move(e));
    if (before && before->identity != 0 && before->identity != id) tell_allocator();
  }

  void tell_allocator() {
    std::set<NumericIdentity> used;
    self.t_.endpoints.for_each([&](const Endpoint& e) { used.insert(e.identity); });
    self.allocator_.in_use(used);
  }

  Task<Result<>> write(const kube::CiliumEndpoint& wanted) {
    if (const auto seen = self.t_.cilium_endpoints.get(wanted.name); seen && same_endpoint(*seen, wanted))
      co_return Result<>{};
    const auto object = kube::to_cilium_endpoint(wanted);
    auto made = co_await self.client_.create(kube::kCiliumEndpoints, wanted.name.ns, object);
    if (!made && made.error().code == Errc::exists) {
      auto now = co_await self.client_.get(kube::kCiliumEndpoints, wanted.name.ns, wanted.name.name);
      if (!now) co_return fail(now.error());
      // What others keep in the metadata stays; the rest of the object is ours alone.
      json::object next = std::move(*now);
      auto& meta = kube::metadata_of(next);
      meta["labels"] = kube::to_json(wanted.labels);
      if (const auto* owners = kube::metadata(object).if_contains("ownerReferences")) meta["ownerReferences"] = *owners;
      next["status"] = object.at("status");
      made = co_await self.client_.update(kube::kCiliumEndpoints, wanted.name.ns, next);
    }
    if (!made) co_return fail(made.error());
    // Where the kind has a status subresource, the status was dropped and goes there.
    auto back = kube::parse_cilium_endpoint(*made);
    if (back && *back && same_endpoint(**back, wanted)) co_return Result<>{};
    json::object again = std::move(*made);
    again["status"] = object.at("status");
    auto status = co_await self.client_.update_status(kube::kCiliumEndpoints, wanted.name.ns, again);
    if (!status) co_return fail(status.error());
    co_return Result<>{};
  }

  // Deletes the object only while it is this node's: the pod of a StatefulSet may be up elsewhere under its old name.
  Task<Result<>> erase(const ObjectName& name) {
    auto now = co_await self.client_.get(kube::kCiliumEndpoints, name.ns, name.name);
    if (!now && now.error().code == Errc::not_found) co_return Result<>{};
    if (!now) co_return fail(now.error());
    auto parsed = kube::parse_cilium_endpoint(*now);
    if (!parsed || !*parsed || !self.ours(**parsed) || self.intents_.contains(name)) co_return Result<>{};
    kube::DeleteOptions options;
    options.uid = kube::uid_of(*now);
    options.resource_version = kube::version_of(*now);
    auto r = co_await self.client_.remove(kube::kCiliumEndpoints, name.ns, name.name, options);
    if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
    co_return Result<>{};
  }
};

struct EndpointPublisher::Inputs {
  Table<LocalPod>::Stream local_pods;
  Table<kube::Pod>::Stream pods;
  Table<kube::Namespace>::Stream namespaces;
  Table<kube::CiliumEndpoint>::Stream cilium_endpoints;
  Table<Identity>::Stream identities;
  explicit Inputs(Tables& t)
      : local_pods(t.local_pods),
        pods(t.pods),
        namespaces(t.namespaces),
        cilium_endpoints(t.cilium_endpoints),
        identities(t.identities) {}
};

EndpointPublisher::EndpointPublisher(kube::Client& client, IdentityAllocator& allocator, Tables tables,
                                     EndpointPublisherOptions options)
    : client_(client),
      allocator_(allocator),
      t_(tables),
      options_(std::move(options)),
      intents_(client.io(), "endpoint intents"),
      ops_(std::make_unique<Ops>(*this)),
      reconciler_(intents_, *ops_),
      woken_(client.io()),
      scope_(client.io(), "endpoints") {
  intents_.expect("derivation");
}
EndpointPublisher::~EndpointPublisher() = default;

const ReconcileHealth& EndpointPublisher::health() const { return reconciler_.health(); }

bool EndpointPublisher::ours(const kube::CiliumEndpoint& object) const {
  return object.node && std::find(options_.node_addresses.begin(), options_.node_addresses.end(), *object.node) !=
                            options_.node_addresses.end();
}

void EndpointPublisher::set_node_addresses(const std::vector<Address>& addresses) {
  if (addresses.empty() || addresses.front() == options_.node_addresses.front()) return;
  auto& all = options_.node_addresses;
  for (auto it = addresses.rbegin(); it != addresses.rend(); ++it) {
    std::erase(all, *it);
    all.insert(all.begin(), *it);
  }
  all_again_ = true;
  woken_.notify();
}

Task<> EndpointPublisher::run() {
  scope_.spawn("reconcile", reconciler_.run());
  std::exception_ptr end;
  try {
    co_await derive();
  } catch (...) {
    end = std::current_exception();
  }
  // Cancelled or not, the children end before their owner does.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await scope_.stop();
  if (end) std::rethrow_exception(end);
}

Task<> EndpointPublisher::derive() {
  Inputs inputs(t_);
  scope_.spawn("local pods", forward(t_.local_pods.notifier(), woken_));
  scope_.spawn("pods", forward(t_.pods.notifier(), woken_));
  scope_.spawn("namespaces", forward(t_.namespaces.notifier(), woken_));
  scope_.spawn("cilium endpoints", forward(t_.cilium_endpoints.notifier(), woken_));
  scope_.spawn("identities", forward(t_.identities.notifier(), woken_));
  for (;;) {
    const auto version = woken_.version();
    auto names = changed(inputs);
    if (std::exchange(all_again_, false))
      for (const auto& [name, attachments] : local_) names.insert(name);
    for (const auto& name : names) derive_one(name);
    const bool all = t_.local_pods.initialized() && t_.pods.initialized() && t_.namespaces.initialized();
    if (all) intents_.initialized_by("derivation");
    co_await woken_.changed_since(version);
  }
}

// Which of our pods must be looked at again.
std::set<ObjectName> EndpointPublisher::changed(Inputs& in) {
  std::set<ObjectName> names;
  for (const auto& c : in.local_pods.next()) {
    if (const auto it = pod_of_.find(c.key); it != pod_of_.end()) {
      names.insert(it->second);
      local_[it->second].erase(c.key);
      if (local_[it->second].empty()) local_.erase(it->second);
      pod_of_.erase(it);
    }
    if (!c.row || c.row->pod.name.empty()) continue;
    pod_of_[c.key] = c.row->pod;
    local_[c.row->pod].insert(c.key);
    names.insert(c.row->pod);
  }
  for (const auto& c : in.pods.next())
    if (local_.contains(c.key)) names.insert(c.key);
  for (const auto& c : in.namespaces.next())
    for (auto it = local_.lower_bound({c.key, ""}); it != local_.end() && it->first.ns == c.key; ++it)
      names.insert(it->first);
  // Seen back from the API server: what is not as we left it is put right.
  for (const auto& c : in.cilium_endpoints.next()) {
    const auto it = written_.find(c.key);
    if (it != written_.end() && (!c.row || !same_endpoint(*c.row, it->second))) touch(c.key);
  }
  // An identity in use that went, or a lower one for the same labels.
  std::set<NumericIdentity> gone;
  std::set<Labels> fresh;
  for (const auto& c : in.identities.next()) {
    if (!c.row) gone.insert(c.key);
    if (c.row && c.row->cluster == options_.cluster) fresh.insert(c.row->labels);
  }
  if (!gone.empty() || !fresh.empty())
    for (const auto& e : t_.endpoints.all())
      if (e->identity != 0 &&
          (gone.contains(e->identity) || (fresh.contains(e->labels) && allocator_.known(e->labels) != e->identity)))
        touch(e->pod);
  return names;
}

void EndpointPublisher::touch(const ObjectName& name) {
  const auto row = intents_.get(name);
  if (!row) return;
  EndpointIntent next = *row;
  ++next.attempt;
  intents_.upsert(std::move(next));
}

// Of several attachments of one pod name, the one of this very pod; of those the newest.
const LocalPod* EndpointPublisher::attachment(const ObjectName& name, const kube::Pod& pod) const {
  const LocalPod* best = nullptr;
  const auto keys = local_.find(name);
  if (keys == local_.end()) return nullptr;
  for (const auto& key : keys->second) {
    const auto row = t_.local_pods.get(key);
    if (!row || (!row->uid.empty() && !pod.uid.empty() && row->uid != pod.uid)) continue;
    if (!best || row->ifindex > best->ifindex) best = row.get();
  }
  return best;
}

void EndpointPublisher::derive_one(const ObjectName& name) {
  const auto pod = t_.pods.get(name);
  const auto ns = t_.namespaces.get(name.ns);
  const LocalPod* local = pod ? attachment(name, *pod) : nullptr;
  if (!local_.contains(name)) {
    intents_.remove(name);
    t_.endpoints.remove(name);
    return;
  }
  if (!pod || !ns || !local) {
    // The watch is behind the CNI plugin: an intent that exists is left until it is known better.
    if (intents_.contains(name)) return;
    Endpoint waiting;
    waiting.pod = name;
    if (const auto row = t_.local_pods.get(*local_[name].begin())) {
      waiting.id = row->ifindex;
      waiting.container_id = row->container_id;
      waiting.interface = row->host_ifname;
      waiting.addresses = row->ips;
    }
    waiting.state = "waiting-for-identity";
    waiting.why = !pod  ? "the Pod object was not seen yet"
                  : !ns ? "the Namespace object was not seen yet"
                        : "the Pod object is of another pod of this name";
    t_.endpoints.upsert(std::move(waiting));
    return;
  }
  PodFacts facts;
  facts.ns = name.ns;
  facts.service_account = pod->service_account;
  facts.labels = pod->labels;
  facts.namespace_labels = ns->labels;
  auto next = derive_intent(*local, *pod, identity_labels(facts, options_.cluster, options_.filter), options_.node,
                            options_.node_addresses.front());
  if (const auto old = intents_.get(name)) next.attempt = old->attempt;
  intents_.upsert(std::move(next));
}

}  // namespace weft::identity
