#include "bgp/speaker/peer.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::bgp {

namespace {

// How long a peer that sent too many prefixes waits at least; it will send them again.
constexpr std::chrono::seconds kOverLimitIdle{60};

Notification prefix_limit(AfiSafi family, std::size_t limit) {
  // RFC 4486 §4: the family and the limit in the data.
  Notification n{ErrorCode::cease, cease::kMaxPrefixes, {}};
  const auto bound = static_cast<std::uint32_t>(limit);
  n.data = {static_cast<std::uint8_t>(family.afi >> 8), static_cast<std::uint8_t>(family.afi), family.safi};
  for (int shift = 24; shift >= 0; shift -= 8) n.data.push_back(static_cast<std::uint8_t>(bound >> shift));
  return n;
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

}  // namespace

Peer::Peer(Shared& shared, Instance& instance, PeerConfig config, Told told)
    : shared_(shared),
      instance_(instance),
      config_(std::move(config)),
      told_(std::move(told)),
      session_(session_config(instance.config(), config_, shared.options, shared.started),
               [s = shared.shared_from_this()] { return s->random_unit(); }) {
  set_facts();
}

Peer::~Peer() { forget_routes(); }

void Peer::start() {
  watch_interface();
  on(fsm::event::Start{});
}

void Peer::change(PeerConfig config, const PeerDifference& difference) {
  config_ = std::move(config);
  // It was tuned, and taken for the peer's, as the configuration was then; the peer connects again.
  if (difference.change == PeerChange::reset) waiting_.reset();
  set_facts();
  on(fsm::event::ConfigChanged{session_config(instance_.config(), config_, shared_.options, shared_.started),
                               difference.change == PeerChange::reset, joined(difference.fields) + " changed"});
  regroup();
  told_.bfd_wanted();
  told_.imports();
  shared_.changes.notify();
}

void Peer::stop(std::optional<Notification> cease, std::string words) {
  discovery_.reset();
  waiting_.reset();  // nothing was said on it yet, and nothing is now
  on(fsm::event::Stop{std::move(cease), std::move(words)});
  stopped_ = true;
  for (auto& [id, link] : links_) link.connection->drop();  // none is left after Stop
  links_.clear();
  timers_.clear();
}

void Peer::shut(const std::string& text) {
  shut_ = text;
  on(fsm::event::Stop{Notification::shutdown(cease::kAdminShutdown, text),
                      text.empty() ? "shut down by an operator" : "shut down by an operator: " + text});
}

void Peer::follow(const PeerStatus& ended) {
  before_ = ended.down;
  counters_.flaps = ended.flaps;
}

void Peer::reset(const std::string& text) {
  on(fsm::event::Reset{Notification::shutdown(cease::kAdminReset, text),
                       text.empty() ? "reset by an operator" : "reset by an operator: " + text,
                       std::chrono::seconds(0)});
  if (std::exchange(shut_, std::nullopt).has_value()) on(fsm::event::Start{});
}

bool Peer::refresh() {
  const fsm::Negotiated* n = session_.negotiated();
  const auto id = session_.established();
  if (n == nullptr || !id || !n->route_refresh) return false;
  for (const AfiSafi f : n->families) {
    fsm::action::Send send{*id, RouteRefresh{f, RouteRefresh::Subtype::request}};
    act(send);
  }
  return true;
}

void Peer::watch_interface() {
  if (!is_unnumbered(config_) || discovery_) return;
  discovery_ = std::make_unique<RouterDiscovery>(shared_.io, config_.interface,
                                                 [weak = weak_from_this()](const RouterDiscovery::Router&) {
                                                   const auto self = weak.lock();
                                                   if (!self || self->stopped_) return;
                                                   self->told_.password();
                                                   self->told_.bfd_wanted();
                                                   self->on(fsm::event::Reachable{});
                                                 });
}

void Peer::forget_routes() {
  leave_groups();
  instance_.in().remove_peer(key());
  told_.imports();
}

void Peer::on(fsm::Event event) {
  if (stopped_) return;
  events_.push_back(std::move(event));
  if (running_) return;  // an action of the event that is being worked on; it has its turn after that
  running_ = true;
  const auto self = weak_from_this().lock();
  while (!events_.empty()) {
    fsm::Event next = std::move(events_.front());
    events_.pop_front();
    const SessionState before = session_.state();
    for (fsm::Action& action : session_.on(std::move(next), Steady::now())) perform(action);
    if (session_.state() != before) shared_.changes.notify();
  }
  running_ = false;
  take_waiting();
}

void Peer::perform(fsm::Action& action) {
  std::visit([this](auto& a) { act(a); }, action);
}

void Peer::act(fsm::action::Connect&) { connect(); }

void Peer::act(fsm::action::Send& send) {
  const auto link = links_.find(send.connection);
  if (link == links_.end()) return;
  ++counters_.messages_out;
  // Until Established the defaults of the context; of what is sent later nothing depends on it.
  link->second.connection->send(encode(send.message, Context{}));
}

void Peer::act(fsm::action::Close& close) {
  const auto link = links_.find(close.connection);
  if (link == links_.end()) return;
  const auto connection = std::move(link->second.connection);
  links_.erase(link);
  let_go(connection);
  std::erase_if(timers_, [&](const auto& t) { return t.first.connection == close.connection; });
}

void Peer::act(fsm::action::SetTimer& set) {
  auto& timer = timers_[set.timer];
  if (!timer)
    timer = std::make_unique<DeadlineTimer>(shared_.io, [weak = weak_from_this(), which = set.timer] {
      if (const auto self = weak.lock()) self->timer_fired(which);
    });
  timer->set(Steady::now() + std::chrono::duration_cast<Steady::duration>(set.after));
}

void Peer::act(fsm::action::ClearTimer& clear) { timers_.erase(clear.timer); }

void Peer::timer_fired(fsm::Timer timer) {
  if (timer.kind == fsm::Timer::Kind::hold) look_before_hold(timer.connection);
  // A hold timer that was set anew meanwhile, or whose connection is gone, is one that fires too early.
  on(fsm::event::TimerFired{timer});
}

void Peer::act(fsm::action::Established& up) {
  const auto link = links_.find(up.connection);
  if (link == links_.end()) return;
  link->second.receive = up.negotiated.receive;
  established_at_ = Wall::now();
  end_of_rib_received_.clear();
  last_local_ = link->second.connection->local().address;
  if (discovery_) {
    discovery_->settle(link->second.connection->remote().address);
    told_.password();
  }
  const auto addresses = netlink::node_addresses();
  own_ = own_addresses(addresses ? *addresses : LocalAddresses{});
  set_facts();
  join_groups();
  told_.bfd_wanted();
  note(log::Level::info, "BGP session up",
       fmt::format("{} AS {}, router id {}", link->second.connection->remote().to_string(), up.negotiated.peer_as,
                   up.negotiated.peer_router_id.to_string()));
  link->second.connection->wake();
}

void Peer::act(fsm::action::Down& down) {
  ++counters_.flaps;
  established_at_.reset();
  end_of_rib_received_.clear();
  reason_at_ = Wall::now();
  if (discovery_) discovery_->release();
  leave_groups();
  // The source interface may have another address by now.
  if (!config_.source_interface.empty()) told_.bfd_wanted();
  for (const Family f : {Family::v4, Family::v6}) {
    const bool kept = std::find(down.retain.begin(), down.retain.end(), unicast(f)) != down.retain.end();
    if (kept)
      instance_.in().mark_stale(key(), f, Stale::restart);
    else
      instance_.in().clear(key(), f);
  }
  told_.imports();
  note(log::Level::warn, "BGP session down", down.reason.words);
}

void Peer::act(fsm::action::AttemptFailed& failed) {
  reason_at_ = Wall::now();
  // One whose routes are kept is in the middle of a restart, and comes back.
  if (discovery_ && session_.stale().empty() && discovery_->try_next()) {
    set_facts();
    told_.password();
    told_.bfd_wanted();
  }
  shared_.changes.notify();
  note(log::Level::info, "BGP session not up", failed.reason.words);
}

void Peer::act(fsm::action::Deliver& deliver) {
  ++counters_.updates_in;
  const InRib::Applied applied = instance_.in().apply(key(), deliver.update, shared_.seconds());
  if (applied.announced + applied.withdrawn > 0) told_.imports();
  if (applied.over_bytes) {
    on(fsm::event::Reset{Notification{ErrorCode::cease, cease::kOutOfResources, {}},
                         fmt::format("the attributes of the peer's routes take more than {} MiB; let it send less",
                                     shared_.options.most_attribute_bytes >> 20),
                         std::max(kOverLimitIdle, config_.connect_retry)});
    return;
  }
  if (!applied.over_limit) return;
  const AfiSafi family = unicast(applied.over_limit_family);
  const std::size_t limit = received_limit(config_);
  on(fsm::event::Reset{prefix_limit(family, limit),
                       fmt::format("the peer sent more than {} prefixes of {}; raise the limit, or let it send less",
                                   limit, family.to_string()),
                       std::max(kOverLimitIdle, config_.connect_retry)});
}

void Peer::act(fsm::action::EndOfRib& end) {
  // Said again it is no news: nobody is woken, however often a peer says it.
  if (std::exchange(end_of_rib_received_[end.family], true)) return;
  if (const auto f = family_of(end.family); f && instance_.in().sweep(key(), *f, Stale::restart) > 0) told_.imports();
  told_.imports();  // whoever waits for all peers to have spoken looks again
  shared_.changes.notify();
}

void Peer::act(fsm::action::FlushStale& flush) {
  const auto f = family_of(flush.family);
  if (!f) return;
  const std::size_t gone = instance_.in().sweep(key(), *f, flush.of_refresh ? Stale::refresh : Stale::restart);
  if (gone == 0) return;
  told_.imports();
  note(log::Level::info, "stale routes dropped",
       fmt::format("{} of {}: {}", gone, flush.family.to_string(), flush.words));
}

void Peer::act(fsm::action::Refresh& refresh) {
  const auto f = family_of(refresh.family);
  if (!f) return;
  switch (refresh.subtype) {
    case RouteRefresh::Subtype::request:
      for (const Outlet& o : outlets_)
        if (o.family == refresh.family) {
          const fsm::Negotiated* n = session_.negotiated();
          o.group->refresh(o.id, n != nullptr && n->enhanced_route_refresh);
        }
      wake();
      return;
    case RouteRefresh::Subtype::begin: instance_.in().mark_stale(key(), *f, Stale::refresh); return;
    case RouteRefresh::Subtype::end:
      if (instance_.in().sweep(key(), *f, Stale::refresh) > 0) told_.imports();
      return;
  }
}

void Peer::act(fsm::action::Ignored& ignored) { note(log::Level::warn, "BGP message ignored", ignored.words); }

void Peer::bfd(const BfdEdge::Status& status) {
  const bool failed = status.state == BfdEdge::Status::State::failed;
  const bool before = bfd_known_ && bfd_.state == BfdEdge::Status::State::failed;
  bfd_ = status;
  bfd_known_ = true;
  shared_.changes.notify();
  if (failed && !before)
    on(fsm::event::BfdDown{status.control_plane_independent, status.words});
  else if (before && !failed)
    on(fsm::event::BfdClear{});
}

void Peer::no_bfd() {
  if (bfd_known_) bfd(BfdEdge::Status{});
  bfd_known_ = false;
}

bool Peer::restarts_gracefully() const {
  const fsm::Negotiated* n = session_.negotiated();
  return n != nullptr && n->peer_restart.has_value();
}

bool Peer::converged() const {
  const fsm::Negotiated* n = session_.negotiated();
  if (n == nullptr) return false;
  return std::all_of(n->families.begin(), n->families.end(), [&](AfiSafi f) {
    const auto said = end_of_rib_received_.find(f);
    return said != end_of_rib_received_.end() && said->second;
  });
}

void Peer::note(log::Level level, std::string_view what, std::string_view words) {
  if (!log::enabled(level) || !lines_.pass(Steady::now())) return;
  const auto held_back = lines_.take_held_back();
  const auto a = address();
  log::write(level, what,
             {{"instance", instance_.name()},
              {"peer", config_.name},
              {"address", a ? a->to_string() : config_.interface},
              {"why", words},
              {"lines_held_back", held_back}});
}

}  // namespace weft::bgp
