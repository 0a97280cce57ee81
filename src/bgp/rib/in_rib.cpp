#include "bgp/rib/in_rib.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"

namespace weft::bgp {

namespace {

constexpr std::size_t kAhead = 8;  // prefixes whose places are fetched while earlier ones are worked on

}  // namespace

void InRib::set_peer(const std::string& name, PeerFacts facts) {
  Peer& peer = peers_[name];
  const bool decides_otherwise =
      peer.facts.import != facts.import || peer.facts.source != facts.source || peer.facts.link != facts.link;
  peer.facts = std::move(facts);
  if (!decides_otherwise) return;
  dirty_admitted(peer);
  peer.admitted.clear();
  peer.refused.clear();
  peer.waiting.clear();
  peer.more_waiting = false;
  dirty_permitted(peer);
}

void InRib::remove_peer(const std::string& name) {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return;
  dirty_admitted(found->second);
  const bool had_routes = found->second.v4.size() + found->second.v6.size() > 0;
  peers_.erase(found);
  if (had_routes) pool_.trim();
}

void InRib::clear(const std::string& name, Family family) {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return;
  for (const std::set<Prefix>* in : {&found->second.admitted, &found->second.refused})
    for (const Prefix& p : *in)
      if (p.family() == family) dirty_.push_back(p);
  const bool had_routes = found->second.of(family).size() > 0;
  found->second.of(family).clear();
  if (had_routes) pool_.trim();
}

InRib::Applied InRib::apply(const std::string& name, const Update& update, Seconds now) {
  const auto found = peers_.find(name);
  WEFT_CHECK(found != peers_.end());
  Peer& peer = found->second;
  Applied applied;
  for (const Prefix& p : update.withdrawn) {
    if (!peer.of(p.family()).withdraw(p)) continue;
    ++applied.withdrawn;
    dirty(peer, p);
  }
  if (!update.announced.empty() && update.attributes) {
    const RouteSource& source = peer.facts.source;
    const Unusable unusable = judge(*update.attributes, {.local_as = local_as_,
                                                         .router_id = router_id_,
                                                         .ibgp = source.ibgp,
                                                         .peer_as = source.peer_as,
                                                         .enforce_first_as = peer.facts.enforce_first_as});
    for (const Reach& reach : update.announced) {
      if (reach.prefixes.empty()) continue;
      RouteAttributes kept{*update.attributes, reach.next_hop, 0};
      kept.path.unknown = {};
      // RFC 8326 §4.1: such a route is about to go, any other shall be used instead. Internal peers see to that
      // themselves.
      if (!source.ibgp && kept.path.has_community(kGracefulShutdown)) kept.path.local_pref = 0;
      const SharedAttributes attributes = pool_.intern(std::move(kept));
      const AdjRibIn::Slot slots[] = {peer.v4.slot(attributes), peer.v6.slot(attributes)};
      for (std::size_t i = 0; i < reach.prefixes.size(); ++i) {
        if (i + kAhead < reach.prefixes.size()) {
          const Prefix& soon = reach.prefixes[i + kAhead];
          peer.of(soon.family()).prefetch(soon);
        }
        const Prefix& p = reach.prefixes[i];
        if (!peer.of(p.family()).announce(p, slots[p.family() == Family::v6], unusable, now)) continue;
        ++applied.announced;
        dirty(peer, p);
      }
    }
  }
  if (peer.facts.max_attribute_bytes > 0)
    applied.over_bytes = peer.v4.attribute_bytes() + peer.v6.attribute_bytes() > peer.facts.max_attribute_bytes;
  if (peer.facts.max_prefixes == 0) return applied;
  for (const Family f : {Family::v4, Family::v6}) {
    if (peer.of(f).size() <= peer.facts.max_prefixes) continue;
    applied.over_limit = true;
    applied.over_limit_family = f;
  }
  return applied;
}

void InRib::mark_stale(const std::string& name, Family family, Stale kind) {
  const auto found = peers_.find(name);
  if (found != peers_.end()) found->second.of(family).mark_stale(kind);
}

std::size_t InRib::sweep(const std::string& name, Family family, Stale kind) {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return 0;
  Peer& peer = found->second;
  // All are gone before the first decision: one on the way would let in what goes next, again and again.
  return peer.of(family).sweep(kind, [&](const Prefix& p) {
    peer.waiting.erase(p);
    if (peer.facts.import && peer.facts.import->permits(p)) dirty_.push_back(p);
  });
}

const AdjRibIn* InRib::received(const std::string& name, Family family) const {
  const auto found = peers_.find(name);
  return found == peers_.end() ? nullptr : &found->second.of(family);
}

std::vector<InRib::Ranked> InRib::rank(const Prefix& prefix, const std::optional<SharedAttributes>& local) const {
  static const RouteSource ours{.local = true};
  std::vector<Ranked> usable;
  std::vector<Ranked> others;
  std::vector<const RouteSource*> sources;
  if (local) {
    usable.push_back({.peer = "", .entry = {.attributes = *local}});
    sources.push_back(&ours);
  }
  for (const auto& [name, peer] : peers_) {
    auto entry = peer.of(prefix.family()).find(prefix);
    if (!entry) continue;
    if (entry->unusable != Unusable::no) {
      const auto why = to_string(entry->unusable);
      others.push_back({.peer = name, .entry = std::move(*entry), .note = std::string(why)});
      continue;
    }
    usable.push_back({.peer = name, .entry = std::move(*entry)});
    sources.push_back(&peer.facts.source);
  }
  if (!usable.empty()) {
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < usable.size(); ++i) candidates.push_back({&*usable[i].entry.attributes, sources[i]});
    const Ranking ranking = bgp::rank(candidates);
    for (std::size_t i = 0; i < usable.size(); ++i) {
      const Ranking::Place& place = ranking.places[i];
      usable[i].best = place.best;
      usable[i].multipath = place.multipath;
      if (place.best) continue;
      const std::string& winner = usable[place.lost_to].peer;
      usable[i].note =
          fmt::format("{} is preferred: {}", winner.empty() ? "our own route" : winner, why_preferred(place.lost_by));
      const PathAttributes& path = usable[i].entry.attributes->path;
      if (place.lost_by == Rule::local_preference && path.local_pref == 0 && path.has_community(kGracefulShutdown))
        usable[i].note += " (this route is being shut down gracefully, RFC 8326)";
    }
  }
  std::vector<Ranked> out;
  const auto take = [&](auto&& which) {
    for (Ranked& r : usable)
      if (which(r)) out.push_back(r);
  };
  take([](const Ranked& r) { return r.best; });
  take([](const Ranked& r) { return !r.best && r.multipath; });
  take([](const Ranked& r) { return !r.best && !r.multipath; });
  out.insert(out.end(), others.begin(), others.end());
  return out;
}

}  // namespace weft::bgp
