#include "bgp/speaker/speaker.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <set>
#include <utility>

#include "base/log.h"
#include "netlink/monitor.h"

namespace weft::bgp {

namespace {

// BFD keeps the sessions of the run before us until it is told which we want; it waits longer than this.
constexpr auto kBfdPatience = std::chrono::seconds(30);
constexpr auto kLastWords = std::chrono::seconds(3);
// Links of pods come and go many at a time.
constexpr auto kAddressPause = std::chrono::milliseconds(200);

std::string full_name(const Peer& p) { return p.instance().name() + "/" + p.name(); }

// Keeps the monitor for as long as it runs.
Task<> watch(std::shared_ptr<netlink::Monitor> monitor, std::function<void(int)> changed) {
  co_await monitor->run(std::move(changed));
}

// Routes are as they are wanted now, whatever of the peer is not: the sets that it had may have other names by now, and
// a family without a set is told nothing any more.
void follow_routes(PeerConfig& restored, const PeerConfig& wanted) {
  for (const AfiSafi family : wanted.families) restored.routes.erase(family);
  for (const auto& [family, set] : wanted.routes) restored.routes[family] = set;
  restored.graceful_shutdown = wanted.graceful_shutdown;
}

const PeerConfig* peer_of(const InstanceConfig& instance, const std::string& name) {
  const auto found =
      std::find_if(instance.peers.begin(), instance.peers.end(), [&](const PeerConfig& p) { return p.name == name; });
  return found == instance.peers.end() ? nullptr : &*found;
}

// The same two ends: what BFD says of the one session holds for the other.
bool same_path(const BfdEdge::Session& a, const BfdEdge::Session& b) {
  return a.remote == b.remote && a.local == b.local && a.interface == b.interface && a.multihop == b.multihop;
}

}  // namespace

Speaker::Speaker(asio::io_context& io, Edges edges, SpeakerOptions options)
    : shared_(std::make_shared<Shared>(io, std::move(options))),
      edges_(edges),
      deferral_(io),
      bfd_patience_(io),
      kernel_retry_(io),
      address_pause_(io),
      kernel_look_(io),
      scope_(io, "bgp speaker") {
  watch_addresses();
  look_at_kernel(kKernelLook);
  if (edges_.bfd != nullptr)
    edges_.bfd->on_change(
        [this, alive = std::weak_ptr(alive_)](const std::string& name, const BfdEdge::Status& status) {
          if (!alive.expired()) bfd_changed(name, status);
        });
  if (!shared_->options.restarting) return;
  const auto after = [this](asio::steady_timer& timer, std::chrono::seconds time, bool& over, bool& due,
                            void (Speaker::*what)()) {
    timer.expires_after(time);
    timer.async_wait([this, alive = std::weak_ptr(alive_), &over, &due, what](const boost::system::error_code& ec) {
      if (ec || alive.expired()) return;
      over = true;
      later(due, what);
    });
  };
  after(deferral_, shared_->options.selection_deferral, deferral_over_, kernel_due_, &Speaker::apply_kernel);
  after(bfd_patience_, kBfdPatience, bfd_patience_over_, bfd_due_, &Speaker::apply_bfd);
}

Speaker::~Speaker() {
  alive_.reset();
  if (edges_.bfd != nullptr) edges_.bfd->on_change(nullptr);
  for (auto& [name, running] : running_)
    for (auto& [peer_name, peer] : running.peers) peer->stop(std::nullopt, "the speaker ended");
}

// ---- what shall be

std::vector<PeerFault> Speaker::apply(Wanted wanted) {
  for (auto& [name, instance] : wanted.instances) instance.config.name = name;
  std::vector<PeerFault> found = faults(wanted);
  if (stopped_) return found;
  if (!found.empty()) {
    const PeerNames restored = drop_faulty(wanted, found, true);
    // What was good may not go with what its neighbours are now; then it yields to them.
    std::vector<PeerFault> clashes = faults(wanted, restored);
    drop_faulty(wanted, clashes, false);
    for (PeerFault& clash : clashes) {
      if (std::find(found.begin(), found.end(), clash) != found.end()) continue;  // what was good has the same fault
      if (restored.contains({clash.instance, clash.peer})) clash.why += "; so its last good configuration ends too";
      found.push_back(std::move(clash));
    }
  }
  for (auto it = running_.begin(); it != running_.end();) {
    if (wanted.instances.contains(it->first)) {
      ++it;
      continue;
    }
    remove_instance(it->second, Notification{ErrorCode::cease, cease::kPeerDeconfigured, {}},
                    fmt::format("instance {} was removed", it->first));
    it = running_.erase(it);
  }
  note_blackholes(wanted);
  wanted_ = std::move(wanted);
  // Listening comes first: a peer that waits for us to come back connects at once.
  apply_listeners();
  for (const auto& [name, instance] : wanted_.instances) apply_instance(instance);
  apply_passwords();
  later(bfd_due_, &Speaker::apply_bfd);
  later(kernel_due_, &Speaker::apply_kernel);
  shared_->changes.notify();
  return found;
}

PeerNames Speaker::drop_faulty(Wanted& wanted, const std::vector<PeerFault>& found, bool keep_last) const {
  PeerNames restored;
  for (const PeerFault& fault : found) {
    const auto last = keep_last ? wanted_.instances.find(fault.instance) : wanted_.instances.end();
    const auto now = wanted.instances.find(fault.instance);
    if (now == wanted.instances.end()) continue;
    if (fault.peer.empty()) {
      if (last == wanted_.instances.end()) {
        wanted.instances.erase(now);
        continue;
      }
      const InstanceConfig faulty = std::exchange(now->second.config, last->second.config);
      std::vector<PeerConfig>& peers = now->second.config.peers;
      // Whoever is not wanted any more goes, whatever is wrong with the instance.
      std::erase_if(peers, [&](const PeerConfig& p) { return peer_of(faulty, p.name) == nullptr; });
      for (PeerConfig& p : peers) {
        follow_routes(p, *peer_of(faulty, p.name));
        restored.emplace(fault.instance, p.name);
      }
      continue;
    }
    std::vector<PeerConfig>& peers = now->second.config.peers;
    const auto named = [&](const PeerConfig& p) { return p.name == fault.peer; };
    const auto found_now = std::find_if(peers.begin(), peers.end(), named);
    const std::optional<PeerConfig> faulty = found_now == peers.end() ? std::nullopt : std::optional(*found_now);
    std::erase_if(peers, named);
    if (last == wanted_.instances.end()) continue;
    for (const PeerConfig& p : last->second.config.peers)
      if (named(p)) {
        peers.push_back(p);
        if (faulty) follow_routes(peers.back(), *faulty);
        restored.emplace(fault.instance, p.name);
      }
  }
  return restored;
}

void Speaker::apply_instance(const Wanted::Instance& wanted) {
  Running& running = running_[wanted.config.name];
  const auto same_identity = [&] {
    const InstanceConfig& old = running.instance->config();
    return old.local_as == wanted.config.local_as && old.router_id == wanted.config.router_id;
  };
  if (running.instance && !same_identity())
    // Another ASN or router id changes what every route and every OPEN of the instance means.
    remove_instance(running, Notification{ErrorCode::cease, cease::kConfigurationChange, {}},
                    "the instance's ASN or router id changed");
  if (!running.instance) {
    running.instance = std::make_unique<Instance>(*shared_, wanted.config);
    running.instance->set_routes(wanted.route_sets, wanted_.complete);
    for (const PeerConfig& p : wanted.config.peers) add_peer(running, p);
    return;
  }
  const InstanceDifference d = difference(running.instance->config(), wanted.config);
  running.instance->set_config(wanted.config);
  const bool routes = running.instance->set_routes(wanted.route_sets, wanted_.complete);
  std::map<std::string, std::string> shut;
  std::map<std::string, PeerStatus> last;
  for (const std::string& name : d.removed) {
    const auto peer = running.peers.extract(name);
    const bool moved = std::find(d.added.begin(), d.added.end(), name) != d.added.end();
    // To the operator it is the same peer.
    if (const auto& text = peer.mapped()->shut_by_operator(); moved && text) shut.emplace(name, *text);
    peer.mapped()->stop(Notification{ErrorCode::cease, cease::kPeerDeconfigured, {}},
                        moved ? "the peer is met elsewhere now" : "the peer was removed");
    if (moved) last.emplace(name, peer.mapped()->status());
  }
  std::map<std::string, const PeerConfig*> configs;
  for (const PeerConfig& p : wanted.config.peers) configs[p.name] = &p;
  for (const auto& [name, change] : d.changed) running.peers.at(name)->change(*configs.at(name), change);
  for (const std::string& name : d.added) add_peer(running, *configs.at(name));
  for (const auto& [name, status] : last) running.peers.at(name)->follow(status);
  for (const auto& [name, text] : shut) running.peers.at(name)->shut(text);
  if (routes)
    for (auto& [name, peer] : running.peers) peer->wake();
}

void Speaker::remove_instance(Running& running, const Notification& cease, const std::string& words) {
  for (auto& [name, peer] : running.peers) peer->stop(cease, words);
  running.peers.clear();
  running.instance.reset();
  kernel_told_.reset();  // what it had imported leaves
}

void Speaker::add_peer(Running& running, const PeerConfig& config) {
  const auto noted = [this](bool Speaker::* due, void (Speaker::*what)()) {
    return [this, alive = std::weak_ptr(alive_), due, what] {
      if (!alive.expired()) later(this->*due, what);
    };
  };
  const auto peer =
      std::make_shared<Peer>(*shared_, *running.instance, config,
                             Peer::Told{.bfd_wanted = noted(&Speaker::bfd_due_, &Speaker::apply_bfd),
                                        .imports = noted(&Speaker::kernel_due_, &Speaker::apply_kernel),
                                        .password = noted(&Speaker::passwords_due_, &Speaker::apply_passwords)});
  running.peers[config.name] = peer;
  apply_passwords();  // before the peer can connect
  peer->start();
}

void Speaker::later(bool& due, void (Speaker::*what)()) {
  if (due || stopped_) return;
  due = true;
  asio::post(shared_->io, [this, alive = std::weak_ptr(alive_), &due, what] {
    if (alive.expired()) return;
    due = false;
    if (!stopped_) (this->*what)();
  });
}

// ---- who comes in

void Speaker::apply_listeners() {
  const std::vector<SocketAddress> wanted = wanted_listeners(wanted_);
  std::erase_if(listeners_,
                [&](const auto& l) { return std::find(wanted.begin(), wanted.end(), l.first) == wanted.end(); });
  for (const SocketAddress& at : wanted) {
    auto& listener = listeners_[at];
    if (!listener)
      listener = std::make_unique<Listener>(shared_->io, at, [this, at, alive = std::weak_ptr(alive_)](Fd fd) {
        if (!alive.expired()) accepted(at, std::move(fd));
      });
  }
}

void Speaker::apply_passwords() {
  std::map<std::string, std::string> shadowed;
  for (auto& [at, listener] : listeners_) {
    std::vector<const Peer*> here;
    for (const auto& [name, running] : running_) {
      if (!running.instance || !listens_at(running.instance->config(), at)) continue;
      for (const auto& [peer_name, peer] : running.peers)
        if (peer->address() && peer->config().held_down.empty()) here.push_back(peer.get());
    }
    std::map<Address, std::string> passwords;
    for (const Peer* p : here)
      if (p->config().password) passwords.emplace(*p->address(), *p->config().password);
    for (const Peer* p : here) {
      const auto known = passwords.find(*p->address());
      if (known != passwords.end() && p->config().password != known->second)
        shadowed.emplace(full_name(*p), known->first.to_string());
    }
    listener->set_passwords(std::move(passwords));
  }
  // Addresses that were learned: of the others faults() knows before.
  for (const auto& [name, address] : shadowed)
    if (!shadowed_.contains(name))
      log::warn("connections of a BGP peer do not arrive, ours to it may come up",
                {{"peer", name},
                 {"why", "address " + address + " is that of another peer too, and TCP MD5 has the password of that"}});
  shadowed_ = std::move(shadowed);
}

void Speaker::accepted(const SocketAddress& at, Fd socket) {
  const Endpoint remote = remote_end(socket.get());
  const Address here = local_end(socket.get()).address;
  Peer* whose = nullptr;
  std::string why = "no peer has its address";
  for (auto& [name, running] : running_) {
    if (!listens_at(running.instance->config(), at)) continue;
    for (auto& [peer_name, peer] : running.peers) {
      if (!peer->is_from(remote)) continue;
      // Several instances may know this router, each from an address of its own. And a router may call where it was met
      // before.
      const auto& ours = peer->config().local_address;
      if (ours && *ours != here) {
        if (whose == nullptr)
          why = fmt::format("it calls {}, but its local address here is {}", here.to_string(), ours->to_string());
        continue;
      }
      if (whose == nullptr || ours) whose = peer.get();
    }
  }
  if (whose != nullptr && whose->config().password &&
      !listeners_.at(at)->protects(remote.address, *whose->config().password)) {
    log::warn("BGP connection refused",
              {{"peer", whose->name()}, {"why", "its TCP MD5 password is not in the kernel"}});
    return;
  }
  if (whose != nullptr) return whose->accept(std::move(socket));
  ++strangers_;
  if (stranger_lines_.pass(Steady::now()))
    log::info("BGP connection of a stranger closed",
              {{"from", remote.to_string()}, {"why", why}, {"lines_held_back", stranger_lines_.take_held_back()}});
}

// ---- BFD

void Speaker::watch_addresses() {
  auto monitor = netlink::Monitor::open(shared_->io);
  if (!monitor) {
    log::warn("BGP does not see when addresses of this node change", {{"why", monitor.error().message}});
    return;
  }
  scope_.spawn("addresses", watch(std::move(*monitor), [this, alive = std::weak_ptr(alive_)](int) {
                 if (!alive.expired()) addresses_moved();
               }));
}

void Speaker::addresses_moved() {
  if (addresses_due_ || stopped_) return;
  addresses_due_ = true;
  address_pause_.expires_after(kAddressPause);
  address_pause_.async_wait([this, alive = std::weak_ptr(alive_)](const boost::system::error_code& ec) {
    if (ec || alive.expired()) return;
    addresses_due_ = false;
    const auto all = netlink::node_addresses();
    if (!all) {
      log::warn("BGP keeps the next hops that it has", {{"why", all.error().message}});
      return;
    }
    for (auto& [name, running] : running_)
      for (auto& [peer_name, peer] : running.peers) peer->look_at_addresses(*all);
  });
}

void Speaker::apply_bfd() {
  std::map<std::string, BfdEdge::Session> wanted;
  bool all_known = true;
  for (auto& [name, running] : running_)
    for (auto& [peer_name, peer] : running.peers) {
      auto session = peer->wanted_bfd();
      if (session) {
        const std::string full = full_name(*peer);
        const auto said = bfd_said_.find(full);
        if (said != bfd_said_.end()) {
          // One that took another's place on the same path hears what is known of it; no change may come for long.
          if (!same_path(bfd_wanted_->at(full), *session))
            bfd_said_.erase(said);
          else if (!peer->knows_bfd())
            peer->bfd(said->second);
        }
        wanted[full] = std::move(*session);
      } else {
        peer->no_bfd();
        const bool held = !peer->config().held_down.empty() && !peer->config().held_for_now;
        if (peer->config().bfd && !held) all_known = false;
      }
    }
  // The first set ends what an earlier run left: wait for the addresses of unnumbered peers and for passwords that are
  // being read before it is told.
  if (!bfd_wanted_ && shared_->options.restarting && !all_known && !bfd_patience_over_) return;
  std::erase_if(bfd_said_, [&](const auto& said) { return !wanted.contains(said.first); });
  if (bfd_wanted_ == wanted) return;
  bfd_wanted_ = std::move(wanted);
  if (edges_.bfd != nullptr) edges_.bfd->want(*bfd_wanted_);
}

void Speaker::bfd_changed(const std::string& name, const BfdEdge::Status& status) {
  if (!bfd_wanted_ || !bfd_wanted_->contains(name)) return;
  for (auto& [instance, running] : running_)
    for (auto& [peer_name, peer] : running.peers)
      if (full_name(*peer) == name) {
        bfd_said_[name] = status;
        return peer->bfd(status);
      }
}

// ---- the operator

Result<Peer*> Speaker::find(const std::string& instance, const std::string& peer) const {
  for (const auto& [name, running] : running_) {
    if (!instance.empty() && instance != name) continue;
    if (const auto found = running.peers.find(peer); found != running.peers.end()) return found->second.get();
  }
  return fail(Errc::not_found, fmt::format("BGP peer {}/{} does not exist", instance, peer));
}

Result<> Speaker::shut(const std::string& instance, const std::string& peer, const std::string& text) {
  const auto p = find(instance, peer);
  if (!p) return fail(p.error());
  (*p)->shut(text);
  return {};
}

Result<> Speaker::reset(const std::string& instance, const std::string& peer, const std::string& text) {
  const auto p = find(instance, peer);
  if (!p) return fail(p.error());
  (*p)->reset(text);
  return {};
}

Result<> Speaker::refresh(const std::string& instance, const std::string& peer) {
  const auto p = find(instance, peer);
  if (!p) return fail(p.error());
  if (!(*p)->refresh())
    return fail(Errc::unsupported,
                fmt::format("BGP peer {}: no session that knows route refresh; reset it instead", peer));
  return {};
}

Task<> Speaker::stop(std::string text, bool graceful) {
  const auto shared = shared_;
  stopped_ = true;
  const Notification farewell = Notification::shutdown(cease::kAdminShutdown, text);
  for (auto& [name, running] : running_)
    for (auto& [peer_name, peer] : running.peers) {
      if (graceful && peer->restarts_gracefully())
        peer->stop(std::nullopt, "this speaker restarts");
      else
        peer->stop(farewell, "this speaker stops");
    }
  if (!graceful) {
    if (edges_.bfd != nullptr) edges_.bfd->want({});
    if (edges_.kernel != nullptr) edges_.kernel->apply({}, true);
  }
  running_.clear();
  listeners_.clear();
  deferral_.cancel();
  bfd_patience_.cancel();
  kernel_retry_.cancel();
  address_pause_.cancel();
  scope_.cancel();
  kernel_look_.cancel();
  const auto deadline = Steady::now() + kLastWords;
  for (;;) {
    const auto seen = shared->closed.version();
    const auto now = Steady::now();
    if (shared->open_connections == 0 || now >= deadline) co_return;
    const auto left = deadline - now;
    co_await shared->closed.changed_since(seen, left);
  }
}

}  // namespace weft::bgp
