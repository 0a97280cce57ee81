#include "mesh/global_namespaces.h"

#include <algorithm>
#include <cctype>

namespace weft::mesh {

bool is_global(const kube::Namespace& ns, bool by_default) {
  const auto it = ns.annotations.find(kGlobalNamespaceAnnotation);
  if (it == ns.annotations.end()) return by_default;
  std::string value = it->second;
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::tolower(c); });
  return value == "true";
}

std::string namespace_of(const Identity& identity) {
  const auto it = identity.labels.find("k8s:io.kubernetes.pod.namespace");
  return it == identity.labels.end() ? std::string() : it->second;
}

bool GlobalNamespaces::global(const std::string& ns) const { return ns.empty() ? by_default_ : global_.contains(ns); }

std::set<std::string> GlobalNamespaces::take() {
  std::set<std::string> out;
  for (const auto& c : changes_.next()) {
    const bool now = c.row && is_global(*c.row, by_default_);
    const bool changed = now ? global_.insert(c.key).second : global_.erase(c.key) > 0;
    if (changed) out.insert(c.key);
  }
  return out;
}

}  // namespace weft::mesh
