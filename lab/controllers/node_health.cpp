#include "lab/controllers/node_health.h"

#include <algorithm>

namespace weft::lab {
namespace {

struct ConditionTaint {
  const char* condition;
  const char* status;
  const char* taint;
};
constexpr ConditionTaint kTaints[] = {
    {"Ready", "False", "node.kubernetes.io/not-ready"},
    {"Ready", "Unknown", "node.kubernetes.io/unreachable"},
    {"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    {"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
    {"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
};
constexpr const char* kCordoned = "node.kubernetes.io/unschedulable";

bool by_condition(const json::object& taint) {
  const std::string key = text(taint, "key");
  if (text(taint, "effect") != "NoSchedule") return false;
  return key == kCordoned ||
         std::any_of(std::begin(kTaints), std::end(kTaints), [&](const auto& t) { return key == t.taint; });
}

bool wanted(const json::object& node, const std::string& key) {
  if (key == kCordoned) return flag(node, "spec/unschedulable");
  for (const auto& t : kTaints) {
    if (key != t.taint) continue;
    const auto* c = condition(node, t.condition);
    // A node that has not said anything yet is as good as one that says no.
    const std::string status = c ? text(*c, "status") : std::string(t.condition) == "Ready" ? "False" : "";
    if (status == t.status) return true;
  }
  return false;
}

}  // namespace

json::array taints_by_condition(const json::object& node) {
  json::array out;
  std::vector<std::string> have;
  for (const auto& v : list(node, "spec/taints")) {
    if (!v.is_object()) continue;
    const std::string key = text(v.get_object(), "key");
    if (by_condition(v.get_object())) {
      if (!wanted(node, key)) continue;
      have.push_back(key);
    }
    out.push_back(v);
  }
  std::vector<std::string> keys{kCordoned};
  for (const auto& t : kTaints) keys.emplace_back(t.taint);
  for (const auto& key : keys)
    if (wanted(node, key) && std::find(have.begin(), have.end(), key) == have.end())
      out.push_back(json::object{{"key", key}, {"effect", "NoSchedule"}});
  return out;
}

json::array conditions_unknown(const json::object& node, Wall::time_point now) {
  json::array out;
  bool ready = false;
  for (const auto& v : list(node, "status/conditions")) {
    if (!v.is_object()) continue;
    json::object c = v.get_object();
    const std::string type = text(c, "type");
    ready |= type == "Ready";
    // NetworkUnavailable is told by the network's own agent.
    if (type != "NetworkUnavailable" && text(c, "status") != "Unknown") {
      c["status"] = "Unknown";
      c["reason"] = "NodeStatusUnknown";
      c["message"] = "Kubelet stopped posting node status.";
      c["lastTransitionTime"] = rfc3339(now);
    }
    out.push_back(std::move(c));
  }
  if (!ready)
    out.push_back(json::object{{"type", "Ready"},
                               {"status", "Unknown"},
                               {"reason", "NodeStatusNeverUpdated"},
                               {"message", "Kubelet never posted node status."},
                               {"lastTransitionTime", rfc3339(now)}});
  return out;
}

std::optional<json::array> pod_conditions_lost(const json::object& pod, Wall::time_point now) {
  json::array out;
  bool changed = false;
  for (const auto& v : list(pod, "status/conditions")) {
    if (!v.is_object()) continue;
    json::object c = v.get_object();
    if (text(c, "type") == "Ready" && text(c, "status") != "False") {
      c["status"] = "False";
      c["reason"] = "NodeNotReady";
      c["lastTransitionTime"] = rfc3339(now);
      changed = true;
    }
    out.push_back(std::move(c));
  }
  if (!changed) return std::nullopt;
  return out;
}

}  // namespace weft::lab
