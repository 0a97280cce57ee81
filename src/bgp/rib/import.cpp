// The part of InRib that decides what goes into the kernel. It looks only at prefixes that an import list permits, and
// only when something about them changed.
#include <algorithm>
#include <utility>

#include "bgp/rib/in_rib.h"

namespace weft::bgp {

namespace {

constexpr std::size_t kDirtyAtOnce = 4096;  // more are decided without waiting to be asked
constexpr std::size_t kWaitingKept = 1024;  // beyond the limit, remembered by name; others are found again

}  // namespace

std::string_view to_string(NotImported why) {
  switch (why) {
    case NotImported::no_policy: return "the peer has no import list";
    case NotImported::denied: return "the import list does not permit it";
    case NotImported::unusable: return "the route is not usable";
    case NotImported::ours: return "this node announces the prefix itself";
    case NotImported::not_received: return "the peer did not send it";
    case NotImported::not_best: return "another peer's route is better";
    case NotImported::other_table: return "the best route goes to another table or metric";
    case NotImported::over_limit: return "the peer has as many routes imported as its limit allows";
    case NotImported::refused: return "the kernel does not take its next hop";
  }
  return "unknown";
}

// A link-local address says nothing without its link: a global one beside it does for a peer that has none.
ImportedHop imported_hop(const NextHop& next_hop, const std::string& link) {
  const Address& via = next_hop.link_local.value_or(next_hop.address);
  if (!via.is_v6() || !via.is_link_local()) return {via, {}};
  if (link.empty()) return {next_hop.address, {}};
  return {via, link};
}

bool ImportPolicy::permits(const Prefix& prefix) const {
  for (const PrefixRule& rule : rules)
    if (prefix.length() >= rule.min_length && prefix.length() <= rule.max_length && rule.prefix.contains(prefix))
      return rule.permit;
  return false;
}

struct InRib::Contender {
  const std::string* name = nullptr;
  const Peer* peer = nullptr;
  const RouteAttributes* attributes = nullptr;

  bool operator==(const Contender& o) const { return peer == o.peer; }
  Candidate candidate() const { return {attributes, &peer->facts.source}; }
  ImportedHop hop() const { return imported_hop(*attributes->next_hop, peer->facts.link); }
  bool same_place(const Contender& o) const {
    return peer->facts.import->table == o.peer->facts.import->table &&
           peer->facts.import->metric == o.peer->facts.import->metric;
  }
};

void InRib::dirty(const Peer& peer, const Prefix& prefix) {
  if (!peer.facts.import || !peer.facts.import->permits(prefix)) return;
  dirty_.push_back(prefix);
  if (dirty_.size() >= kDirtyAtOnce) decide_dirty();
}

void InRib::dirty_admitted(const Peer& peer) {
  dirty_.insert(dirty_.end(), peer.admitted.begin(), peer.admitted.end());
  dirty_.insert(dirty_.end(), peer.refused.begin(), peer.refused.end());
}

void InRib::dirty_permitted(const Peer& peer) {
  if (!peer.facts.import) return;
  for (const Family f : {Family::v4, Family::v6})
    peer.of(f).for_each([&](const Prefix& p, const AdjRibIn::Entry&) {
      if (peer.facts.import->permits(p)) dirty_.push_back(p);
    });
}

void InRib::set_ours(std::function<bool(const Prefix&)> ours) { ours_ = std::move(ours); }

void InRib::touch(const Prefix& prefix) {
  for (const auto& [name, peer] : peers_) {
    if (!peer.facts.import || !peer.facts.import->permits(prefix)) continue;
    dirty_.push_back(prefix);
    return;
  }
}

bool InRib::is_refused(const Prefix& prefix, const Contender& c) const {
  const auto found = refused_.find(prefix);
  return found != refused_.end() && found->second.contains(c.hop());
}

void InRib::refuse(const Prefix& prefix, const ImportedHop& hop, std::string why) {
  refused_[prefix][hop] = std::move(why);
  dirty_.push_back(prefix);
}

void InRib::forget_refused() {
  for (const auto& [prefix, hops] : refused_) dirty_.push_back(prefix);
  refused_.clear();
}

/// Who may bring this prefix into the kernel; what limits and the kernel say of it is not looked at.
std::vector<InRib::Contender> InRib::contenders(const Prefix& prefix) const {
  std::vector<Contender> out;
  for (const auto& [name, peer] : peers_) {
    if (!peer.facts.import || !peer.facts.import->permits(prefix)) continue;
    if (const SharedAttributes* a = peer.of(prefix.family()).usable(prefix)) out.push_back({&name, &peer, &**a});
  }
  return out;
}

void InRib::decide(const Prefix& prefix) {
  std::vector<Contender> allowed;
  if (!ours_ || !ours_(prefix)) allowed = contenders(prefix);
  std::vector<Contender> refused;
  std::erase_if(allowed, [&](const Contender& c) {
    if (!is_refused(prefix, c)) return false;
    refused.push_back(c);
    return true;
  });
  if (refused.empty()) refused_.erase(prefix);
  std::erase_if(allowed, [&](const Contender& c) {
    if (c.peer->admitted.contains(prefix) || !c.peer->full()) return false;
    Peer& peer = peers_.at(*c.name);
    if (peer.waiting.size() < kWaitingKept)
      peer.waiting.insert(prefix);
    else
      peer.more_waiting = true;
    return true;
  });

  std::vector<Contender> winners;
  ImportedRoute route;
  if (!allowed.empty()) {
    std::vector<Candidate> candidates;
    for (const Contender& c : allowed) candidates.push_back(c.candidate());
    const Ranking ranking = bgp::rank(candidates);
    const Contender& best = allowed[ranking.best];
    for (std::size_t i = 0; i < allowed.size(); ++i)
      if (ranking.places[i].multipath && allowed[i].same_place(best)) winners.push_back(allowed[i]);
    route.table = best.peer->facts.import->table;
    route.metric = best.peer->facts.import->metric;
    for (const Contender& c : winners) {
      route.peers.push_back(*c.name);
      route.hops.push_back(imported_hop(*c.attributes->next_hop, c.peer->facts.link));
    }
    std::sort(route.hops.begin(), route.hops.end());
    route.hops.erase(std::unique(route.hops.begin(), route.hops.end()), route.hops.end());
  }
  const auto mark = [&](std::set<Prefix>& in, const std::vector<Contender>& whose, const Peer& peer) {
    if (std::find(whose.begin(), whose.end(), Contender{.peer = &peer}) != whose.end())
      in.insert(prefix);
    else
      in.erase(prefix);
  };
  for (auto& [name, peer] : peers_) {
    mark(peer.admitted, winners, peer);
    mark(peer.refused, refused, peer);
  }

  const auto old = imported_.find(prefix);
  if (winners.empty()) {
    if (old == imported_.end()) return;
    imported_.erase(old);
  } else if (old == imported_.end()) {
    imported_.emplace(prefix, std::move(route));
  } else if (old->second == route) {
    return;
  } else {
    old->second = std::move(route);
  }
  changed_.insert(prefix);
  ++import_revision_;
}

/// A peer that has room again and routes that wait for it: they are decided about anew. False when there were none.
bool InRib::wake_waiting(Peer& peer) {
  if (!peer.facts.import || peer.full()) return false;
  if (!peer.waiting.empty()) {
    std::size_t room = peer.facts.import->limit - peer.taken();
    for (; room > 0 && !peer.waiting.empty(); --room) {
      dirty_.push_back(*peer.waiting.begin());
      peer.waiting.erase(peer.waiting.begin());
    }
    return true;
  }
  if (!peer.more_waiting) return false;
  peer.more_waiting = false;
  for (const Family f : {Family::v4, Family::v6})
    peer.of(f).for_each_while([&](const Prefix& p, const AdjRibIn::Entry& entry) {
      if (entry.unusable != Unusable::no || peer.admitted.contains(p) || peer.refused.contains(p)) return true;
      if (!peer.facts.import->permits(p)) return true;
      if (peer.full()) {
        peer.more_waiting = true;
        return false;
      }
      decide(p);
      return true;
    });
  return true;
}

void InRib::decide_dirty() {
  // A route that comes in may put another peer's out, which makes room there, and so on: each round is rarer than the
  // last one. What a pathological set of MEDs would keep turning waits for the next change.
  bool again = true;
  for (int round = 0; again && round < 64; ++round) {
    std::vector<Prefix> now;
    now.swap(dirty_);
    std::sort(now.begin(), now.end());
    now.erase(std::unique(now.begin(), now.end()), now.end());
    for (const Prefix& p : now) decide(p);
    again = false;
    for (auto& [name, peer] : peers_) again |= wake_waiting(peer);
  }
}

const std::map<Prefix, ImportedRoute>& InRib::imported() {
  decide_dirty();
  return imported_;
}

std::set<Prefix> InRib::take_changed() {
  decide_dirty();
  return std::exchange(changed_, {});
}

std::size_t InRib::imported_count(const std::string& name, Family family) const {
  const auto found = peers_.find(name);
  if (found == peers_.end()) return 0;
  return static_cast<std::size_t>(std::count_if(found->second.admitted.begin(), found->second.admitted.end(),
                                                [&](const Prefix& p) { return p.family() == family; }));
}

std::optional<NotImported> InRib::why_not_imported(const std::string& name, const Prefix& prefix) const {
  const auto found = peers_.find(name);
  const auto entry = found == peers_.end() ? std::nullopt : found->second.of(prefix.family()).find(prefix);
  if (!entry) return NotImported::not_received;
  const Peer& peer = found->second;
  if (!peer.facts.import) return NotImported::no_policy;
  if (!peer.facts.import->permits(prefix)) return NotImported::denied;
  if (entry->unusable != Unusable::no) return NotImported::unusable;
  if (ours_ && ours_(prefix)) return NotImported::ours;
  if (peer.admitted.contains(prefix)) return std::nullopt;
  if (peer.refused.contains(prefix)) return NotImported::refused;

  const auto all = contenders(prefix);
  const Contender me{.name = &name, .peer = &peer, .attributes = &*entry->attributes};
  for (const Contender& c : all) {
    if (c == me || !c.peer->admitted.contains(prefix)) continue;
    if (!equal_cost(c.candidate(), me.candidate()))
      return compare(c.candidate(), me.candidate()).first_wins ? NotImported::not_best : NotImported::over_limit;
    if (!c.same_place(me)) return NotImported::other_table;
  }
  return NotImported::over_limit;
}

}  // namespace weft::bgp
