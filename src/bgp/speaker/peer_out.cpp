// What a peer's session is sent, and what its status shows.
#include <fmt/format.h>

#include <algorithm>

#include "bgp/speaker/peer.h"

namespace weft::bgp {

std::string Peer::set_of(AfiSafi family) const {
  const auto found = config_.routes.find(family);
  return found == config_.routes.end() ? std::string() : found->second;
}

OwnAddresses Peer::own_addresses(const LocalAddresses& all) const {
  OwnAddresses own;
  const auto id = session_.established();
  const auto link = id ? links_.find(*id) : links_.end();
  if (link == links_.end()) return own;
  const Endpoint& local = link->second.connection->local();
  own.session = local.address;
  const int interface = local.scope != 0 ? static_cast<int>(local.scope) : interface_of(all, own.session);
  own.other = best_address(all, interface, own.session.is_v4() ? Family::v6 : Family::v4);
  if (own.session.is_v6() && own.session.is_link_local()) own.global_v6 = best_address(all, interface, Family::v6);
  return own;
}

void Peer::look_at_addresses(const LocalAddresses& all) {
  if (!session_.established() && !config_.source_interface.empty()) told_.bfd_wanted();
  // A session whose own address is gone ends by itself, or gets it back.
  if (!session_.established() || interface_of(all, own_.session) == 0) return;
  OwnAddresses now = own_addresses(all);
  if (now == own_) return;
  own_ = now;
  note(log::Level::info, "BGP next hops changed",
       fmt::format("{} has another address beside {}",
                   config_.interface.empty() ? "the interface of the session" : config_.interface,
                   own_.session.to_string()));
  regroup();
  shared_.changes.notify();
}

ExportRules Peer::rules(Family family) const {
  return export_rules(family, instance_.config(), config_, *session_.negotiated(), own_);
}

void Peer::join_groups() {
  leave_groups();
  for (const AfiSafi family : session_.negotiated()->families) {
    const auto f = family_of(family);
    if (!f) continue;
    Outlet o{family, set_of(family), nullptr, 0};
    o.group = instance_.group(o.set, rules(*f));
    o.id = o.group->join();
    outlets_.push_back(std::move(o));
  }
}

void Peer::leave_groups() {
  for (Outlet& o : outlets_) o.group->leave(o.id);
  outlets_.clear();
  turn_ = 0;
}

void Peer::regroup() {
  if (session_.negotiated() == nullptr) return;
  for (Outlet& o : outlets_) {
    const ExportRules now = rules(*family_of(o.family));
    const std::string set = set_of(o.family);
    const bool other_bytes = !(now == o.group->rules());
    if (set == o.set && !other_bytes) continue;
    OutGroup::Held held = o.group->leave(o.id);
    o.set = set;
    o.group = instance_.group(set, now);
    o.id = o.group->join(std::move(held), other_bytes);
  }
  wake();
}

void Peer::wake() {
  if (const auto id = session_.established())
    if (const auto link = links_.find(*id); link != links_.end()) link->second.connection->wake();
}

Chunk Peer::next_chunk() {
  for (std::size_t i = 0; i < outlets_.size(); ++i) {
    Outlet& o = outlets_[turn_ % outlets_.size()];
    ++turn_;
    OutChunkRef chunk = o.group->next(o.id);
    if (!chunk) continue;
    counters_.updates_out += chunk->updates;
    counters_.messages_out += chunk->updates;
    const std::span<const std::uint8_t> bytes = chunk->bytes;
    return {std::move(chunk), bytes};
  }
  return {};
}

void Peer::set_facts() {
  // Of a session that is down the last one counts: routes that are kept for a restart came from there.
  if (const fsm::Negotiated* n = session_.negotiated()) {
    source_.ibgp = n->ibgp;
    source_.peer_as = n->peer_as;
    source_.router_id = n->peer_router_id;
  }
  if (const auto a = address()) source_.address = *a;
  InRib::PeerFacts facts;
  facts.source = source_;
  facts.max_prefixes = received_limit(config_);
  facts.max_attribute_bytes = shared_.options.most_attribute_bytes;
  facts.link = config_.interface;
  facts.import = config_.import;
  instance_.in().set_peer(key(), std::move(facts));
}

std::optional<BfdEdge::Session> Peer::wanted_bfd() const {
  PeerPath path{.remote = address(), .local = last_local_};
  if (config_.bfd && path.remote) {
    const bool by_interface = !config_.source_interface.empty();
    // Of a session that is down it may have been an address that the interface has no more.
    if (by_interface && !session_.established()) path.local.reset();
    if (!path.local) path.local = wanted_local(*path.remote);
    // What routes give is a guess where a source interface shall say it. When BGP is up without, it is known.
    if (!path.local && !by_interface) path.local = source_towards(*path.remote);
    path.on_link = on_link(*path.remote);
  }
  return bfd_session(instance_.config(), config_, path);
}

PeerStatus Peer::status() const {
  PeerStatus s;
  const InstanceConfig& mine = instance_.config();
  s.instance = mine.name;
  s.name = config_.name;
  s.local_as = mine.local_as;
  s.router_id = mine.router_id;
  s.peer_as = config_.remote_as.kind == PeerAs::Kind::exact      ? config_.remote_as.asn
              : config_.remote_as.kind == PeerAs::Kind::internal ? mine.local_as
                                                                 : 0;
  s.address = address();
  s.interface = config_.interface;
  s.port = config_.port;
  s.local_address = config_.local_address;
  s.state = session_.state();
  s.down = session_.down();
  s.down.at = reason_at_;
  if (s.down.kind == DownReason::Kind::never_up && before_) s.down = *before_;
  s.established_at = established_at_;
  s.ours = fsm::make_open(session_.config(), false).capabilities;
  if (config_.bfd) {
    using State = BfdEdge::Status::State;
    const std::string& why = bfd_.words;
    s.bfd = bfd_.state == State::up       ? "up"
            : bfd_.state == State::failed ? "down: " + why
                                          : (why.empty() ? "waiting" : "waiting: " + why);
  }
  for (const AfiSafi f : config_.families) s.families[f];
  if (const fsm::Negotiated* n = session_.negotiated()) {
    s.peer_as = n->peer_as;
    s.peer_router_id = n->peer_router_id;
    s.hold_time = n->hold;
    s.keepalive = n->keepalive;
    s.ours = n->ours.capabilities;
    s.theirs = n->theirs.capabilities;
    s.local_address = own_.session;
    for (const AfiSafi f : n->families) s.families[f].negotiated = true;
  }
  for (auto& [family, status] : s.families) {
    const auto f = family_of(family);
    const AdjRibIn* in = f ? instance_.in().received(key(), *f) : nullptr;
    if (in == nullptr) continue;
    status.received = in->size();
    status.stale = in->stale();
    status.imported = instance_.in().imported_count(key(), *f);
    const auto said = end_of_rib_received_.find(family);
    status.end_of_rib_received = said != end_of_rib_received_.end() && said->second;
  }
  for (const Outlet& o : outlets_) {
    FamilyStatus& status = s.families[o.family];
    status.advertised = o.group->advertised(o.id);
    status.pending = o.group->pending(o.id);
    status.end_of_rib_sent = o.group->end_of_rib_sent(o.id);
  }
  s.messages_in = counters_.messages_in;
  s.messages_out = counters_.messages_out;
  s.updates_in = counters_.updates_in;
  s.updates_out = counters_.updates_out;
  s.flaps = counters_.flaps;
  s.attribute_faults = counters_.faults;
  s.last_fault = last_fault_;
  return s;
}

void Peer::advertised(const RouteQuery& query, RouteViews& out) const {
  for (const Outlet& o : outlets_) {
    const Family family = *family_of(o.family);
    if (query.family && *query.family != family) continue;
    const LocalRib* rib = instance_.routes(o.set);
    const auto show = [&](const Prefix& prefix, const OutGroup::Answer& answer) {
      // What cannot be sent is not advertised: why() tells of it.
      if (!answer.attributes || answer.state == OutGroup::State::refused) return;
      if (out.size() >= query.limit) {
        ++out.more;
        return;
      }
      RouteView v;
      v.instance = instance_.name();
      v.peer = config_.name;
      v.prefix = prefix;
      const auto& sent = o.group->exported(*answer.attributes);
      if (const auto* e = std::get_if<Exported>(&sent)) {
        v.next_hop = e->next_hop;
        v.attributes = e->path;
      } else {
        v.attributes = (*answer.attributes)->path;
      }
      if (rib != nullptr)
        if (const auto since = rib->since(prefix)) v.since = shared_.wall(*since);
      switch (answer.state) {
        case OutGroup::State::absent:
        case OutGroup::State::refused:
        case OutGroup::State::advertised: break;
        case OutGroup::State::announcing: v.note = "pending"; break;
        case OutGroup::State::withdrawing: v.note = "being withdrawn"; break;
      }
      out.push_back(std::move(v));
    };
    if (!query.prefix)
      o.group->for_each(o.id, show);
    else if (query.prefix->family() == family)
      show(*query.prefix, o.group->why(o.id, *query.prefix));
  }
}

void Peer::received(const RouteQuery& query, RouteViews& out) const {
  for (const Family f : {Family::v4, Family::v6}) {
    const AdjRibIn* in = instance_.in().received(key(), f);
    if (in == nullptr || (query.family && *query.family != f)) continue;
    const auto show = [&](const Prefix& prefix, const AdjRibIn::Entry& entry) {
      RouteView v;
      v.instance = instance_.name();
      v.peer = config_.name;
      v.prefix = prefix;
      v.attributes = entry.attributes->path;
      if (entry.attributes->next_hop) v.next_hop = *entry.attributes->next_hop;
      v.since = shared_.wall(entry.since);
      v.stale = entry.stale;
      if (const auto why = instance_.in().why_not_imported(key(), prefix)) v.note = to_string(*why);
      if (entry.unusable != Unusable::no) v.note = to_string(entry.unusable);
      out.push_back(std::move(v));
    };
    const std::size_t room = query.limit - std::min(query.limit, out.size());
    if (!query.prefix) {
      in->for_each(show, room);
      out.more += in->size() - std::min(in->size(), room);
    } else if (query.prefix->family() == f) {
      const auto entry = in->find(*query.prefix);
      if (entry && room > 0)
        show(*query.prefix, *entry);
      else if (entry)
        ++out.more;
    }
  }
}

Peer::Answer Peer::why(const Prefix& prefix) const {
  const AfiSafi family = unicast(prefix.family());
  const std::string who = fmt::format("peer {}", config_.name);
  if (session_.negotiated() == nullptr)
    return {false, fmt::format("the session with {} is {}: {}", who, to_string(session_.state()),
                               session_.down().words.empty() ? "not tried yet" : session_.down().words)};
  const std::string set = set_of(family);
  if (set.empty()) return {false, fmt::format("no routes of {} are wanted at {}", family.to_string(), who)};
  for (const Outlet& o : outlets_) {
    if (o.family != family) continue;
    const OutGroup::Answer a = o.group->why(o.id, prefix);
    switch (a.state) {
      case OutGroup::State::absent: return {false, fmt::format("the prefix is not among the routes for {}", who)};
      case OutGroup::State::refused: return {false, a.why ? std::string(to_string(*a.why)) : "it cannot be sent"};
      case OutGroup::State::advertised: return {true, fmt::format("{} was told", who)};
      case OutGroup::State::announcing: return {false, fmt::format("it is on its way to {}, which reads slowly", who)};
      case OutGroup::State::withdrawing:
        return {true, fmt::format("it is not wanted any more, and {} has not been told yet", who)};
    }
  }
  return {false, fmt::format("{} did not agree to {} on this session", who, family.to_string())};
}

}  // namespace weft::bgp
