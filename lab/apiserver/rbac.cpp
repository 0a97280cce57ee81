#include "lab/apiserver/rbac.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "lab/apiserver/node_authorizer.h"

namespace weft::lab::api {
namespace {

bool has(const json::value& rule, std::string_view field, std::string_view word) {
  return std::ranges::any_of(list(rule, {field}),
                             [&](const json::value& v) { return v.is_string() && v.get_string() == word; });
}
bool has_or_all(const json::value& rule, std::string_view field, std::string_view word) {
  return has(rule, field, "*") || has(rule, field, word);
}

bool path_matches(const json::value& rule, const std::string& path) {
  return std::ranges::any_of(list(rule, {"nonResourceURLs"}), [&](const json::value& v) {
    if (!v.is_string()) return false;
    const std::string_view url = v.get_string();
    return url == "*" || url == path || (url.ends_with('*') && path.starts_with(url.substr(0, url.size() - 1)));
  });
}

bool rule_allows(const json::value& rule, const Attributes& a) {
  if (!has_or_all(rule, "verbs", a.verb)) return false;
  if (!a.path.empty()) return path_matches(rule, a.path);
  if (!has_or_all(rule, "apiGroups", a.group)) return false;
  // "*" is every resource with its subresources; "nodes" is not "nodes/status"; "*/scale" is the scale of anything.
  if (!has_or_all(rule, "resources", a.combined()) && (a.sub.empty() || !has(rule, "resources", "*/" + a.sub)))
    return false;
  return list(rule, {"resourceNames"}).empty() || (!a.name.empty() && has(rule, "resourceNames", a.name));
}

// `ns`: the binding's own, which a ServiceAccount without one is in.
bool subject_is(const json::value& subject, const User& user, const std::string& ns) {
  const auto kind = text(subject, {"kind"}), name = text(subject, {"name"});
  if (kind == "User") return name == user.name;
  if (kind == "Group") return std::ranges::find(user.groups, name) != user.groups.end();
  if (kind != "ServiceAccount") return false;
  const auto own = text(subject, {"namespace"});
  const std::string& in = own.empty() ? ns : own;
  return !in.empty() && user.name == fmt::format("system:serviceaccount:{}:{}", in, name);
}

const json::value* subject_of(const json::value& binding, const User& user, const std::string& ns) {
  for (const auto& s : list(binding, {"subjects"}))
    if (subject_is(s, user, ns)) return &s;
  return nullptr;
}

// Calls `visit` with each rule that a binding gives the user, and where it comes from, until it returns false. Returns
// what is wrong with bindings that give nothing.
std::string visit_rules(const Policy& policy, const User& user, const std::string& ns,
                        const std::function<bool(const json::value& rule, const std::string& source)>& visit) {
  std::string missing;
  bool more = true;
  const auto follow = [&](const Stored& binding, const char* kind) {
    const auto* subject = subject_of(binding.object, user, binding.ns);
    if (subject == nullptr) return;
    const auto role = text(binding.object, {"roleRef", "name"});
    const bool cluster_wide = text(binding.object, {"roleRef", "kind"}) == "ClusterRole";
    const auto& from = cluster_wide ? policy.cluster_roles : policy.roles;
    const auto it = from.find(cluster_wide ? role : binding.ns + "/" + role);
    if (it == from.end()) {
      missing += fmt::format("{}{}.rbac.authorization.k8s.io \"{}\" not found", missing.empty() ? "RBAC: " : ", ",
                             cluster_wide ? "clusterrole" : "role", role);
      return;
    }
    const auto source =
        fmt::format("RBAC: allowed by {} \"{}\" of {} \"{}\" to {} \"{}\"", kind,
                    binding.ns.empty() ? binding.name : binding.name + "/" + binding.ns,
                    cluster_wide ? "ClusterRole" : "Role", role, text(*subject, {"kind"}), text(*subject, {"name"}));
    for (const auto& rule : list(it->second->object, {"rules"}))
      if (more) more = visit(rule, source);
  };
  for (const auto& [key, binding] : policy.cluster_role_bindings)
    if (more) follow(*binding, "ClusterRoleBinding");
  if (ns.empty()) return missing;
  for (auto it = policy.role_bindings.lower_bound(ns + "/"); it != policy.role_bindings.end(); ++it) {
    if (it->second->ns != ns || !more) break;
    follow(*it->second, "RoleBinding");
  }
  return missing;
}

json::array words(std::initializer_list<const char*> all) { return json::array(all.begin(), all.end()); }

}  // namespace

Attributes attributes_of(const std::string& method, const std::vector<std::string>& parts,
                         const std::map<std::string, std::string>& query) {
  Attributes a;
  const std::size_t base = parts.empty() ? 0 : parts[0] == "api" ? 2 : parts[0] == "apis" ? 3 : 0;
  if (base == 0 || parts.size() <= base) {
    for (const auto& p : parts) a.path += "/" + p;
    if (a.path.empty()) a.path = "/";
    a.verb = method;
    std::ranges::transform(a.verb, a.verb.begin(), [](unsigned char c) { return std::tolower(c); });
    return a;
  }
  if (base == 3) a.group = parts[1];
  std::vector<std::string> rest(parts.begin() + static_cast<std::ptrdiff_t>(base), parts.end());
  if (rest[0] == "namespaces" && rest.size() > 1) {
    a.ns = rest[1];
    if (rest.size() > 2 && rest[2] != "status" && rest[2] != "finalize") rest.erase(rest.begin(), rest.begin() + 2);
  }
  a.resource = rest[0];
  if (rest.size() > 1) a.name = rest[1];
  if (rest.size() > 2) a.sub = rest[2];
  const auto watch = query.find("watch");
  const bool watches = watch != query.end() && (watch->second == "true" || watch->second == "1");
  if (method == "GET" || method == "HEAD")
    a.verb = watches ? "watch" : a.name.empty() ? "list" : "get";
  else if (method == "DELETE")
    a.verb = a.name.empty() ? "deletecollection" : "delete";
  else
    a.verb = method == "POST" ? "create" : method == "PUT" ? "update" : method == "PATCH" ? "patch" : method;
  if (const auto it = query.find("fieldSelector");
      a.name.empty() && it != query.end() && (a.verb == "list" || a.verb == "watch" || a.verb == "deletecollection")) {
    const std::string& s = it->second;
    for (std::size_t begin = 0; begin < s.size();) {
      const auto end = std::min(s.find(',', begin), s.size());
      std::string_view term = std::string_view(s).substr(begin, end - begin);
      begin = end + 1;
      constexpr std::string_view kName = "metadata.name=";
      if (!term.starts_with(kName)) continue;
      term.remove_prefix(kName.size());
      if (term.starts_with('=')) term.remove_prefix(1);
      a.name = term;
    }
  }
  return a;
}

Decision decide(const Policy& policy, const User& user, const Attributes& wanted) {
  if (std::ranges::find(user.groups, "system:masters") != user.groups.end()) return {true, ""};
  std::string of_node;
  if (const auto node = node_name_of(user); !node.empty()) {
    auto d = node_decision(policy.pods, node, wanted);
    if (d.allowed) return d;
    of_node = std::move(d.reason);
  }
  Decision out;
  auto missing = visit_rules(policy, user, wanted.ns, [&](const json::value& rule, const std::string& source) {
    if (rule_allows(rule, wanted)) out = {true, source};
    return !out.allowed;
  });
  if (!out.allowed) out.reason = of_node.empty() ? missing : of_node;
  return out;
}

std::vector<json::value> rules_of(const Policy& policy, const User& user, const std::string& ns) {
  std::vector<json::value> out;
  visit_rules(policy, user, ns, [&](const json::value& rule, const std::string&) {
    out.push_back(rule);
    return true;
  });
  return out;
}

std::string refusal_text(const User& user, const Attributes& a, const std::string& reason) {
  std::string out = a.path.empty() ? fmt::format("User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}",
                                                 user.name, a.verb, a.combined(), a.group,
                                                 a.ns.empty() ? std::string("at the cluster scope")
                                                              : fmt::format("in the namespace \"{}\"", a.ns))
                                   : fmt::format("User \"{}\" cannot {} path \"{}\"", user.name, a.verb, a.path);
  return reason.empty() ? out : out + ": " + reason;
}

std::vector<json::value> bootstrap_policy() {
  std::vector<json::value> out;
  const auto add = [&](const char* name, const char* group, json::array rules) {
    const json::object meta{{"name", name},
                            {"labels", json::object{{"kubernetes.io/bootstrapping", "rbac-defaults"}}},
                            {"annotations", json::object{{"rbac.authorization.kubernetes.io/autoupdate", "true"}}}};
    out.push_back(json::object{{"kind", "ClusterRole"}, {"metadata", meta}, {"rules", std::move(rules)}});
    out.push_back(json::object{
        {"kind", "ClusterRoleBinding"},
        {"metadata", meta},
        {"roleRef", json::object{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "ClusterRole"}, {"name", name}}},
        {"subjects",
         json::array{json::object{{"apiGroup", "rbac.authorization.k8s.io"}, {"kind", "Group"}, {"name", group}}}}});
  };
  add("cluster-admin", "system:masters",
      {json::object{{"apiGroups", words({"*"})}, {"resources", words({"*"})}, {"verbs", words({"*"})}},
       json::object{{"nonResourceURLs", words({"*"})}, {"verbs", words({"*"})}}});
  add("system:discovery", "system:authenticated",
      {json::object{{"nonResourceURLs", words({"/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi",
                                               "/openapi/*", "/readyz", "/version", "/version/"})},
                    {"verbs", words({"get"})}}});
  add("system:basic-user", "system:authenticated",
      {json::object{{"apiGroups", words({"authorization.k8s.io"})},
                    {"resources", words({"selfsubjectaccessreviews", "selfsubjectrulesreviews"})},
                    {"verbs", words({"create"})}},
       json::object{{"apiGroups", words({"authentication.k8s.io"})},
                    {"resources", words({"selfsubjectreviews"})},
                    {"verbs", words({"create"})}}});
  return out;
}

}  // namespace weft::lab::api
