#include "identity/gc.h"

#include <charconv>

#include "identity/allocator.h"

namespace weft::identity {

Result<std::optional<IdentityObject>> parse_identity_object(const json::object& object) {
  IdentityObject o;
  o.name = kube::name_of(object).name;
  o.uid = kube::uid_of(object);
  o.version = kube::version_of(object);
  const auto [end, ec] = std::from_chars(o.name.data(), o.name.data() + o.name.size(), o.id);
  // Not a number: not ours to collect.
  if (ec != std::errc{} || end != o.name.data() + o.name.size()) return std::optional<IdentityObject>();
  const auto marked = kube::text_at(kube::object_at(kube::metadata(object), "annotations"), kHeartbeatAnnotation);
  if (!marked.empty()) o.marked = parse_rfc3339(marked);
  return o;
}

IdentityGarbage identity_garbage(const std::vector<IdentityObject>& all, const std::set<NumericIdentity>& used,
                                 Wall::time_point now, std::chrono::seconds limit) {
  IdentityGarbage out;
  for (const auto& o : all) {
    if (used.contains(o.id)) {
      if (o.marked) out.unmark.push_back(o);
    } else if (!o.marked || *o.marked > now + std::chrono::minutes(5)) {  // a mark from the future says nothing
      out.mark.push_back(o);
    } else if (now - *o.marked >= limit) {
      out.remove.push_back(o);
    }
  }
  return out;
}

}  // namespace weft::identity
