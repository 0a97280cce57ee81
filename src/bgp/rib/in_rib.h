// What all peers of one instance told us, and what follows: the best route of a prefix when somebody asks, and the
// routes that import policies want in the kernel. Peers without a policy cost only the keeping.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "bgp/packet/message.h"
#include "bgp/rib/adj_rib_in.h"
#include "bgp/rib/attribute_pool.h"
#include "bgp/rib/best_path.h"
#include "bgp/rib/import_policy.h"
#include "bgp/rib/local_rib.h"

namespace weft::bgp {

/// Where packets of an imported route go. Link-local addresses of two links are two hops, also when they are the same.
struct ImportedHop {
  Address via;
  std::string link;  // the interface that a link-local `via` is on
  auto operator<=>(const ImportedHop&) const = default;
};
/// What the kernel is to use of a next hop that came from a peer on `link` (empty: a peer met by a global address).
ImportedHop imported_hop(const NextHop& next_hop, const std::string& link);

/// A route that shall be in the kernel. Several hops: ECMP.
struct ImportedRoute {
  std::vector<ImportedHop> hops;   // sorted
  std::vector<std::string> peers;  // whom they come from, sorted
  std::uint32_t table = 254;
  std::uint32_t metric = 0;
  bool operator==(const ImportedRoute&) const = default;
};

/// Why a received route is not in the kernel.
/// Only peers with an import list that permits a prefix compete for it: a better route that nobody wants in the kernel
/// keeps none out.
enum class NotImported : std::uint8_t {
  no_policy,     // the peer has no import list
  not_received,  // the peer has no such route
  denied,        // its import list does not permit the prefix
  unusable,      // see Unusable
  ours,          // we announce this prefix ourselves
  not_best,      // another peer's route is better
  other_table,   // equal cost with the best, but for another table or metric
  over_limit,    // the peer has its limit of routes in already
  refused,       // the kernel does not take its next hop
};
std::string_view to_string(NotImported);

class InRib {
 public:
  explicit InRib(Asn local_as, RouterId router_id) : local_as_(local_as), router_id_(router_id) {}

  struct PeerFacts {
    RouteSource source;
    bool enforce_first_as = true;
    std::size_t max_prefixes = 0;         // a family; 0: any number
    std::size_t max_attribute_bytes = 0;  // of both families together; 0: any number
    std::string link;                     // the interface that the peer's link-local next hops are on
    std::optional<ImportPolicy> import;
  };
  /// Adds a peer, or changes what is known of it; its routes stay.
  void set_peer(const std::string& peer, PeerFacts facts);
  /// The peer and its routes go.
  void remove_peer(const std::string& peer);
  /// A session that ended without graceful restart: the routes of the family go, the peer stays.
  void clear(const std::string& peer, Family family);

  struct Applied {
    std::size_t announced = 0;  // new or changed
    std::size_t withdrawn = 0;
    bool over_limit = false;  // the family has more than max_prefixes: Cease/1 is due; nothing was dropped
    Family over_limit_family = Family::v4;
    bool over_bytes = false;  // attributes take more than max_attribute_bytes: Cease/8 is due; nothing was dropped
  };
  /// An UPDATE, except End-of-RIB, which is the caller's: sweep(). Attributes that we do not know are not kept: they
  /// decide nothing here, and nothing is passed on. What an external peer marks with GRACEFUL_SHUTDOWN is kept with
  /// LOCAL_PREF 0 (RFC 8326 §4.1).
  Applied apply(const std::string& peer, const Update& update, Seconds now);
  void mark_stale(const std::string& peer, Family family, Stale kind);
  std::size_t sweep(const std::string& peer, Family family, Stale kind);

  /// Null for a peer that is not known.
  const AdjRibIn* received(const std::string& peer, Family family) const;

  struct Ranked {
    std::string peer;  // empty: ours
    AdjRibIn::Entry entry;
    bool best = false;
    bool multipath = false;
    std::string note;  // why it is not used, not best; "10.0.0.2 is preferred: its AS path is longer"
  };
  /// All routes to a prefix with their places, best first. `local` is our own route, if there is one.
  std::vector<Ranked> rank(const Prefix& prefix, const std::optional<SharedAttributes>& local = std::nullopt) const;

  /// Which prefixes are ours: such are never imported. Asked on every decision; by default none.
  void set_ours(std::function<bool(const Prefix&)> ours);
  /// Ours changed for this prefix.
  void touch(const Prefix& prefix);

  /// What shall be in the kernel; import_revision() grows when it changes. Decides about what changed since last asked.
  const std::map<Prefix, ImportedRoute>& imported();
  std::uint64_t import_revision() const { return import_revision_; }
  /// Of which prefixes imported() has changed since this was last asked. Decides like imported().
  std::set<Prefix> take_changed();

  /// The kernel does not take this next hop for the prefix (RFC 4271 §9.1.2: such a route is left out of the decision).
  /// Routes with it do not compete until forget_refused(); of their peer's limit they take a place all the same.
  void refuse(const Prefix& prefix, const ImportedHop& hop, std::string why);
  /// Links or routes of the node are others: all compete again.
  void forget_refused();
  /// What is refused, and why.
  const std::map<Prefix, std::map<ImportedHop, std::string>>& refused() const { return refused_; }

  /// Prefixes of the peer in the kernel.
  std::size_t imported_count(const std::string& peer, Family family) const;
  /// Of a received route: none when it is imported. As of the last imported().
  std::optional<NotImported> why_not_imported(const std::string& peer, const Prefix& prefix) const;

 private:
  struct Peer {
    PeerFacts facts;
    AdjRibIn v4{Family::v4};
    AdjRibIn v6{Family::v6};
    std::set<Prefix> admitted;  // in the kernel through this peer, at most the policy's limit
    std::set<Prefix> refused;   // would be, but for the kernel; they count for the limit
    std::set<Prefix> waiting;   // some of those that would be, but for the limit
    bool more_waiting = false;  // there may be others
    AdjRibIn& of(Family f) { return f == Family::v4 ? v4 : v6; }
    const AdjRibIn& of(Family f) const { return f == Family::v4 ? v4 : v6; }
    std::size_t taken() const { return admitted.size() + refused.size(); }
    bool full() const { return taken() >= facts.import->limit; }
  };
  struct Contender;
  void dirty(const Peer& peer, const Prefix& prefix);
  void dirty_admitted(const Peer& peer);
  void dirty_permitted(const Peer& peer);
  void decide_dirty();
  void decide(const Prefix& prefix);
  bool wake_waiting(Peer& peer);
  bool is_refused(const Prefix& prefix, const Contender& c) const;
  std::vector<Contender> contenders(const Prefix& prefix) const;

  Asn local_as_;
  RouterId router_id_;
  AttributePool pool_;
  std::map<std::string, Peer> peers_;
  std::function<bool(const Prefix&)> ours_;
  std::vector<Prefix> dirty_;
  std::map<Prefix, ImportedRoute> imported_;
  std::map<Prefix, std::map<ImportedHop, std::string>> refused_;
  std::set<Prefix> changed_;
  std::uint64_t import_revision_ = 0;
};

}  // namespace weft::bgp
