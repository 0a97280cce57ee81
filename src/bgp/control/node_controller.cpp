#include "bgp/control/node_controller.h"

#include <boost/asio/cancellation_state.hpp>

#include <algorithm>

#include "base/log.h"
#include "bgp/control/router_annotation.h"

namespace weft::bgp::control {

struct NodeController::Sources {
  Sources(kube::Client& client, const Options& o)
      : good(o.state_dir.empty() ? "" : good_states_file(o.state_dir)),
        policies(client, kPeeringPolicies, parse_peering_policy, &good),
        node_configs(client, kNodeConfigs, parse_node_config, &good, {.field_selector = "metadata.name=" + o.node}),
        peer_configs(client, kPeerConfigs, parse_peer_config, &good),
        advertisements(client, kAdvertisements, parse_advertisement, &good),
        pools(client, kLoadBalancerPools, parse_pool, &good),
        passwords(client.io(), "secrets"),
        password_source(client, kube::kSecrets, passwords, parse_password, {.ns = o.secrets_namespace}) {}

  GoodStates good;
  ObjectSource<PeeringPolicySpec> policies;
  ObjectSource<NodeConfigSpec> node_configs;
  ObjectSource<PeerConfigSpec> peer_configs;
  ObjectSource<AdvertisementSpec> advertisements;
  ObjectSource<PoolSpec> pools;
  Table<Password> passwords;
  kube::Reflector<Password> password_source;

  template <class Fn>
  void each_kind(Fn fn) {
    fn(policies);
    fn(node_configs);
    fn(peer_configs);
    fn(advertisements);
    fn(pools);
  }
};

// What was read of each table. A change of one of the first group means a new plan.
struct NodeController::Streams {
  Streams(Sources& s, const Inputs& in)
      : policies(s.policies.table()),
        node_configs(s.node_configs.table()),
        peer_configs(s.peer_configs.table()),
        advertisements(s.advertisements.table()),
        pools(s.pools.table()),
        passwords(s.passwords),
        own_node(in.own_node),
        nodes(in.nodes),
        services(in.services),
        slices(in.slices),
        remotes(in.remotes) {}

  Table<Object<PeeringPolicySpec>>::Stream policies;
  Table<Object<NodeConfigSpec>>::Stream node_configs;
  Table<Object<PeerConfigSpec>>::Stream peer_configs;
  Table<Object<AdvertisementSpec>>::Stream advertisements;
  Table<Object<PoolSpec>>::Stream pools;
  Table<Password>::Stream passwords;
  Table<kube::CoreNode>::Stream own_node;
  Table<Node>::Stream nodes;
  Table<Service>::Stream services;
  Table<EndpointSlice>::Stream slices;
  Table<ClusterService>::Stream remotes;

  bool plan_changed() {
    bool any = false;
    const auto look = [&](auto& stream) { any = !stream.next().empty() || any; };
    look(policies);
    look(node_configs);
    look(peer_configs);
    look(advertisements);
    look(pools);
    look(passwords);
    look(own_node);
    return any;
  }
};

// What is said once: what `before` had not.
namespace {
template <class T, class Fn>
void each_new(const std::vector<T>& now, const std::vector<T>& before, Fn fn) {
  for (const T& t : now)
    if (std::find(before.begin(), before.end(), t) == before.end()) fn(t);
}
}  // namespace

NodeController::NodeController(kube::Client& client, Options options, Inputs inputs, SpeakerEdge& speaker)
    : options_(std::move(options)),
      inputs_(inputs),
      speaker_(speaker),
      drain_clock_(options_.state_dir.empty() ? "" : drain_file(options_.state_dir)),
      io_(client.io()),
      woken_(client.io()),
      changes_(client.io()),
      sources_(std::make_unique<Sources>(client, options_)),
      streams_(std::make_unique<Streams>(*sources_, inputs_)),
      scope_(client.io(), "bgp"),
      known_v4_(options_.gateway_hold),
      known_v6_(options_.gateway_hold) {
  builder_.set_options(options_.routes);
}
NodeController::~NodeController() = default;

bool NodeController::may_speak() const {
  return inputs_.own_node.initialized() && inputs_.own_node.contains(options_.node) &&
         sources_->policies.known(absent_) && sources_->node_configs.known(absent_) &&
         sources_->peer_configs.known(absent_) && sources_->advertisements.known(absent_);
}

// The CRDs of an older Cilium serve policies and no v2: those work. Without both there is nothing to work from.
AbsentKinds NodeController::absent_kinds() const {
  AbsentKinds out;
  if (!sources_->policies.table().initialized() && !sources_->node_configs.table().initialized()) return out;
  sources_->each_kind([&](const auto& source) { source.note_absent(options_.kind_patience, absent_, out); });
  return out;
}

Findings NodeController::findings() const {
  Findings out = plan().findings;
  out.insert(out.end(), route_findings_.begin(), route_findings_.end());
  return out;
}

bool NodeController::complete() const { return waiting_for().empty(); }

std::string NodeController::waiting_for() const {
  std::string out;
  const auto look = [&](const auto& table) {
    if (!table.initialized()) out += (out.empty() ? "" : ", ") + table.name();
  };
  look(inputs_.own_node);
  sources_->each_kind([&](auto& source) {
    if (!source.known(absent_)) look(source.table());
  });
  look(inputs_.services);
  look(inputs_.slices);
  // Remote clusters may be away for long; they add no route of ours unless Services without endpoints are held back.
  if (inputs_.nodes.waits_for(kube::kSourcePrefix)) out += (out.empty() ? "" : ", ") + inputs_.nodes.name();
  if (!options_.routes.services.no_endpoints_routable) look(inputs_.remotes);
  return out;
}

Objects NodeController::objects() const {
  Objects o;
  o.policies = sources_->policies.all();
  o.node_config = sources_->node_configs.table().get(options_.node);
  o.peer_configs = sources_->peer_configs.by_name();
  o.advertisements = sources_->advertisements.by_name();
  o.pools = sources_->pools.all();
  o.secrets_namespace = options_.secrets_namespace;
  o.passwords_error = secrets_error_;
  o.absent = absent_;
  if (sources_->passwords.initialized()) {
    o.passwords.emplace();
    sources_->passwords.for_each([&](const Password& p) { o.passwords->emplace(p.name, p.value); });
  }
  return o;
}

NodeFacts NodeController::node_facts() {
  NodeFacts f;
  f.name = options_.node;
  f.gateways_v4 = gateways_v4_;
  f.gateways_v6 = gateways_v6_;
  f.stopping = stopping_;
  if (stopping_) f.without_restart = sessions_without_restart();
  const auto node = inputs_.own_node.get(options_.node);
  if (!node) return f;
  f.labels = node->labels;
  f.annotations = node->annotations;
  f.good_annotations = good_router_annotations(sources_->good, node->name, node->uid, node->annotations);
  for (const NodeAddress& a : node->addresses)
    if (a.type == NodeAddressType::internal_ip && !f.ipv4)
      if (const auto ip = Address::parse(a.value); ip && ip->is_v4()) f.ipv4 = *ip;
  const auto said = node->annotations.find(kDrainKey);
  const bool drain = node->unschedulable || (said != node->annotations.end() && said->second != "false") ||
                     std::find(node->taints.begin(), node->taints.end(), kDrainKey) != node->taints.end();
  f.draining_for = drain_clock_.update(drain, Wall::now(), Steady::now());
  return f;
}

NodePrefixes NodeController::node_prefixes() const {
  NodePrefixes out;
  out.interfaces = interfaces_;
  out.on_link = on_link_;
  if (const auto node = inputs_.nodes.get({options_.cluster, options_.node})) {
    out.pod_cidrs = node->pod_cidrs;
    out.labels = node->labels;
  } else if (const auto core = inputs_.own_node.get(options_.node)) {
    out.pod_cidrs = core->pod_cidrs;
    out.labels = core->labels;
  }
  return out;
}

// Nobody pays for looking at the kernel unless an object asks for what is there.
bool NodeController::kernel_matters() const {
  for (const auto& [name, instance] : builder_.plan().instances)
    for (const auto& [group, g] : instance.groups)
      for (const Rule& r : g.rules)
        if (r.entry.type == AdvertisementSpec::Entry::Type::interface || r.entry.aggregate_v4 || r.entry.aggregate_v6)
          return true;
  if (const auto config = sources_->node_configs.table().get(options_.node); config && config->good)
    for (const auto& i : config->good->instances)
      for (const auto& p : i.peers)
        if (p.default_gateway) return true;
  return false;
}

// Two instances may have one ASN, which is what metrics call a router by: an error of both counts once.
void NodeController::count_error(const std::function<bool(const Plan::Instance&)>& of, const Plan& plan) {
  std::set<Asn> routers;
  for (const auto& [name, instance] : plan.instances)
    if (of(instance)) routers.insert(instance.config.local_as);
  for (const Asn asn : routers) ++errors_[asn];
}

void NodeController::keep_good_states() {
  GoodStates& good = sources_->good;
  sources_->policies.forget_gone(good);
  sources_->node_configs.forget_gone(good);
  sources_->peer_configs.forget_gone(good);
  sources_->advertisements.forget_gone(good);
  sources_->pools.forget_gone(good);
  if (const auto r = good.save(); !r)
    log::warn("a restart will not know what bad BGP objects said last", {{"error", r.error().message}});
}

void NodeController::take_gateways(const std::vector<netlink::Route>& routes, const std::vector<netlink::Link>& links) {
  const auto take = [&](Family family, GatewayMemory& memory, std::vector<Gateway>& gateways) {
    auto known = memory.look(default_gateways(routes, links, family), links, Steady::now());
    for (const Gateway& g : known.lost)
      log::warn("the default route by a BGP peer is gone, its session stays for now",
                {{"gateway", g.address.to_string()},
                 {"interface", g.interface},
                 {"seconds", std::chrono::duration_cast<std::chrono::seconds>(options_.gateway_hold).count()}});
    if (known.all != gateways) replan_ = true;
    gateways = std::move(known.all);
  };
  take(Family::v4, known_v4_, gateways_v4_);
  take(Family::v6, known_v6_, gateways_v6_);
}

void NodeController::look_at_kernel() {
  if (!kernel_matters() || Steady::now() - looked_at_kernel_ < options_.look_every) return;
  looked_at_kernel_ = Steady::now();
  const auto links = inputs_.kernel.links();
  const auto addresses = inputs_.kernel.addresses();
  const auto routes = inputs_.kernel.routes({.table = netlink::kMainTable, .protocol = std::nullopt});
  for (const auto* error :
       {links ? nullptr : &links.error(), addresses ? nullptr : &addresses.error(), routes ? nullptr : &routes.error()})
    if (error) {
      log::warn("BGP cannot look at the node's links, what was seen before stays", {{"error", error->message}});
      return;
    }
  take_gateways(*routes, *links);
  interfaces_.clear();
  on_link_.clear();
  for (const auto& a : *addresses) {
    const auto link =
        std::find_if(links->begin(), links->end(), [&](const netlink::Link& l) { return l.index == a.ifindex; });
    if (link == links->end()) continue;
    if (!a.address.is_link_local() && !a.address.is_loopback()) interfaces_[link->name].push_back(a.address);
    if (!link->loopback && a.length < a.address.bits()) on_link_.push_back(a.prefix());
  }
}

std::set<ObjectName> NodeController::changed_services() {
  std::set<ObjectName> out;
  for (const auto& c : streams_->services.next()) out.insert(c.key);
  for (const auto& c : streams_->slices.next()) {
    if (const auto it = service_of_.find(c.key); it != service_of_.end()) {
      out.insert(it->second);
      auto& slices = slices_of_[it->second];
      slices.erase(c.key);
      if (slices.empty()) slices_of_.erase(it->second);
      service_of_.erase(it);
    }
    if (!c.row) continue;
    const ObjectName service{c.key.ns, c.row->service};
    slices_of_[service].insert(c.key);
    service_of_[c.key] = service;
    out.insert(service);
  }
  for (const auto& c : streams_->remotes.next()) out.insert(c.key.service);
  return out;
}

void NodeController::refresh_service(const ObjectName& name) {
  auto service = inputs_.services.get(name);
  if (!service) {
    builder_.set_service(name, std::nullopt);
    return;
  }
  std::vector<std::shared_ptr<const EndpointSlice>> slices;
  if (const auto it = slices_of_.find(name); it != slices_of_.end())
    for (const auto& s : it->second)
      if (auto row = inputs_.slices.get(s)) slices.push_back(std::move(row));
  bool remote = false;
  if (service->global)
    inputs_.remotes.scan({name, ""}, [&](const ClusterService& feed) {
      if (feed.name != name) return false;
      remote = remote || !feed.backends.empty();
      return !remote;
    });
  builder_.set_service(name, facts_of(std::move(service), slices, options_.node, remote));
}

void NodeController::step() {
  const auto begun = Steady::now();
  replan_ = streams_->plan_changed() || replan_;
  streams_->nodes.next();
  dirty_.merge(changed_services());
  const std::string error = sources_->passwords.initialized() ? "" : sources_->password_source.health().error;
  if (std::exchange(secrets_error_, error) != error) replan_ = true;
  if (auto absent = absent_kinds(); absent != absent_) {
    absent_ = std::move(absent);
    replan_ = true;
  }
  if (!may_speak()) return;

  look_at_kernel();
  if (replan_ || Steady::now() >= plan_due_) {
    Objects all = objects();
    Plan next = control::plan(node_facts(), all);
    plan_due_ = next.changes_in ? Steady::now() + *next.changes_in : Steady::time_point::max();
    each_new(next.findings, plan().findings, [&](const Finding& f) {
      if (f.severity == Finding::Severity::error)
        count_error([&](const Plan::Instance& i) { return concerns(f, i); }, next);
      log::warn("BGP object", {{"finding", f.to_string()}});
    });
    each_new(next.ignored, plan().ignored,
             [](const std::string& text) { log::warn("BGP object has no effect", {{"why", text}}); });
    builder_.set_plan(next, std::move(all.pools));
    keep_good_states();
    replan_ = false;
  }
  // A plan with the first aggregates must know the node's networks before a blackhole is asked for.
  look_at_kernel();
  builder_.set_node(node_prefixes());
  // A Service without its slices looks like one without endpoints: wait until both are listed.
  if (inputs_.services.initialized() && inputs_.slices.initialized())
    for (const auto& name : std::exchange(dirty_, {})) refresh_service(name);
  const Findings before = std::exchange(route_findings_, builder_.findings());
  each_new(route_findings_, before, [](const Finding& f) { log::warn("BGP object", {{"finding", f.to_string()}}); });
  const bool all = complete();
  if (all && told_complete_ != true) log::info("BGP knows everything it announces", {{"from", plan().source}});
  told_complete_ = all;
  const auto known = std::exchange(faults_, speaker_.apply(builder_.wanted(all)));
  each_new(faults_, known, [&](const PeerFault& f) {
    count_error([&](const Plan::Instance& i) { return i.config.name == f.instance; }, plan());
    log::warn("BGP peer cannot be as it is wanted", {{"instance", f.instance}, {"peer", f.peer}, {"why", f.why}});
  });
  ++passes_;
  if (on_pass) on_pass(std::chrono::duration<double>(Steady::now() - begun).count());
  changes_.notify();
}

Task<> NodeController::run() {
  scope_.spawn("policies", sources_->policies.run());
  scope_.spawn("node config", sources_->node_configs.run());
  scope_.spawn("peer configs", sources_->peer_configs.run());
  scope_.spawn("advertisements", sources_->advertisements.run());
  scope_.spawn("pools", sources_->pools.run());
  scope_.spawn("secrets", sources_->password_source.run());
  const auto forward = [](Notifier& from, Notifier& to) -> Task<> {
    for (auto seen = from.version();;) {
      co_await from.changed_since(seen);
      seen = from.version();
      to.notify();
    }
  };
  for (Notifier* n : {&sources_->policies.table().notifier(), &sources_->node_configs.table().notifier(),
                      &sources_->peer_configs.table().notifier(), &sources_->advertisements.table().notifier(),
                      &sources_->pools.table().notifier(), &sources_->passwords.notifier(),
                      &inputs_.own_node.notifier(), &inputs_.nodes.notifier(), &inputs_.services.notifier(),
                      &inputs_.slices.notifier(), &inputs_.remotes.notifier()})
    scope_.spawn("watch", forward(*n, woken_));
  std::exception_ptr end;
  try {
    for (;;) {
      const auto seen = woken_.version();
      step();
      const auto now = Steady::now();
      auto wait = std::chrono::nanoseconds(std::chrono::hours(1));
      // Nobody wakes us when reading Secrets fails, or when a kind is not there.
      if (kernel_matters() || !sources_->passwords.initialized() || !complete()) wait = options_.look_every;
      if (may_speak() && plan_due_ != Steady::time_point::max())
        wait = std::min<std::chrono::nanoseconds>(wait, plan_due_ - now);
      wait = std::max<std::chrono::nanoseconds>(wait, std::chrono::milliseconds(1));
      co_await woken_.changed_since(seen, wait);
    }
  } catch (...) {
    end = std::current_exception();
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await scope_.stop();
  if (end) std::rethrow_exception(end);
}

// As the speaker's farewell asks: both OPENs of the session that is up, not the configuration.
std::set<std::pair<std::string, std::string>> NodeController::sessions_without_restart() const {
  std::set<std::pair<std::string, std::string>> out;
  for (const PeerStatus& s : speaker_.peers())
    if (s.state == SessionState::established && (leaving_ || !(s.ours.graceful_restart && s.theirs.graceful_restart)))
      out.emplace(s.instance, s.name);
  return out;
}

Task<> NodeController::say_goodbye(std::chrono::milliseconds grace, bool for_good) {
  leaving_ = for_good;
  if (sessions_without_restart().empty()) co_return;
  stopping_ = true;
  replan_ = true;
  step();
  co_await sleep_for(grace);
}

kube::ObjectReference NodeController::own_config() const {
  const auto config = sources_->node_configs.table().get(options_.node);
  if (!config) return {};
  return {kNodeConfigs.api_version(), kNodeConfigKind, "", config->meta.name, config->meta.uid};
}

kube::ObjectReference NodeController::object_in_force() const {
  const auto& source = plan().source;
  for (const auto& p : sources_->policies.all())
    if (source == std::string(kPolicyKind) + " " + p->meta.name)
      return {kPeeringPolicies.api_version(), kPolicyKind, "", p->meta.name, p->meta.uid};
  return own_config();
}

std::int64_t NodeController::generation_in_force() const {
  const auto config = sources_->node_configs.table().get(options_.node);
  return config ? config->meta.generation : 0;
}

}  // namespace weft::bgp::control
