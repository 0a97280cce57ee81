#include "lab/controllers/daemonset.h"

#include <algorithm>
#include <map>
#include <set>

#include "lab/controllers/deployment.h"
#include "lab/controllers/pods.h"
#include "lab/controllers/selector.h"

namespace weft::lab {
namespace {

constexpr std::string_view kRevisionLabel = "controller-revision-hash";

struct Toleration {
  const char* key;
  const char* effect;
  bool host_network_only;
};
constexpr Toleration kDaemonTolerations[] = {
    {"node.kubernetes.io/not-ready", "NoExecute", false},
    {"node.kubernetes.io/unreachable", "NoExecute", false},
    {"node.kubernetes.io/disk-pressure", "NoSchedule", false},
    {"node.kubernetes.io/memory-pressure", "NoSchedule", false},
    {"node.kubernetes.io/pid-pressure", "NoSchedule", false},
    {"node.kubernetes.io/unschedulable", "NoSchedule", false},
    {"node.kubernetes.io/network-unavailable", "NoSchedule", true},
};

// The node a pod is on or meant for.
std::string target_of(const json::object& pod) {
  if (auto node = pod_node(pod); !node.empty()) return node;
  for (const auto& term :
       list(pod, "spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms")) {
    if (!term.is_object()) continue;
    for (const auto& field : list(term.get_object(), "matchFields")) {
      if (!field.is_object() || text(field.get_object(), "key") != "metadata.name") continue;
      const auto& values = list(field.get_object(), "values");
      if (values.size() == 1 && values[0].is_string()) return std::string(values[0].get_string());
    }
  }
  return {};
}

enum class Fit { none, keep, run };  // keep: no new pod there, but one that is stays

Fit fit(const json::object& set, const json::object& node) {
  json::object pod = daemon_pod(set, text(node, "metadata/name"));
  const json::object& spec = sub(pod, "spec");
  if (!node_matches(sub(set, "spec/template/spec"), node)) return Fit::none;
  const auto taint = untolerated_taint(spec, node);
  if (!taint) return Fit::run;
  for (const auto& v : list(node, "spec/taints"))
    if (v.is_object() && text(v.get_object(), "effect") == "NoExecute" && !tolerates(spec, v.get_object()))
      return Fit::none;
  return Fit::keep;
}

struct OnNode {
  std::vector<ObjectPtr> current;  // of the template as it is
  std::vector<ObjectPtr> old;
  bool leaving = false;  // a pod here is still being deleted
};

}  // namespace

std::string daemon_revision(const json::object& set) {
  return short_hash(*find(set, "spec/template"), number(set, "status/collisionCount"));
}

json::object daemon_pod(const json::object& set, const std::string& node) {
  json::object pod = pod_from_template(set, "apps/v1", "DaemonSet");
  json::object& metadata = pod["metadata"].get_object();
  json::object labels = sub(metadata, "labels");
  labels[kRevisionLabel] = daemon_revision(set);
  metadata["labels"] = std::move(labels);
  json::object& spec = pod["spec"].get_object();
  json::array tolerations = list(spec, "tolerations");
  for (const auto& t : kDaemonTolerations)
    if (!t.host_network_only || flag(spec, "hostNetwork"))
      tolerations.push_back(json::object{{"key", t.key}, {"operator", "Exists"}, {"effect", t.effect}});
  spec["tolerations"] = std::move(tolerations);
  json::object affinity = sub(spec, "affinity");
  json::object node_affinity = sub(affinity, "nodeAffinity");
  json::object field{{"key", "metadata.name"}, {"operator", "In"}};
  field["values"] = json::array{json::string(node)};
  json::array fields;
  fields.push_back(std::move(field));
  json::object term;
  term["matchFields"] = std::move(fields);
  json::array terms;
  terms.push_back(std::move(term));
  node_affinity["requiredDuringSchedulingIgnoredDuringExecution"] =
      json::object{{"nodeSelectorTerms", std::move(terms)}};
  affinity["nodeAffinity"] = std::move(node_affinity);
  spec["affinity"] = std::move(affinity);
  return pod;
}

DaemonSetPlan plan_daemonset(const json::object& set, const std::vector<ObjectPtr>& nodes,
                             const std::vector<ObjectPtr>& pods, Wall::time_point now) {
  DaemonSetPlan plan;
  const std::string uid = uid_of(set), revision = daemon_revision(set);
  const std::int64_t min_ready = number(set, "spec/minReadySeconds");
  std::map<std::string, OnNode> on;
  std::set<ObjectName> removed;
  const auto remove = [&](const ObjectPtr& p) {
    if (removed.insert(p->name).second) plan.remove.push_back(p);
  };
  for (const auto& p : pods) {
    if (!controlled_by(**p, uid)) continue;
    auto& here = on[target_of(**p)];
    if (deleting(**p)) {
      here.leaving = true;
    } else if (pod_finished(**p)) {
      // A pod that fails at once (a port is taken) must not be replaced as fast as the server can go.
      here.leaving = true;
      if (created(**p) + std::chrono::seconds(1) <= now) {
        remove(p);
      } else {
        plan.recheck = true;
      }
    } else {
      (label(**p, kRevisionLabel) == revision ? here.current : here.old).push_back(p);
    }
  }

  const auto available = [&](const ObjectPtr& p) { return pod_available(**p, min_ready, now); };
  std::int64_t desired = 0, scheduled = 0, misscheduled = 0, ready = 0, avail = 0, updated = 0;
  std::vector<std::string> runs;  // nodes that shall have a pod
  std::set<std::string> known;
  for (const auto& n : nodes) {
    known.insert(n->name.name);
    const Fit f = fit(set, **n);
    auto& here = on[n->name.name];
    if (f == Fit::run) {
      ++desired;
      runs.push_back(n->name.name);
    }
    if (f == Fit::none) {
      for (const auto& p : here.current) remove(p);
      for (const auto& p : here.old) remove(p);
    }
    // Of several with one revision the available, then the oldest stays.
    for (auto* group : {&here.current, &here.old}) {
      std::stable_sort(group->begin(), group->end(), [&](const ObjectPtr& a, const ObjectPtr& b) {
        return std::tuple(!available(a), created(**a), a->name) < std::tuple(!available(b), created(**b), b->name);
      });
      for (std::size_t i = 1; i < group->size(); ++i) remove((*group)[i]);
      if (group->size() > 1) group->resize(1);
    }
    const ObjectPtr shown = !here.current.empty() ? here.current[0] : !here.old.empty() ? here.old[0] : nullptr;
    if (!shown) continue;
    if (f != Fit::run) {
      ++misscheduled;
      continue;
    }
    ++scheduled;
    if (!here.current.empty()) ++updated;
    bool is_ready = false, is_available = false;
    for (auto* group : {&here.current, &here.old}) {
      for (const auto& p : *group) {
        is_ready |= pod_ready(**p);
        is_available |= available(p);
      }
    }
    ready += is_ready;
    avail += is_available;
    if (is_ready && !is_available) plan.recheck = true;
  }
  // Pods of nodes that are gone.
  for (const auto& [node, here] : on) {
    if (known.contains(node)) continue;
    for (const auto& p : here.current) remove(p);
    for (const auto& p : here.old) remove(p);
  }

  const auto* rolling = find(set, "spec/updateStrategy/rollingUpdate");
  const json::object none;
  const json::object& r = rolling && rolling->is_object() ? rolling->get_object() : none;
  std::int64_t surge = resolve_count(find(r, "maxSurge"), desired, true, 0);
  std::int64_t unavailable = resolve_count(find(r, "maxUnavailable"), desired, true, surge > 0 ? 0 : 1);
  if (surge == 0 && unavailable == 0) unavailable = 1;
  const bool replace = text(set, "spec/updateStrategy/type", "RollingUpdate") == "RollingUpdate";

  std::int64_t missing = 0, surging = 0;
  std::vector<ObjectPtr> candidates;  // healthy pods of an older template
  std::vector<std::string> surge_candidates;
  for (const auto& node : runs) {
    auto& here = on[node];
    if (here.current.empty() && here.old.empty()) {
      ++missing;
      if (!here.leaving) plan.create.push_back(node);
    } else if (here.old.empty()) {
      if (!available(here.current[0])) ++missing;
    } else if (!here.current.empty()) {
      // Both: a surge on its way, or the end of one.
      if (available(here.current[0]) || !available(here.old[0])) {
        remove(here.old[0]);
      } else {
        ++surging;
      }
    } else if (replace && !available(here.old[0])) {
      ++missing;  // it serves nobody: replacing it costs nothing
      remove(here.old[0]);
    } else if (replace && surge > 0) {
      surge_candidates.push_back(node);
    } else if (replace) {
      candidates.push_back(here.old[0]);
    }
  }
  for (const auto& p : candidates) {
    if (missing >= unavailable) break;
    ++missing;
    remove(p);
  }
  for (const auto& node : surge_candidates) {
    if (surging >= surge) break;
    ++surging;
    plan.create.push_back(node);
  }

  plan.status = {{"currentNumberScheduled", scheduled},
                 {"desiredNumberScheduled", desired},
                 {"numberMisscheduled", misscheduled},
                 {"numberReady", ready},
                 {"numberAvailable", avail},
                 {"numberUnavailable", desired - avail},
                 {"updatedNumberScheduled", updated},
                 {"observedGeneration", number(set, "metadata/generation")}};
  if (deleting(set)) {
    plan.create.clear();
    plan.remove.clear();
  }
  return plan;
}

}  // namespace weft::lab
