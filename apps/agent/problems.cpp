#include "apps/agent/problems.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::agent {

void Problems::add(std::string kind, std::string object, std::string why) {
  if (!why.empty()) all_.push_back({std::move(kind), std::move(object), std::move(why)});
}

void Problems::add_frontends(const ReconcileHealth& maps, const Table<Frontend>& frontends) {
  if (maps.errors.empty()) return;
  std::map<std::string, std::string> rest = maps.errors;
  frontends.for_each([&](const Frontend& f) {
    const auto it = rest.find(f.address.to_string());
    if (it == rest.end()) return;
    add("Service", f.service.to_string(), std::move(it->second));
    rest.erase(it);
  });
  // Gone from the table, but not yet from the maps.
  for (auto& [key, why] : rest) add("", "", fmt::format("frontend {} cannot be removed: {}", key, why));
}

void Problems::add_endpoints(const Table<identity::Endpoint>& endpoints, const ReconcileHealth* objects) {
  std::map<std::string, std::string> failed;
  if (objects) failed = objects->errors;
  endpoints.for_each([&](const identity::Endpoint& e) {
    if (e.why.empty()) return;
    failed.erase(e.pod.to_string());  // said here
    add("Pod", e.pod.to_string(), e.state + ": " + e.why);
  });
  for (auto& [pod, why] : failed) add("Pod", pod, "its CiliumEndpoint cannot be written: " + why);
}

void Problems::add_source(const std::string& kind, const kube::ReflectorHealth& health) {
  for (const auto& [name, why] : health.bad)
    add(kind, name.to_string(),
        why + ": mend the object; until then its last readable state, if there was one, stays in force");
  if (!health.error.empty()) add("", "", fmt::format("watching {}: {}", kind, health.error));
}

std::vector<api::Problem> Problems::take() && {
  std::sort(all_.begin(), all_.end());
  all_.erase(std::unique(all_.begin(), all_.end()), all_.end());
  return std::move(all_);
}

std::string error_of(const ReconcileHealth& maps, const FrontendKey& frontend) {
  if (maps.errors.empty()) return "";
  const auto it = maps.errors.find(frontend.to_string());
  return it == maps.errors.end() ? "" : it->second;
}

}  // namespace weft::agent
