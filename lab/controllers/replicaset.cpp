#include "lab/controllers/replicaset.h"

#include "lab/controllers/pods.h"
#include "lab/controllers/selector.h"

namespace weft::lab {

bool status_has(const json::object& status, const json::object& wanted) {
  for (const auto& [key, value] : wanted) {
    const auto* have = status.if_contains(key);
    // The server leaves zero counts out.
    if (!have && value.is_int64() && value.get_int64() == 0) continue;
    if (!have || *have != value) return false;
  }
  return true;
}

ReplicaSetPlan plan_replicaset(const json::object& set, const std::vector<ObjectPtr>& pods, Wall::time_point now) {
  ReplicaSetPlan plan;
  const std::string uid = uid_of(set);
  const json::object& selector = sub(set, "spec/selector");
  const Labels template_labels = string_map(set, "spec/template/metadata/labels");
  const std::int64_t min_ready = number(set, "spec/minReadySeconds");
  std::vector<ObjectPtr> mine;
  for (const auto& p : pods) {
    if (!pod_active(**p)) continue;
    if (controlled_by(**p, uid)) {
      mine.push_back(p);
    } else if (!controller_of(**p) && !deleting(set) && selects(selector, string_map(**p, "metadata/labels"))) {
      plan.adopt.push_back(p);
      mine.push_back(p);
    }
  }
  std::int64_t labelled = 0, ready = 0, available = 0;
  for (const auto& p : mine) {
    if (selects_all_of(template_labels, string_map(**p, "metadata/labels"))) ++labelled;
    if (!pod_ready(**p)) continue;
    ++ready;
    if (pod_available(**p, min_ready, now)) {
      ++available;
    } else {
      plan.recheck = true;
    }
  }
  plan.status = {{"replicas", static_cast<std::int64_t>(mine.size())},
                 {"fullyLabeledReplicas", labelled},
                 {"readyReplicas", ready},
                 {"availableReplicas", available},
                 {"observedGeneration", number(set, "metadata/generation")}};
  if (deleting(set)) return plan;
  const auto wanted = static_cast<std::size_t>(std::max<std::int64_t>(0, number(set, "spec/replicas", 1)));
  if (mine.size() < wanted) plan.create = wanted - mine.size();
  if (mine.size() > wanted) plan.remove = pods_to_delete(mine, mine.size() - wanted);
  return plan;
}

}  // namespace weft::lab
