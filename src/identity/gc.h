// Garbage of the identity objects: what nobody uses goes, in two steps so that a newcomer can still pick it up. Pure.
//
// A pass marks an unused identity with the time (annotation io.cilium.heartbeat). A later pass deletes it if it is
// still unused and the mark is older than the limit; the delete is bound to the object's version, and whoever picks
// the identity up meanwhile removes the mark, which changes the version: one in use is never deleted.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "kube/json.h"
#include "model/identity.h"

namespace weft::identity {

namespace json = boost::json;

/// A CiliumIdentity as the collector sees it.
struct IdentityObject {
  using Key = std::string;
  std::string name;
  std::string uid;
  std::string version;
  NumericIdentity id = 0;
  std::optional<Wall::time_point> marked;
  Key key() const { return name; }
  bool operator==(const IdentityObject&) const = default;
};
Result<std::optional<IdentityObject>> parse_identity_object(const json::object& object);

struct IdentityGarbage {
  std::vector<IdentityObject> mark;
  std::vector<IdentityObject> unmark;  // marked, but in use again
  std::vector<IdentityObject> remove;
};
/// `used` are the identities that CiliumEndpoints name.
IdentityGarbage identity_garbage(const std::vector<IdentityObject>& all, const std::set<NumericIdentity>& used,
                                 Wall::time_point now, std::chrono::seconds limit);

/// Names that were suspect for at least `limit`: two-step deletion for objects that cannot be marked.
template <class Name>
class Suspects {
 public:
  explicit Suspects(Duration limit) : limit_(limit) {}
  /// Tells what is suspect now; what is no longer told is cleared. Answers what may go.
  std::vector<Name> look(const std::set<Name>& now_suspect, Steady::time_point now) {
    std::erase_if(since_, [&](const auto& s) { return !now_suspect.contains(s.first); });
    std::vector<Name> out;
    for (const Name& n : now_suspect)
      if (const auto it = since_.try_emplace(n, now).first; now - it->second >= limit_) out.push_back(n);
    return out;
  }

 private:
  Duration limit_;
  std::map<Name, Steady::time_point> since_;
};

}  // namespace weft::identity
