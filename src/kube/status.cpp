#include "kube/status.h"

#include <boost/json.hpp>

#include "kube/json.h"

namespace weft::kube {

Task<Result<json::object>> patch_status(Client& client, const Resource& resource, std::string_view ns,
                                        std::string_view name, const json::object& status, std::string_view version) {
  json::object patch;
  if (!version.empty()) metadata_of(patch)["resourceVersion"] = version;
  patch["status"] = status;
  PatchOptions options;
  options.subresource = "status";
  return client.patch(resource, ns, name, PatchType::merge, patch, options);
}

bool set_condition(json::array& conditions, const Condition& c, Wall::time_point now) {
  const std::string status = c.holds ? "True" : "False";
  json::object next{{"type", c.type},
                    {"status", status},
                    {"reason", c.reason},
                    {"message", c.message},
                    {"lastTransitionTime", rfc3339(now)}};
  if (c.observed_generation > 0) next["observedGeneration"] = c.observed_generation;
  for (auto& entry : conditions) {
    if (!entry.is_object() || text_at(entry.get_object(), "type") != c.type) continue;
    auto& old = entry.get_object();
    if (text_at(old, "status") == status && old.contains("lastTransitionTime"))
      next["lastTransitionTime"] = old["lastTransitionTime"];
    if (old == next) return false;
    old = std::move(next);
    return true;
  }
  conditions.push_back(std::move(next));
  return true;
}

}  // namespace weft::kube
