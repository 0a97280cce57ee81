// The part of Speaker that has routes in the kernel: what peers sent and an import list permits, and blackholes of
// aggregates. The kernel is told differences; everything, once at first and then to see whether it is still so.
#include <algorithm>

#include "base/log.h"
#include "bgp/speaker/speaker.h"

namespace weft::bgp {

namespace {

constexpr auto kKernelRetry = std::chrono::seconds(5);
// Events come in crowds, and a look costs what the table costs: of the time at most a twentieth is spent so.
constexpr auto kLookSoon = std::chrono::milliseconds(200);
constexpr auto kLookApart = std::chrono::seconds(2);
constexpr int kLookShare = 20;

constexpr std::uint32_t kMainTable = 254;

KernelRoute kernel_route(const Prefix& prefix, const ImportedRoute& imported) {
  KernelRoute r{prefix, imported.table, imported.metric, {}};
  for (const ImportedHop& hop : imported.hops) r.hops.push_back({hop.via, hop.link});
  return r;
}

KernelRoute blackhole(const Prefix& prefix) { return {prefix, kMainTable, 0, {}}; }

}  // namespace

bool Speaker::may_prune() const {
  if (!wanted_.complete) return false;
  if (!shared_->options.restarting || deferral_over_) return true;
  for (const auto& [name, running] : running_)
    for (const auto& [peer_name, peer] : running.peers)
      if (peer->config().import && !peer->converged()) return false;
  return true;
}

void Speaker::note_blackholes(const Wanted& next) {
  const auto note = [&](const Wanted& in, const Wanted& other) {
    for (const auto& [name, instance] : in.instances) {
      const auto same = other.instances.find(name);
      if (same != other.instances.end() && same->second.blackholes == instance.blackholes) continue;
      kernel_changed_.insert(instance.blackholes.begin(), instance.blackholes.end());
    }
  };
  note(wanted_, next);
  note(next, wanted_);
}

std::vector<KernelRoute> Speaker::kernel_routes() {
  std::vector<KernelRoute> routes;
  for (auto& [name, running] : running_) {
    for (const auto& [prefix, imported] : running.instance->in().imported())
      routes.push_back(kernel_route(prefix, imported));
    for (const Prefix& p : wanted_.instances.at(name).blackholes) routes.push_back(blackhole(p));
  }
  return routes;
}

std::map<Prefix, std::vector<KernelRoute>> Speaker::kernel_routes(const std::set<Prefix>& prefixes) {
  std::map<Prefix, std::vector<KernelRoute>> routes;
  for (const Prefix& p : prefixes) routes[p];
  for (auto& [name, running] : running_) {
    const auto& imported = running.instance->in().imported();
    for (auto& [prefix, some] : routes)
      if (const auto found = imported.find(prefix); found != imported.end())
        some.push_back(kernel_route(prefix, found->second));
    for (const Prefix& p : wanted_.instances.at(name).blackholes)
      if (const auto found = routes.find(p); found != routes.end()) found->second.push_back(blackhole(p));
  }
  return routes;
}

void Speaker::apply_kernel() {
  if (edges_.kernel == nullptr) return;
  for (auto& [name, running] : running_) kernel_changed_.merge(running.instance->in().take_changed());
  const bool prune = may_prune();
  const bool everything = kernel_told_ != prune;
  if (!everything && kernel_changed_.empty()) return;
  kernel_told_ = prune;
  const std::set<Prefix> changed = std::exchange(kernel_changed_, {});
  const auto errors =
      everything ? edges_.kernel->apply(kernel_routes(), prune) : edges_.kernel->change(kernel_routes(changed));
  note_refused();
  note_missing();
  if (errors.empty()) return;
  log::warn("BGP routes are not in the kernel", {{"routes", errors.size()}, {"first", errors.front().message}});
  // What is held by others is asked for alone; anything else may have left more undone.
  if (std::any_of(errors.begin(), errors.end(), [](const Error& e) { return e.code != Errc::conflict; }))
    kernel_retry_all_ = true;
  retry_kernel();
}

// Routes with such a next hop leave the decision; what is decided without them follows in the next turn.
void Speaker::note_refused() {
  const std::vector<KernelEdge::Refused> refused = edges_.kernel->take_refused();
  if (refused.empty()) return;
  for (const KernelEdge::Refused& r : refused)
    for (auto& [name, running] : running_) running.instance->in().refuse(r.prefix, {r.hop.via, r.hop.interface}, r.why);
  later(kernel_due_, &Speaker::apply_kernel);
  if (refused_lines_.pass(Steady::now()))
    log::warn("next hops of BGP routes are not usable", {{"routes", refused.size()}, {"first", refused.front().why}});
}

void Speaker::note_missing() {
  auto missing = edges_.kernel->missing();
  for (auto& [name, running] : running_) {
    InRib& in = running.instance->in();
    for (const auto& [prefix, hops] : in.refused())
      if (!hops.empty() && !in.imported().contains(prefix)) missing.emplace(prefix, hops.begin()->second);
  }
  if (std::exchange(missing_in_kernel_, missing) != missing) shared_->changes.notify();
}

void Speaker::retry_kernel() {
  kernel_retry_.expires_after(kKernelRetry);
  kernel_retry_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
    if (ec || alive.expired()) return;
    if (std::exchange(kernel_retry_all_, false)) kernel_told_.reset();
    for (const auto& [prefix, why] : edges_.kernel->missing()) kernel_changed_.insert(prefix);
    later(kernel_due_, &Speaker::apply_kernel);
  });
}

bool Speaker::has_kernel_routes() {
  return std::any_of(running_.begin(), running_.end(), [&](auto& r) {
    InRib& in = r.second.instance->in();
    return !in.imported().empty() || !in.refused().empty() || !wanted_.instances.at(r.first).blackholes.empty();
  });
}

void Speaker::kernel_changed() {
  if (edges_.kernel == nullptr || stopped_) return;
  const Steady::duration apart = std::max<Steady::duration>(kLookApart, look_took_ * kLookShare);
  const auto at = std::max(Steady::now() + kLookSoon, last_look_ + apart);
  if (at < kernel_look_.expiry()) look_at_kernel(std::chrono::ceil<std::chrono::milliseconds>(at - Steady::now()));
}

void Speaker::look_at_kernel(std::chrono::milliseconds after) {
  if (edges_.kernel == nullptr) return;
  kernel_look_.expires_after(after);
  kernel_look_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
    if (ec || alive.expired() || stopped_) return;
    last_look_ = Steady::now();
    if (kernel_told_ && has_kernel_routes()) {
      edges_.kernel->doubt();
      for (auto& [name, running] : running_) running.instance->in().forget_refused();
      kernel_told_.reset();
      apply_kernel();
    }
    look_took_ = Steady::now() - last_look_;
    look_at_kernel(kKernelLook);
  });
}

}  // namespace weft::bgp
