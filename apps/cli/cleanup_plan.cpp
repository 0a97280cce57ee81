#include "apps/cli/cleanup_plan.h"

#include <boost/json.hpp>

#include <algorithm>

#include "apps/cli/objects.h"

namespace weft::cli {

namespace {

bool cleans_up(const json::object& container) {
  const auto& args = list(container, {"args"});
  return std::any_of(args.begin(), args.end(), [](const json::value& a) {
    return a.is_string() && std::string_view(a.as_string()) == kCleanupFlag;
  });
}

bool is_agent(const json::object& container) { return text(container, {"name"}) == "weft-agent"; }

bool has_condition(const json::object& o, std::string_view type, std::string_view status) {
  for (const auto& c : list(o, {"status", "conditions"}))
    if (const auto* condition = c.if_object(); condition && text(*condition, {"type"}) == type)
      return text(*condition, {"status"}) == status;
  return false;
}

/// What a container said when it last ended, or why it does not run.
std::string trouble(const json::object& pod) {
  for (const auto& s : list(pod, {"status", "containerStatuses"})) {
    const auto* c = s.if_object();
    if (!c) continue;
    for (const char* state : {"state", "lastState"}) {
      const auto* code = find(*c, {state, "terminated", "exitCode"});
      if (!code) continue;
      auto said = text(*c, {state, "terminated", "message"});
      while (said.ends_with('\n')) said.pop_back();
      std::replace(said.begin(), said.end(), '\n', ';');
      return said.empty() ? "the cleanup failed; see kubectl logs of pod " + name_of(pod) : said;
    }
    const auto reason = text(*c, {"state", "waiting", "reason"});
    if (!reason.empty() && reason != "ContainerCreating" && reason != "PodInitializing") {
      const auto message = text(*c, {"state", "waiting", "message"});
      return message.empty() ? reason : reason + ": " + message;
    }
  }
  return {};
}

std::string waits_for(const json::object& pod) {
  const auto& containers = list(pod, {"spec", "containers"});
  const bool cleaner = std::any_of(containers.begin(), containers.end(), [](const json::value& c) {
    return c.is_object() && is_agent(c.as_object()) && cleans_up(c.as_object());
  });
  if (!cleaner || find(pod, {"metadata", "deletionTimestamp"})) return "its agent to end";
  if (has_condition(pod, "Ready", "True")) return {};
  const auto why = trouble(pod);
  return why.empty() ? "the cleanup" : why;
}

}  // namespace

Result<json::object> cleanup_patch(const json::object& daemon_set) {
  json::array containers = list(daemon_set, {"spec", "template", "spec", "containers"});
  bool found = false;
  for (auto& c : containers) {
    if (!c.is_object() || !is_agent(c.as_object())) continue;
    found = true;
    auto& agent = c.as_object();
    // How the cleanup failed is then said by the pod's status.
    agent["terminationMessagePolicy"] = "FallbackToLogsOnError";
    if (cleans_up(agent)) continue;
    json::array args = list(agent, {"args"});
    args.emplace_back(kCleanupFlag);
    agent["args"] = std::move(args);
  }
  if (!found)
    return fail(Errc::invalid, fmt::format("DaemonSet {}: has no container weft-agent: run weft upgrade, or uninstall "
                                           "with --keep-datapath and clean the nodes by hand",
                                           name_of(daemon_set)));
  if (text(daemon_set, {"metadata", "annotations", kCleanupAnnotation}) != "1")
    return fail(Errc::invalid, fmt::format("DaemonSet {}: its agents are of a release that cannot clean nodes up "
                                           "(annotation {} is not \"1\"): run weft upgrade first, or uninstall with "
                                           "--keep-datapath",
                                           name_of(daemon_set), kCleanupAnnotation));
  json::object rolling{{"maxUnavailable", "100%"}, {"maxSurge", 0}};
  json::object spec{{"updateStrategy", json::object{{"type", "RollingUpdate"}, {"rollingUpdate", std::move(rolling)}}}};
  spec["template"] = json::object{{"spec", json::object{{"containers", std::move(containers)}}}};
  return json::object{{"apiVersion", "apps/v1"},
                      {"kind", "DaemonSet"},
                      {"metadata", json::object{{"name", name_of(daemon_set)},
                                                {"namespace", text(daemon_set, {"metadata", "namespace"})}}},
                      {"spec", std::move(spec)}};
}

std::string CleanupProgress::missing() const {
  if (done()) return {};
  if (!begun) return "the agents' DaemonSet to be taken up by its controller";
  std::string out =
      fmt::format("nodes to be cleaned, {} of {} are", clean.size(), wanted - std::min(wanted, lost.size()));
  for (const auto& [node, what] : waiting) out += fmt::format("; {}: {}", node, what);
  return out;
}

CleanupProgress cleanup_progress(const json::object& daemon_set, const std::vector<json::object>& pods,
                                 const std::vector<json::object>& nodes) {
  CleanupProgress p;
  p.begun = number(daemon_set, {"status", "observedGeneration"}) >= number(daemon_set, {"metadata", "generation"});
  p.wanted = static_cast<std::size_t>(number(daemon_set, {"status", "desiredNumberScheduled"}));
  std::map<std::string, std::string> of_node;  // a node has two pods while one replaces the other
  for (const auto& pod : pods) {
    const auto node = text(pod, {"spec", "nodeName"});
    if (node.empty()) continue;
    auto why = waits_for(pod);
    const auto [it, first] = of_node.emplace(node, why);
    if (!first && it->second.empty()) it->second = std::move(why);
  }
  for (auto& [node, why] : of_node) {
    const auto object =
        std::find_if(nodes.begin(), nodes.end(), [&](const json::object& n) { return name_of(n) == node; });
    if (object == nodes.end()) {
      // The DaemonSet wants a pod on each Node: one whose Node is gone must not stand for another.
      if (!why.empty()) p.gone.push_back(node);
      continue;
    }
    // The kubelet itself says True or False; Unknown says that it has been silent.
    const bool silent = has_condition(*object, "Ready", "Unknown");
    if (why.empty()) {
      p.clean.push_back(node);
    } else if (silent) {
      p.lost.push_back(node);
    } else {
      p.waiting.emplace(node, std::move(why));
    }
  }
  return p;
}

}  // namespace weft::cli
