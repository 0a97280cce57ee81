// IdentityAllocator: a number for a label set, the same on every node, without asking anybody but the API server.
//
// An identity is a CiliumIdentity object whose name is the number, and the API server gives a name away once. Which
// number to try first follows from the labels, so nodes that meet a new label set at the same moment all reach for the
// same name: one creates it, the others are told that it exists, read it, find their own labels and share it. Should
// two objects for one label set come to be all the same (a number in between was freed), the lowest wins everywhere.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "kube/client.h"
#include "model/identity.h"
#include "state/table.h"

namespace weft::identity {

/// Set by the operator on an identity that nobody uses; removed by whoever picks it up again. The value is the time.
inline constexpr const char* kHeartbeatAnnotation = "io.cilium.heartbeat";

/// The k-th number to try for a label set, k from 0. Every number of the range comes once. Pure.
NumericIdentity identity_candidate(const Labels& labels, const IdentityRange& range, std::uint32_t k);

/// The identities of one cluster by number and by labels, kept from the table.
class IdentityIndex {
 public:
  IdentityIndex(Table<Identity>& table, std::string cluster) : stream_(table), cluster_(std::move(cluster)) {}
  /// Takes over what changed; the numbers that went or changed their labels.
  std::vector<NumericIdentity> refresh();
  /// All numbers of a label set; more than one only after a race.
  const std::set<NumericIdentity>& of(const Labels& labels) const;
  bool contains(NumericIdentity id) const { return labels_.contains(id); }
  /// Empty when unknown.
  const Labels& labels(NumericIdentity id) const;

 private:
  void forget(NumericIdentity id);
  Table<Identity>::Stream stream_;
  std::string cluster_;
  std::map<NumericIdentity, Labels> labels_;
  std::map<Labels, std::set<NumericIdentity>> ids_;
};

class IdentityAllocator {
 public:
  /// `identities` holds at least this cluster's CiliumIdentities (a Reflector fills it).
  IdentityAllocator(kube::Client& client, Table<Identity>& identities, std::string cluster, IdentityRange range);

  /// Finds or makes the identity; waits for the first list of this cluster's identities. `labels` must live until the
  /// answer is there.
  /// Errc::exhausted: the range is full.
  Task<Result<NumericIdentity>> allocate(const Labels& labels);

  /// What allocate() would answer without asking the API server; no value when it would have to.
  std::optional<NumericIdentity> known(const Labels& labels);

  /// The identities that pods here use. Of the others nothing is taken for granted any more: while nobody uses them,
  /// the operator may mark and delete them, so the next allocate() asks the API server.
  void in_use(const std::set<NumericIdentity>& ids);

 private:
  struct Fresh {
    NumericIdentity id;
    Steady::time_point since;
  };
  void refresh();
  /// The lowest number for these labels, but none of `except`.
  std::optional<NumericIdentity> find(const Labels& labels, const std::set<NumericIdentity>& except) const;
  Task<Result<NumericIdentity>> settle(const Labels& labels);
  enum class Verdict { ours, gone, foreign };
  /// Reads the object: is it there, with these labels? Removes the operator's mark.
  Task<Result<Verdict>> adopt(NumericIdentity id, const Labels& labels);

  kube::Client& client_;
  Table<Identity>& table_;
  std::string cluster_;
  IdentityRange range_;
  IdentityIndex index_;
  std::map<Labels, Fresh> fresh_;       // made or adopted, not yet seen in the table
  std::set<NumericIdentity> verified_;  // read from the API server since they came into use here
  std::set<Labels> busy_;
  Notifier idle_;
};

}  // namespace weft::identity
