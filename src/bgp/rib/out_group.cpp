#include "bgp/rib/out_group.h"

#include <algorithm>

#include "base/log.h"
#include "bgp/rib/out_stream.h"

namespace weft::bgp {

struct OutGroup::Peer {
  std::shared_ptr<OutStream> stream;
  std::uint64_t sequence = 0;  // of the link that it gets next
  OutPositionRef position;     // what it has, the chunk in its hands included

  void move_to(std::shared_ptr<OutStream> to, std::uint64_t at) {
    if (stream) --stream->peers;
    stream = std::move(to);
    ++stream->peers;
    sequence = at;
  }
};

OutGroup::OutGroup(ExportRules rules, OutLimits limits)
    : rules_(std::move(rules)),
      limits_(limits),
      wanted_(rules_.family),
      outgoing_(rules_.family),
      memo_(std::make_unique<ExportMemo>(rules_)) {}

OutGroup::~OutGroup() = default;

OutGroup::Peer& OutGroup::peer(PeerId id) const {
  const auto found = peers_.find(id);
  WEFT_CHECK(found != peers_.end());
  return *found->second;
}

void OutGroup::update(const RouteTable& routes, bool complete) {
  WEFT_CHECK(routes.family() == rules_.family);
  complete_ = complete;
  if (routes.same(wanted_)) return;
  memo_->trim();
  const auto refused = [&](const SharedAttributes& a) { return std::holds_alternative<NotAdvertised>(memo_->of(a)); };
  bool share = outgoing_.same(wanted_);  // as long as everything can be sent, there is one table
  if (share) {
    TableDiff differences(wanted_, routes);
    for (RouteTable::Change c; share && differences.next(c);) share = c.after == nullptr || !refused(*c.after);
  }
  if (!share) {
    wanted_.diff(routes, [&](const RouteTable::Change& c) {
      if (c.after == nullptr || refused(*c.after))
        outgoing_.remove(c.key);
      else
        outgoing_.set(c.key, *c.after);
    });
  }
  if (share || outgoing_.size() == routes.size()) outgoing_ = routes;
  wanted_ = routes;
}

OutGroup::PeerId OutGroup::join() { return join(Held{.routes = RouteTable(rules_.family)}, false); }

OutGroup::PeerId OutGroup::join(Held held, bool resend) {
  OutPosition start{.had = held.routes, .target = held.routes};
  start.resend_from = resend ? PrefixKey{} : held.resend_from;
  start.begin_refresh = held.begin_refresh;
  start.end_refresh = held.end_refresh;
  start.end_of_rib_sent = held.end_of_rib_sent;
  const PeerId id = next_id_++;
  auto& peer = *peers_.emplace(id, std::make_unique<Peer>()).first->second;
  begin_at(peer, std::make_shared<OutPosition>(std::move(start)));
  return id;
}

// Peers that begin at the same place share what they are sent, while all of it is still there. One stream of the group
// is kept whole for that.
void OutGroup::begin_at(Peer& peer, OutPositionRef start) {
  for (const auto& stream : streams_) {
    if (!stream->joinable(outgoing_, complete_) || !stream->start()->same(*start)) continue;
    peer.move_to(stream, 0);
    peer.position = stream->start();
    return prune_streams();
  }
  for (const auto& stream : streams_) stream->stop_joining();
  streams_.push_back(std::make_shared<OutStream>(start, true));
  peer.move_to(streams_.back(), 0);
  peer.position = std::move(start);
  prune_streams();
}

OutGroup::Held OutGroup::leave(PeerId id) {
  Peer& gone = peer(id);
  const OutPosition& at = *gone.position;
  Held held{at.held(), at.end_of_rib_sent, at.resends_from(), at.begin_refresh, at.end_refresh};
  --gone.stream->peers;
  peers_.erase(id);
  prune_streams();
  return held;
}

void OutGroup::refresh(PeerId id, bool enhanced) {
  Peer& p = peer(id);
  const OutPosition& at = *p.position;
  OutPosition again{.had = at.held()};
  again.target = again.had;
  again.resend_from = PrefixKey{};
  again.end_of_rib_sent = at.end_of_rib_sent;
  // BoRR must not come before End-of-RIB (RFC 7313 §4); everything is on its way then anyway.
  const bool marked = enhanced && at.end_of_rib_sent;
  again.begin_refresh = marked || at.begin_refresh;
  again.end_refresh = marked || at.end_refresh;  // also of a marked one that this one overtakes
  begin_at(p, std::make_shared<OutPosition>(std::move(again)));
}

bool OutGroup::has_output(PeerId id) const {
  const Peer& p = peer(id);
  return p.sequence < p.stream->end() || !p.stream->idle(outgoing_, complete_);
}

OutChunkRef OutGroup::next(PeerId id) {
  Peer& p = peer(id);
  if (p.sequence == p.stream->end()) {
    while (!p.stream->idle(outgoing_, complete_))
      if (p.stream->extend(outgoing_, complete_, rules_, limits_, *memo_)) break;
    if (p.sequence == p.stream->end()) {
      p.position = p.stream->now();
      settle(p);
      return nullptr;
    }
  }
  const OutStream::Link link = p.stream->at(p.sequence);
  ++p.sequence;
  p.position = link.after;
  trim(p.stream);
  return link.chunk;
}

// Who is too far behind goes on by itself, from what it has.
void OutGroup::trim(const std::shared_ptr<OutStream>& stream) {
  std::uint64_t needed = stream->end();
  for (const auto& [id, p] : peers_)
    if (p->stream == stream) needed = std::min(needed, p->sequence);
  stream->trim(needed, limits_);
  if (needed >= stream->begin()) return;
  for (const auto& [id, p] : peers_) {
    if (p->stream != stream || p->sequence >= stream->begin()) continue;
    streams_.push_back(std::make_shared<OutStream>(p->position, false));
    p->move_to(streams_.back(), 0);
  }
}

// Streams that came to the same place become one: the peer goes where more are.
void OutGroup::settle(Peer& peer) {
  std::shared_ptr<OutStream> best = peer.stream;
  for (const auto& stream : streams_) {
    if (stream == best || !stream->idle(outgoing_, complete_)) continue;
    if (stream->now()->end_of_rib_sent != peer.stream->now()->end_of_rib_sent) continue;
    if (stream->peers > best->peers || (stream->peers == best->peers && best == peer.stream)) best = stream;
  }
  if (best == peer.stream) return;
  peer.move_to(best, best->end());
  peer.position = best->now();
  prune_streams();
}

void OutGroup::prune_streams() {
  std::erase_if(streams_, [](const auto& stream) { return stream->peers == 0; });
}

bool OutGroup::end_of_rib_sent(PeerId id) const { return peer(id).position->end_of_rib_sent; }

std::size_t OutGroup::advertised(PeerId id) const { return peer(id).position->held().size(); }

std::size_t OutGroup::pending(PeerId id) const {
  const OutPosition& at = *peer(id).position;
  std::size_t n = 0;
  TableDiff differences(at.held(), outgoing_, at.resends_from());
  for (RouteTable::Change c; differences.next(c);) ++n;
  return n;
}

OutGroup::Answer OutGroup::answer(const SharedAttributes* had, const SharedAttributes* wanted, bool resent) const {
  if (wanted == nullptr) {
    if (had == nullptr) return {};
    return {State::withdrawing, std::nullopt, *had};
  }
  if (const auto* why = std::get_if<NotAdvertised>(&memo_->of(*wanted)))
    return {had == nullptr ? State::refused : State::withdrawing, *why, *wanted};
  return {had != nullptr && !resent && *had == *wanted ? State::advertised : State::announcing, std::nullopt, *wanted};
}

OutGroup::Answer OutGroup::why(PeerId id, const Prefix& prefix) const {
  if (prefix.family() != rules_.family) return {};
  const PrefixKey key = PrefixKey::of(prefix);
  const OutPosition& at = *peer(id).position;
  const auto resent = at.resends_from();
  return answer(at.get(key), wanted_.get(key), resent && key >= *resent);
}

void OutGroup::for_each(PeerId id, const std::function<void(const Prefix&, const Answer&)>& visit) const {
  const OutPosition& at = *peer(id).position;
  const auto resent = at.resends_from();
  TableDiff all(at.held(), wanted_, PrefixKey{});
  for (RouteTable::Change c; all.next(c);)
    visit(c.key.prefix(rules_.family), answer(c.before, c.after, resent && c.key >= *resent));
}

const std::variant<Exported, NotAdvertised>& OutGroup::exported(const SharedAttributes& attributes) const {
  return memo_->of(attributes);
}

}  // namespace weft::bgp
