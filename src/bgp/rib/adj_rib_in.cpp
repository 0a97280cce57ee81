#include "bgp/rib/adj_rib_in.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "base/log.h"
#include "bgp/rib/prefix_hash_table.h"

namespace weft::bgp {

std::string_view to_string(Unusable why) {
  switch (why) {
    case Unusable::no: return "usable";
    case Unusable::as_loop: return "our own ASN is in its AS path";
    case Unusable::originator_loop: return "we are its originator";
    case Unusable::cluster_loop: return "our router id is in its cluster list";
    case Unusable::first_as: return "its AS path does not begin with the peer's ASN";
  }
  return "unknown";
}

Unusable judge(const PathAttributes& path, const ReceiveRules& rules) {
  if (path.as_path.contains(rules.local_as)) return Unusable::as_loop;
  if (rules.ibgp) {
    if (path.originator_id == rules.router_id) return Unusable::originator_loop;
    if (std::find(path.cluster_list.begin(), path.cluster_list.end(), rules.router_id) != path.cluster_list.end())
      return Unusable::cluster_loop;
  } else if (rules.enforce_first_as && path.as_path.first() != rules.peer_as) {
    return Unusable::first_as;
  }
  return Unusable::no;
}

struct AdjRibIn::Table {
  explicit Table(Family family) : routes(family) {}

  struct Used {
    SharedAttributes attributes;
    std::uint32_t routes = 0;
  };
  PrefixHashTable routes;
  std::vector<Used> slots;
  std::vector<Slot> free;
  std::unordered_map<const void*, Slot> slot_of;
  std::optional<Slot> handed;  // by slot(), perhaps not used by any route
  std::size_t bytes = 0;       // of all slots

  /// A slot's own, its place in `slot_of` and that in the pool.
  static constexpr std::size_t kSlotBytes = sizeof(Used) + 3 * 48;
  static std::size_t bytes_of(const SharedAttributes& a) { return a.bytes() + kSlotBytes; }

  void release(Slot s) {
    Used& used = slots[s];
    if (--used.routes == 0) forget(s);
  }
  void forget(Slot s) {
    slot_of.erase(slots[s].attributes.id());
    bytes -= bytes_of(slots[s].attributes);
    slots[s].attributes = {};
    free.push_back(s);
    if (handed == s) handed.reset();
  }
};

AdjRibIn::AdjRibIn(Family family) : family_(family), table_(std::make_unique<Table>(family)) {}
AdjRibIn::~AdjRibIn() = default;
AdjRibIn::AdjRibIn(AdjRibIn&&) noexcept = default;
AdjRibIn& AdjRibIn::operator=(AdjRibIn&&) noexcept = default;

AdjRibIn::Slot AdjRibIn::slot(const SharedAttributes& attributes) {
  Table& t = *table_;
  if (t.handed && t.slots[*t.handed].routes == 0 && !t.slots[*t.handed].attributes.same(attributes))
    t.forget(*t.handed);
  const auto known = t.slot_of.find(attributes.id());
  if (known != t.slot_of.end()) {
    t.handed = known->second;
    return known->second;
  }
  Slot s;
  if (t.free.empty()) {
    s = static_cast<Slot>(t.slots.size());
    t.slots.emplace_back();
  } else {
    s = t.free.back();
    t.free.pop_back();
  }
  t.slots[s] = {attributes, 0};
  t.slot_of.emplace(attributes.id(), s);
  t.bytes += Table::bytes_of(attributes);
  t.handed = s;
  return s;
}

bool AdjRibIn::announce(const Prefix& prefix, Slot slot, Unusable unusable, Seconds now) {
  WEFT_CHECK(prefix.family() == family_);
  Table& t = *table_;
  const auto [at, fresh] = t.routes.insert(PrefixKey::of(prefix));
  ReceivedRoute r = fresh ? ReceivedRoute{} : t.routes.value(at);
  if (!fresh) forget_marks(r);
  r.left_behind = false;
  r.generation = generation_;
  if (!fresh) {
    if (r.slot == slot && r.unusable == unusable) {
      t.routes.set_value(at, r);
      return false;
    }
    unusable_ -= r.unusable != Unusable::no;
  }
  ++t.slots[slot].routes;
  const Slot old = r.slot;
  r.slot = slot;
  r.unusable = unusable;
  r.since = now;
  t.routes.set_value(at, r);
  unusable_ += unusable != Unusable::no;
  if (fresh)
    ++size_;
  else
    t.release(old);
  return true;
}

void AdjRibIn::prefetch(const Prefix& prefix) const { table_->routes.prefetch(PrefixKey::of(prefix)); }

bool AdjRibIn::withdraw(const Prefix& prefix) {
  if (prefix.family() != family_ || !withdraw(PrefixKey::of(prefix))) return false;
  table_->routes.shrink();
  return true;
}

bool AdjRibIn::withdraw(const PrefixKey& key) {
  Table& t = *table_;
  const auto at = t.routes.find(key);
  if (!at) return false;
  const ReceivedRoute r = t.routes.value(*at);
  forget_marks(r);
  unusable_ -= r.unusable != Unusable::no;
  --size_;
  t.routes.erase(*at);
  t.release(r.slot);
  return true;
}

void AdjRibIn::clear() {
  table_ = std::make_unique<Table>(family_);
  size_ = stale_ = unrefreshed_ = unusable_ = 0;
  generation_ = 0;
}

std::size_t AdjRibIn::attribute_bytes() const { return table_->bytes; }

bool AdjRibIn::marked(const ReceivedRoute& route, Stale kind) const {
  return kind == Stale::restart ? route.left_behind : route.generation != generation_;
}

/// Of a route that is sent again, or goes.
void AdjRibIn::forget_marks(const ReceivedRoute& route) {
  stale_ -= marked(route, Stale::restart);
  unrefreshed_ -= marked(route, Stale::refresh);
}

void AdjRibIn::mark_stale(Stale kind) {
  if (kind == Stale::refresh) return begin_generation();
  if (stale_ == size_) return;
  PrefixHashTable& routes = table_->routes;
  for (std::size_t at = 0; at < routes.capacity(); ++at) {
    if (!routes.used(at)) continue;
    ReceivedRoute r = routes.value(at);
    r.left_behind = true;
    routes.set_value(at, r);
  }
  stale_ = size_;
}

/// From here on every route is of an older generation. When the numbers run out they begin again: one pass for 65536
/// refreshes, each of which the peer sent a route for.
void AdjRibIn::begin_generation() {
  if (unrefreshed_ == size_) return;
  unrefreshed_ = size_;
  if (++generation_ != 0) return;
  PrefixHashTable& routes = table_->routes;
  for (std::size_t at = 0; at < routes.capacity(); ++at) {
    if (!routes.used(at)) continue;
    ReceivedRoute r = routes.value(at);
    r.generation = 0;
    routes.set_value(at, r);
  }
  generation_ = 1;
}

std::size_t AdjRibIn::sweep(Stale kind, const std::function<void(const Prefix&)>& removed) {
  const std::size_t due = kind == Stale::restart ? stale_ : unrefreshed_;
  if (due == 0) return 0;
  const PrefixHashTable& routes = table_->routes;
  std::vector<PrefixKey> gone;
  gone.reserve(due);
  for (std::size_t at = 0; at < routes.capacity() && gone.size() < due; ++at)
    if (routes.used(at) && marked(routes.value(at), kind)) gone.push_back(routes.key(at));
  for (const PrefixKey& key : gone) {
    withdraw(key);
    if (removed) removed(key.prefix(family_));
  }
  table_->routes.shrink();
  return gone.size();
}

AdjRibIn::Entry AdjRibIn::entry(std::size_t at) const {
  const ReceivedRoute r = table_->routes.value(at);
  return {table_->slots[r.slot].attributes, r.unusable, marked(r, Stale::restart) || marked(r, Stale::refresh),
          r.since};
}

std::optional<AdjRibIn::Entry> AdjRibIn::find(const Prefix& prefix) const {
  if (prefix.family() != family_) return std::nullopt;
  const auto at = table_->routes.find(PrefixKey::of(prefix));
  return at ? std::optional(entry(*at)) : std::nullopt;
}

const SharedAttributes* AdjRibIn::usable(const Prefix& prefix) const {
  if (prefix.family() != family_) return nullptr;
  const auto at = table_->routes.find(PrefixKey::of(prefix));
  if (!at) return nullptr;
  const ReceivedRoute r = table_->routes.value(*at);
  return r.unusable == Unusable::no ? &table_->slots[r.slot].attributes : nullptr;
}

void AdjRibIn::for_each(const std::function<void(const Prefix&, const Entry&)>& visit, std::size_t most) const {
  if (most == 0) return;
  for_each_while([&](const Prefix& prefix, const Entry& entry) {
    visit(prefix, entry);
    return --most > 0;
  });
}

void AdjRibIn::for_each_while(const std::function<bool(const Prefix&, const Entry&)>& visit) const {
  const PrefixHashTable& routes = table_->routes;
  for (std::size_t at = 0; at < routes.capacity(); ++at)
    if (routes.used(at) && !visit(routes.key(at).prefix(family_), entry(at))) return;
}

}  // namespace weft::bgp
