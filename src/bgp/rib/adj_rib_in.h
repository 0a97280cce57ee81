// Everything that one peer told us of one family, usable or not: an open-addressed table of 16 (IPv4) or 28 (IPv6)
// octets a place, attributes shared. Nothing is computed when a route comes; who asks, pays.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "bgp/rib/local_rib.h"
#include "bgp/rib/route.h"
#include "bgp/rib/route_table.h"

namespace weft::bgp {

/// Why a received route is kept but never used.
enum class Unusable : std::uint8_t {
  no,               // it is usable
  as_loop,          // our ASN is in its path (RFC 4271 §9.1.2)
  originator_loop,  // ORIGINATOR_ID is our router id (RFC 4456 §8)
  cluster_loop,     // CLUSTER_LIST has our router id
  first_as,         // the path of an external peer does not begin with its ASN (RFC 4271 §6.3)
};
std::string_view to_string(Unusable);

/// Who receives from whom, as far as that decides.
struct ReceiveRules {
  Asn local_as = 0;
  RouterId router_id;
  bool ibgp = false;
  Asn peer_as = 0;
  bool enforce_first_as = true;
};
Unusable judge(const PathAttributes& path, const ReceiveRules& rules);

/// Which announcement of "everything again" a route waits for.
enum class Stale : std::uint8_t {
  restart,  // the peer restarts: End-of-RIB sweeps (RFC 4724 §4.2)
  refresh,  // between BoRR and EoRR (RFC 7313 §4)
};

struct ReceivedRoute;

class AdjRibIn {
 public:
  explicit AdjRibIn(Family family);
  ~AdjRibIn();
  AdjRibIn(AdjRibIn&&) noexcept;
  AdjRibIn& operator=(AdjRibIn&&) noexcept;

  struct Entry {
    SharedAttributes attributes;
    Unusable unusable = Unusable::no;
    bool stale = false;  // either kind
    Seconds since = 0;   // when it came or last changed
  };

  /// A handle for the attributes of one UPDATE, so that its prefixes do not look them up again. Valid for calls of
  /// announce() right after.
  using Slot = std::uint32_t;
  Slot slot(const SharedAttributes& attributes);
  /// False when it is the same as before; then it is only not stale any more.
  bool announce(const Prefix& prefix, Slot slot, Unusable unusable, Seconds now);
  bool announce(const Prefix& prefix, const SharedAttributes& attributes, Unusable unusable, Seconds now) {
    return announce(prefix, slot(attributes), unusable, now);
  }
  /// Says that `prefix` is announced or withdrawn soon: in a large table a look-up mostly waits for memory.
  void prefetch(const Prefix& prefix) const;
  /// False when there was none.
  bool withdraw(const Prefix& prefix);
  void clear();

  /// Marks every route. For a restart this costs a pass over the table, which a session pays that ends; for a refresh
  /// nothing, since a peer may begin one with each message.
  void mark_stale(Stale kind);
  /// Removes what is still marked; `removed` is told each. Costs a pass over the table when something is: then all that
  /// it looks at goes, or came since the mark.
  std::size_t sweep(Stale kind, const std::function<void(const Prefix&)>& removed = nullptr);

  std::optional<Entry> find(const Prefix& prefix) const;
  /// The attributes of a usable route without a copy; null when there is none. Good until the next change.
  const SharedAttributes* usable(const Prefix& prefix) const;
  /// In no order; `most` routes of them at most.
  void for_each(const std::function<void(const Prefix&, const Entry&)>& visit,
                std::size_t most = static_cast<std::size_t>(-1)) const;

  /// The same, until `visit` says false.
  void for_each_while(const std::function<bool(const Prefix&, const Entry&)>& visit) const;

  std::size_t size() const { return size_; }
  /// Routes that the peer's restart left behind.
  std::size_t stale() const { return stale_; }
  std::size_t unusable() const { return unusable_; }
  /// Octets of the attributes of its routes, those that other peers sent too among them.
  std::size_t attribute_bytes() const;
  Family family() const { return family_; }

 private:
  struct Table;
  Entry entry(std::size_t at) const;
  bool withdraw(const PrefixKey& key);
  bool marked(const ReceivedRoute& route, Stale kind) const;
  void forget_marks(const ReceivedRoute& route);
  void begin_generation();

  Family family_;
  std::unique_ptr<Table> table_;
  std::size_t size_ = 0;
  std::size_t stale_ = 0;
  std::size_t unrefreshed_ = 0;   // marked by a refresh: not of this generation
  std::uint16_t generation_ = 0;  // each refresh begins one
  std::size_t unusable_ = 0;
};

}  // namespace weft::bgp
