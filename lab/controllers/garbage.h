// Who owns whom, and who has to go because nobody owns it any more. Pure.
//
// An object goes when all of its owners are gone. Foreground deletion keeps the owner (finalizer foregroundDeletion)
// until the dependents that block it are gone; orphaning (finalizer orphan) cuts the references first.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "kube/resources.h"
#include "lab/controllers/object.h"

namespace weft::lab {

inline constexpr std::string_view kForegroundFinalizer = "foregroundDeletion";
inline constexpr std::string_view kOrphanFinalizer = "orphan";

struct OwnerRef {
  std::string api_version, kind, name, uid;
  bool blocks = false;  // blockOwnerDeletion
};

struct Owned {
  kube::Resource resource;
  ObjectName name;
  std::string uid;
  std::string version;
  std::vector<OwnerRef> owners;
  std::vector<std::string> finalizers;
  bool deleting = false;
  bool has(std::string_view finalizer) const;
};

Owned owned(const kube::Resource& resource, const json::object& object);

class OwnerGraph {
 public:
  void put(Owned node);
  void drop(const kube::Resource& resource, const ObjectName& name);
  const Owned* by_uid(const std::string& uid) const;
  const Owned* by_name(const kube::Resource& resource, const ObjectName& name) const;
  std::vector<const Owned*> dependents(const std::string& uid) const;

 private:
  using Name = std::pair<std::string, ObjectName>;
  std::map<std::string, Owned> nodes_;                       // by uid
  std::map<Name, std::string> names_;                        // → uid
  std::map<std::string, std::set<std::string>> dependents_;  // owner's uid → uids
};

struct GarbageVerdict {
  enum class Act {
    keep,
    remove,              // delete it, with `propagation`
    cut,                 // drop the references to `uids`, an owner remains
    look_at_dependents,  // it waits for them: judge each of `uids`
    orphan_dependents,   // cut the references of `uids` to it, then drop its finalizer orphan
    release,             // nothing blocks it: drop its finalizer foregroundDeletion
  } act = Act::keep;
  std::string propagation;
  std::set<std::string> uids;
};

/// `gone`: uids of owners that were looked up at the server and are not there. An owner in neither the graph nor
/// `gone` counts as there: ask `unknown_owners` first.
GarbageVerdict judge(const OwnerGraph& graph, const Owned& node, const std::set<std::string>& gone);
std::vector<OwnerRef> unknown_owners(const OwnerGraph& graph, const Owned& node);

/// metadata.ownerReferences without those to `uids`, as a merge patch that fails when the object changed meanwhile.
json::object cut_patch(const json::object& object, const std::set<std::string>& uids);
json::object finalizer_patch(const Owned& node, std::string_view drop);

}  // namespace weft::lab
