#include "routing/router.h"

#include "routing/reverse_path.h"

namespace weft::routing {

namespace {
constexpr const char* kSource = "nodes";
// Nodes come in bursts (a remote cluster's first list), and so do link events: one derivation for all of them.
constexpr auto kSettle = std::chrono::milliseconds(20);
constexpr auto kFullEvery = std::chrono::seconds(60);
constexpr auto kAdoptFor = std::chrono::seconds(60);
}  // namespace

NodeRouter::NodeRouter(asio::io_context& io, netlink::Kernel& kernel, Table<Node>& nodes, Config config,
                       std::vector<Address> node_ips, std::unique_ptr<netlink::Monitor> monitor)
    : kernel_(kernel),
      nodes_(nodes),
      config_(std::move(config)),
      node_ips_(std::move(node_ips)),
      monitor_(std::move(monitor)),
      routes_(io, "routes"),
      peers_(io, "tunnel-peers"),
      route_ops_(kernel),
      peer_ops_(kernel, tunnel_ifindex_),
      route_reconciler_(routes_, route_ops_, {.full_every = kFullEvery}),
      peer_reconciler_(peers_, peer_ops_, {.full_every = kFullEvery}),
      forward_(kernel),
      wake_(io),
      changed_(io) {
  routes_.expect(kSource);
  peers_.expect(kSource);
}

void NodeRouter::start(Scope& scope) {
  scope.spawn("node-routes", derive());
  scope.spawn("node-routes-follow", follow_nodes());
  scope.spawn("node-routes-reconciler", route_reconciler_.run());
  scope.spawn("tunnel-peers-reconciler", peer_reconciler_.run());
  scope.spawn("forward-rules", forward_.run(changed_));
  if (!monitor_) return;
  std::function<void(int)> seen = [this](int ifindex) { watch(ifindex); };
  scope.spawn("link-monitor", monitor_->run(std::move(seen)));
}

void NodeRouter::set_node_ips(std::vector<Address> node_ips) {
  node_ips_ = std::move(node_ips);
  wake_.notify();
}

Task<> NodeRouter::follow_nodes() {
  for (;;) {
    const auto seen = nodes_.notifier().version();
    wake_.notify();
    co_await nodes_.notifier().changed_since(seen);
  }
}

void NodeRouter::watch(int ifindex) {
  if (ifindex != 0 && ifindex != underlay_.ifindex && ifindex != tunnel_ifindex_) return;
  kernel_moved_ = true;
  wake_.notify();
}

Task<> NodeRouter::derive() {
  Backoff backoff(std::chrono::milliseconds(200), std::chrono::seconds(30));
  for (;;) {
    const auto seen = wake_.version();
    auto done = derive_once();
    const bool moved = std::exchange(kernel_moved_, false);
    if (done && moved && nodes_.initialized()) {
      auto r = co_await route_ops_.prune(routes_);
      if (r) r = co_await peer_ops_.prune(peers_);
      if (!r) done = fail(std::move(r).error());
    }
    const std::string trouble = done ? "" : done.error().message;
    if (trouble != trouble_ && !trouble.empty()) log::warn("routes to nodes are incomplete", {{"error", trouble}});
    trouble_ = trouble;
    changed_.notify();
    if (done) {
      backoff.reset();
      co_await wake_.changed_since(seen, kFullEvery);
    } else {
      kernel_moved_ = kernel_moved_ || moved;
      co_await wake_.changed_since(seen, backoff.next());
    }
    co_await sleep_for(kSettle);
  }
}

Result<Underlay> detect_underlay(netlink::Kernel& kernel, const std::vector<Address>& node_ips) {
  auto links = kernel.links();
  if (!links) return fail(std::move(links).error());
  auto addresses = kernel.addresses();
  if (!addresses) return fail(std::move(addresses).error());
  return find_underlay(*links, *addresses, node_ips);
}

Result<> NodeRouter::derive_once() {
  auto underlay = detect_underlay(kernel_, node_ips_);
  if (!underlay) return fail(std::move(underlay).error());
  underlay_ = std::move(*underlay);
  auto device = ensure_tunnel_device(kernel_, config_, underlay_);
  if (!device) return fail(std::move(device).error());
  if (*device != tunnel_ifindex_) kernel_moved_ = true;  // a new device has lost what the old one had
  tunnel_ifindex_ = *device;

  follow_reverse_path();

  const auto nodes = nodes_.all();
  if (const auto self = nodes_.get(config_.local)) forward_.set_pods(self->pod_cidrs);
  auto wanted = plan(config_, underlay_, tunnel_ifindex_, nodes);
  for (const auto& p : wanted.problems)
    if (std::find(problems_.begin(), problems_.end(), p) == problems_.end())
      log::warn("node is not routed to", {{"problem", p}});
  problems_ = std::move(wanted.problems);
  peers_.replace(std::move(wanted.peers));
  routes_.replace(std::move(wanted.routes));
  own_nodes_derived_ = own_nodes_derived_ || nodes_.waits_only_for(kRemoteSourcePrefix);
  if (nodes_.initialized()) {
    peers_.initialized_by(kSource);
    routes_.initialized_by(kSource);
  }
  return apply_masquerade(nodes);
}

// Checked again with every derivation: whoever loads the node's sysctls again sets them back.
void NodeRouter::follow_reverse_path() {
  if (tunnel_ifindex_ == 0) return;
  const auto r = loosen_reverse_path(kernel_, kTunnelDevice, underlay_.device);
  const std::string trouble = r ? "" : r.error().message;
  if (trouble != filter_trouble_ && !trouble.empty())
    log::warn("packets over the tunnel may be dropped", {{"error", trouble}});
  filter_trouble_ = trouble;
}

// Our predecessor's rules know remote clusters that we have not heard of yet; replaced too early, new connections to
// them would be masqueraded. They stay until every source has delivered, or for a minute. What we know is added to
// them: a node that joins meanwhile must see pods under their own addresses, too.
Result<> NodeRouter::apply_masquerade(const std::vector<std::shared_ptr<const Node>>& nodes) {
  const auto sets = masquerade_sets(config_, nodes);
  auto ruleset = masquerade_ruleset(config_, sets);
  if (ruleset == applied_masquerade_) return {};
  const bool may_wait = applied_masquerade_.empty() && !nodes_.initialized() && Steady::now() - started_ < kAdoptFor;
  if (may_wait && kernel_.nft("list table inet weft_masquerade")) {
    add_to_adopted_rules(sets);
    return {};
  }
  WEFT_TRY(kernel_.nft(ruleset));
  applied_masquerade_ = std::move(ruleset);
  return {};
}

// Rules that cannot take what we know (another configuration made them) stay as they are for their minute.
void NodeRouter::add_to_adopted_rules(const MasqueradeSets& sets) {
  std::map<std::string, std::string> now;
  for (const std::string& commands : masquerade_additions(config_, sets)) {
    const auto before = added_masquerade_.find(commands);
    std::string& why = now[commands];
    if (before != added_masquerade_.end() && before->second.empty()) continue;
    if (const auto r = kernel_.nft(commands); !r) why = r.error().message;
    if (!why.empty() && (before == added_masquerade_.end() || before->second != why))
      log::warn("masquerade rules of the previous run stay until remote clusters have spoken", {{"error", why}});
  }
  added_masquerade_ = std::move(now);
}

NodeRouter::Status NodeRouter::status() const {
  Status s{problems_, routes_.size(), peers_.size(), false};
  for (const auto* trouble : {&trouble_, &filter_trouble_})
    if (!trouble->empty()) s.problems.push_back(*trouble);
  s.problems.insert(s.problems.end(), forward_.problems().begin(), forward_.problems().end());
  for (const auto* errors : {&route_reconciler_.health().errors, &peer_reconciler_.health().errors})
    for (const auto& [key, error] : *errors) s.problems.push_back(key + ": " + error);
  const bool pruned = route_reconciler_.health().pruned && peer_reconciler_.health().pruned;
  const bool remotes_missing = own_nodes_derived_ && !routes_.initialized() && !peers_.initialized();
  s.settled =
      trouble_.empty() && route_reconciler_.settled() && peer_reconciler_.settled() && (pruned || remotes_missing);
  return s;
}

}  // namespace weft::routing
