#include "lab/node/lifecycle.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::lab {

using namespace std::chrono_literals;

bool ProbeTracker::record(bool ok) {
  run_ = run_ > 0 && last_ == ok ? run_ + 1 : 1;
  last_ = ok;
  if (run_ >= (ok ? success_ : failure_)) {
    verdict_ = ok;
    decided_ = true;
  }
  return verdict_;
}

std::chrono::milliseconds RestartDelay::next(std::chrono::milliseconds ran) {
  if (ran >= 10min) count_ = 0;
  const int n = count_++;
  if (n == 0) return 0ms;
  return std::min<std::chrono::milliseconds>(1s * (1 << std::min(n - 1, 6)), 60s);
}

bool restarts(RestartPolicy policy, bool init, bool sidecar, int code) {
  if (sidecar) return true;
  if (init && code == 0) return false;
  switch (policy) {
    case RestartPolicy::always: return true;
    case RestartPolicy::on_failure: return code != 0;
    case RestartPolicy::never: return false;
  }
  return false;
}

namespace {

json::object ended_json(const Ended& e, const std::string& id) {
  json::object t = {{"exitCode", e.code}, {"reason", e.reason}, {"containerID", id}};
  if (e.signal != 0) t["signal"] = e.signal;
  if (!e.message.empty()) t["message"] = e.message;
  if (!e.started_at.empty()) t["startedAt"] = e.started_at;
  if (!e.finished_at.empty()) t["finishedAt"] = e.finished_at;
  return {{"terminated", t}};
}

json::object container_status(const ContainerSpec& spec, const ContainerState& s) {
  json::object state;
  switch (s.phase) {
    case ContainerState::Phase::waiting: {
      json::object w = {{"reason", s.reason}};
      if (!s.message.empty()) w["message"] = s.message;
      state["waiting"] = w;
      break;
    }
    case ContainerState::Phase::running: state["running"] = json::object{{"startedAt", s.started_at}}; break;
    case ContainerState::Phase::ended: state = ended_json(s.ended, s.id); break;
  }
  json::object out = {{"name", spec.name},
                      {"image", spec.image},
                      {"imageID", ""},
                      {"ready", s.ready},
                      {"restartCount", s.restarts},
                      {"state", state},
                      {"lastState", json::object{}},
                      {"started", s.started}};
  if (s.last) out["lastState"] = ended_json(*s.last, s.id);
  if (!s.id.empty()) out["containerID"] = s.id;
  return out;
}

const json::object* condition_of(const json::object& pod, std::string_view type) {
  for (const auto& item : list(pod, "/status/conditions"))
    if (item.is_object() && str(item.get_object(), "/type") == type) return &item.get_object();
  return nullptr;
}

json::object condition(const json::object& pod, std::string_view type, bool holds, const std::string& reason,
                       const std::string& message, Wall::time_point now) {
  const std::string status = holds ? "True" : "False";
  json::object c = {{"type", type}, {"status", status}, {"lastProbeTime", nullptr}};
  const auto* old = condition_of(pod, type);
  c["lastTransitionTime"] =
      old != nullptr && str(*old, "/status") == status ? str(*old, "/lastTransitionTime") : rfc3339(now);
  if (!holds && !reason.empty()) c["reason"] = reason;
  if (!holds && !message.empty()) c["message"] = message;
  return c;
}

std::string unready(const std::vector<std::pair<const ContainerSpec*, const ContainerState*>>& containers) {
  std::string out;
  for (const auto& [spec, state] : containers)
    if (!state->ready) out += (out.empty() ? "" : " ") + spec->name;
  return out.empty() ? out : fmt::format("containers with unready status: [{}]", out);
}

}  // namespace

std::string pod_phase(const PodView& v) {
  if (!v.failed_reason.empty()) return "Failed";
  using Phase = ContainerState::Phase;
  for (const auto& [spec, state] : v.init)
    if (state->phase == Phase::ended && state->ended.code != 0 &&
        !restarts(v.pod->restart, true, spec->sidecar, state->ended.code))
      return "Failed";
  if (!v.initialized) return "Pending";
  bool all_ended = !v.containers.empty(), any_failed = false, any_started = false;
  for (const auto& [spec, state] : v.containers) {
    const bool over =
        state->phase == Phase::ended && (v.pod->deleting || !restarts(v.pod->restart, false, false, state->ended.code));
    all_ended = all_ended && over;
    any_failed = any_failed || (over && state->ended.code != 0);
    any_started = any_started || state->phase != Phase::waiting || state->last.has_value();
  }
  if (all_ended) return any_failed ? "Failed" : "Succeeded";
  return any_started ? "Running" : "Pending";
}

json::object pod_status(const PodView& v, Wall::time_point now) {
  const std::string phase = pod_phase(v);
  const bool over = phase == "Succeeded" || phase == "Failed";
  const std::string message = unready(v.containers);
  const bool ready = v.initialized && message.empty() && !over;
  const std::string reason = phase == "Succeeded" ? "PodCompleted"
                             : phase == "Failed"  ? "PodFailed"
                                                  : "ContainersNotReady";
  json::array conditions;
  static const std::vector<std::string_view> ours = {"PodReadyToStartContainers", "Initialized", "Ready",
                                                     "ContainersReady"};
  conditions.push_back(condition(v.pod->object, "PodReadyToStartContainers", v.sandbox, "", "", now));
  conditions.push_back(condition(v.pod->object, "Initialized", v.initialized, "ContainersNotInitialized",
                                 "containers with incomplete status", now));
  conditions.push_back(condition(v.pod->object, "Ready", ready, reason, message, now));
  conditions.push_back(condition(v.pod->object, "ContainersReady", ready, reason, message, now));
  for (const auto& item : list(v.pod->object, "/status/conditions"))
    if (item.is_object() && std::ranges::find(ours, str(item.get_object(), "/type")) == ours.end())
      conditions.push_back(item);

  json::object status = {{"phase", phase}, {"conditions", conditions}, {"startTime", v.start_time}};
  if (!v.host_ips.empty()) {
    status["hostIP"] = v.host_ips.front();
    json::array ips;
    for (const auto& ip : v.host_ips) ips.push_back(json::object{{"ip", ip}});
    status["hostIPs"] = ips;
  }
  if (!v.pod_ips.empty()) {
    status["podIP"] = v.pod_ips.front();
    json::array ips;
    for (const auto& ip : v.pod_ips) ips.push_back(json::object{{"ip", ip}});
    status["podIPs"] = ips;
  }
  if (!v.failed_reason.empty()) {
    status["reason"] = v.failed_reason;
    status["message"] = v.failed_message;
  }
  for (const auto& [key, group] : {std::pair{"initContainerStatuses", &v.init}, {"containerStatuses", &v.containers}}) {
    json::array out;
    for (const auto& [spec, state] : *group) out.push_back(container_status(*spec, *state));
    if (!out.empty()) status[key] = out;
  }
  return status;
}

}  // namespace weft::lab
