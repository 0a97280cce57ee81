#include "lab/apiserver/node_authorizer.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::lab::api {
namespace {

using Words = std::initializer_list<std::string_view>;

bool one_of(std::string_view word, Words all) { return std::ranges::find(all, word) != all.end(); }
bool reads(const Attributes& a) { return one_of(a.verb, {"get", "list", "watch"}); }

// Names stand in volumes as {secret: {secretName}}, {configMap: {name}}, and as {secretKeyRef: {name}} and the like.
bool refers(const json::value& v, bool secret, const std::string& name) {
  if (v.is_array())
    return std::ranges::any_of(v.get_array(), [&](const json::value& x) { return refers(x, secret, name); });
  if (!v.is_object()) return false;
  for (const auto& [key, value] : v.get_object()) {
    if (secret && key == "secretName" && value.is_string() && value.get_string() == name) return true;
    const bool holder = secret ? one_of(key, {"secret", "secretKeyRef", "secretRef"})
                               : one_of(key, {"configMap", "configMapKeyRef", "configMapRef"});
    if (holder && text(value, {"name"}) == name) return true;
    if (refers(value, secret, name)) return true;
  }
  return false;
}

template <class Fn>
bool any_pod_of(const Policy::Objects& pods, const std::string& node, const std::string& ns, Fn fits) {
  for (auto it = pods.lower_bound(ns + "/"); it != pods.end() && it->second->ns == ns; ++it)
    if (text(it->second->object, {"spec", "nodeName"}) == node && fits(it->second->object)) return true;
  return false;
}

Decision own(bool fits, const std::string& why) { return fits ? Decision{true, ""} : Decision{false, why}; }

}  // namespace

std::string node_name_of(const User& user) {
  constexpr std::string_view kPrefix = "system:node:";
  if (!user.name.starts_with(kPrefix)) return {};
  if (std::ranges::find(user.groups, "system:nodes") == user.groups.end()) return {};
  return user.name.substr(kPrefix.size());
}

bool pod_uses(const json::value& pod, bool secret, const std::string& name) {
  if (const auto* spec = find(pod, {"spec"}); spec != nullptr && refers(*spec, secret, name)) return true;
  return secret && std::ranges::any_of(list(pod, {"spec", "imagePullSecrets"}),
                                       [&](const json::value& s) { return text(s, {"name"}) == name; });
}

Decision node_decision(const Policy::Objects& pods, const std::string& node, const Attributes& a) {
  const auto no_relation = [&] { return fmt::format("no relationship found between node '{}' and this object", node); };
  const std::string what = a.combined();
  if (!a.path.empty()) return {};
  if (a.group == "authorization.k8s.io" || a.group == "authentication.k8s.io")
    return {a.verb == "create" && one_of(what, {"subjectaccessreviews", "tokenreviews"}), ""};
  if (a.group == "coordination.k8s.io" && what == "leases") {
    if (a.ns != "kube-node-lease") return {false, "can only access leases in the \"kube-node-lease\" system namespace"};
    if (a.verb == "create") return {true, ""};
    return own(one_of(a.verb, {"get", "update", "patch", "delete"}) && a.name == node,
               "can only access node lease with the same name as the requesting node");
  }
  if (!a.group.empty()) return {};
  if (what == "nodes" || what == "nodes/status") {
    if (reads(a) || (a.verb == "create" && a.sub.empty())) return {true, ""};
    return own(one_of(a.verb, {"update", "patch"}) && a.name == node,
               fmt::format("node '{}' cannot read or modify node '{}'", node, a.name));
  }
  if (what == "pods" && reads(a)) return {true, ""};
  if ((what == "pods" && a.verb == "delete") || (what == "pods/status" && one_of(a.verb, {"update", "patch"})) ||
      (what == "pods/eviction" && a.verb == "create")) {
    const auto it = pods.find(a.ns + "/" + a.name);
    // A pod that is gone is answered with 404, not with 403.
    return own(it == pods.end() || text(it->second->object, {"spec", "nodeName"}) == node, no_relation());
  }
  if (what == "services" && reads(a)) return {true, ""};
  if (what == "events" && one_of(a.verb, {"create", "update", "patch"})) return {true, ""};
  if ((what == "secrets" || what == "configmaps") && reads(a)) {
    if (a.name.empty()) return {false, "No Object name found"};
    const bool secret = what == "secrets";
    return own(any_pod_of(pods, node, a.ns, [&](const json::value& p) { return pod_uses(p, secret, a.name); }),
               no_relation());
  }
  if (what == "serviceaccounts/token" && a.verb == "create")
    return own(any_pod_of(pods, node, a.ns,
                          [&](const json::value& p) {
                            const auto account = text(p, {"spec", "serviceAccountName"});
                            return (account.empty() ? "default" : account) == a.name;
                          }),
               no_relation());
  return {};
}

}  // namespace weft::lab::api
