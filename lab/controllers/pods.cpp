#include "lab/controllers/pods.h"

#include <algorithm>
#include <map>
#include <tuple>

namespace weft::lab {

bool pod_finished(const json::object& pod) {
  const std::string phase = text(pod, "status/phase");
  return phase == "Succeeded" || phase == "Failed";
}

bool pod_active(const json::object& pod) { return !pod_finished(pod) && !deleting(pod); }

bool pod_ready(const json::object& pod) {
  const auto* c = condition(pod, "Ready");
  return c && text(*c, "status") == "True";
}

bool pod_available(const json::object& pod, std::int64_t min_ready_seconds, Wall::time_point now) {
  if (!pod_ready(pod)) return false;
  if (min_ready_seconds <= 0) return true;
  const auto since = time_at(*condition(pod, "Ready"), "lastTransitionTime");
  return since != Wall::time_point{} && since + std::chrono::seconds(min_ready_seconds) <= now;
}

std::string pod_node(const json::object& pod) { return text(pod, "spec/nodeName"); }

json::object pod_from_template(const json::object& owner, std::string_view api_version, std::string_view kind) {
  const json::object& tmpl = sub(owner, "spec/template");
  json::object metadata;
  for (const std::string_view field : {"labels", "annotations", "finalizers"})
    if (const auto* v = sub(tmpl, "metadata").if_contains(field)) metadata[field] = *v;
  metadata["namespace"] = text(owner, "metadata/namespace");
  // A name is 63 characters at most to serve as a host name; the server adds five.
  metadata["generateName"] = text(owner, "metadata/name").substr(0, 57) + "-";
  metadata["ownerReferences"] = json::array{controller_reference(api_version, kind, owner)};
  return {{"apiVersion", "v1"}, {"kind", "Pod"}, {"metadata", std::move(metadata)}, {"spec", sub(tmpl, "spec")}};
}

std::vector<ObjectPtr> pods_to_delete(std::vector<ObjectPtr> pods, std::size_t count) {
  if (count >= pods.size()) return pods;
  std::map<std::string, int> on_node;
  for (const auto& p : pods) ++on_node[pod_node(**p)];
  const auto rank = [&](const ObjectPtr& p) {
    const json::object& pod = **p;
    const std::string phase = text(pod, "status/phase", "Pending");
    const std::string node = pod_node(pod);
    const bool ready = pod_ready(pod);
    const long cost = std::atol(annotation(pod, "controller.kubernetes.io/pod-deletion-cost").c_str());
    std::int64_t restarts = 0;
    for (const auto& c : list(pod, "status/containerStatuses"))
      if (c.is_object()) restarts = std::max(restarts, number(c.get_object(), "restartCount"));
    return std::tuple(!node.empty(),
                      phase == "Pending"   ? 0
                      : phase == "Unknown" ? 1
                                           : 2,
                      ready, cost, -on_node[node], -restarts, -created(pod).time_since_epoch().count(), p->name);
  };
  std::sort(pods.begin(), pods.end(), [&](const ObjectPtr& a, const ObjectPtr& b) { return rank(a) < rank(b); });
  pods.resize(count);
  return pods;
}

}  // namespace weft::lab
