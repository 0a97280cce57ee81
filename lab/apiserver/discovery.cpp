#include "lab/apiserver/discovery.h"

#include <fmt/format.h>

namespace weft::lab::api {
namespace {

json::array array_of(const std::vector<std::string>& v) {
  json::array out;
  for (const auto& s : v) out.emplace_back(s);
  return out;
}

std::vector<std::string> verbs(const Kind&) {
  return {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"};
}

struct Sub {
  std::string name;
  std::string group, version, kind;
  std::vector<std::string> verbs;
};

std::vector<Sub> subresources(const Kind& k) {
  std::vector<Sub> out;
  for (const auto& s : k.subresources) {
    if (s == "scale")
      out.push_back({s, "autoscaling", "v1", "Scale", {"get", "patch", "update"}});
    else if (s == "status")
      out.push_back({s, k.group, k.version, k.kind, {"get", "patch", "update"}});
    else if (s == "binding")
      out.push_back({s, "", "v1", "Binding", {"create"}});
    else if (s == "eviction")
      out.push_back({s, "policy", "v1", "Eviction", {"create"}});
    else if (s == "token")
      out.push_back({s, "authentication.k8s.io", "v1", "TokenRequest", {"create"}});
    else if (s == "finalize")
      out.push_back({s, k.group, k.version, k.kind, {"update"}});
  }
  return out;
}

// Kinds that are asked and answered at once, never stored.
struct Review {
  const char *group, *plural, *singular, *kind;
  bool namespaced;
};
constexpr Review kReviews[] = {
    {"authorization.k8s.io", "selfsubjectaccessreviews", "selfsubjectaccessreview", "SelfSubjectAccessReview", false},
    {"authorization.k8s.io", "subjectaccessreviews", "subjectaccessreview", "SubjectAccessReview", false},
    {"authorization.k8s.io", "localsubjectaccessreviews", "localsubjectaccessreview", "LocalSubjectAccessReview", true},
    {"authorization.k8s.io", "selfsubjectrulesreviews", "selfsubjectrulesreview", "SelfSubjectRulesReview", false},
    {"authentication.k8s.io", "tokenreviews", "tokenreview", "TokenReview", false},
    {"authentication.k8s.io", "selfsubjectreviews", "selfsubjectreview", "SelfSubjectReview", false},
};

}  // namespace

json::object version_info() {
  return {{"major", "1"},        {"minor", "32"},           {"gitVersion", kGitVersion},
          {"gitCommit", ""},     {"gitTreeState", "clean"}, {"buildDate", "1970-01-01T00:00:00Z"},
          {"goVersion", "none"}, {"compiler", "gcc"},       {"platform", "linux/amd64"}};
}

json::object api_versions(const std::string& server_address) {
  return {{"kind", "APIVersions"},
          {"versions", json::array{"v1"}},
          {"serverAddressByClientCIDRs",
           json::array{json::object{{"clientCIDR", "0.0.0.0/0"}, {"serverAddress", server_address}}}}};
}

json::object api_group(const Kinds& kinds, const std::string& group) {
  json::array versions;
  for (const auto& v : kinds.versions(group))
    versions.push_back(json::object{{"groupVersion", group + "/" + v}, {"version", v}});
  json::object out{{"kind", "APIGroup"}, {"apiVersion", "v1"}, {"name", group}};
  if (!versions.empty()) out["preferredVersion"] = versions[0];
  out["versions"] = std::move(versions);
  return out;
}

json::object api_group_list(const Kinds& kinds) {
  json::array groups;
  for (const auto& g : kinds.groups()) {
    auto group = api_group(kinds, g);
    group.erase("kind");
    group.erase("apiVersion");
    groups.push_back(std::move(group));
  }
  return {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(groups)}};
}

json::object api_resource_list(const Kinds& kinds, const std::string& group, const std::string& version) {
  json::array resources;
  for (const auto& k : kinds.of(group, version)) {
    json::object r{{"name", k->plural},
                   {"singularName", k->singular},
                   {"namespaced", k->namespaced},
                   {"kind", k->kind},
                   {"verbs", array_of(verbs(*k))}};
    if (!k->short_names.empty()) r["shortNames"] = array_of(k->short_names);
    if (!k->categories.empty()) r["categories"] = array_of(k->categories);
    resources.push_back(std::move(r));
    for (const auto& s : subresources(*k)) {
      json::object sub{{"name", k->plural + "/" + s.name}, {"singularName", ""}, {"namespaced", k->namespaced}};
      if (s.group != k->group || s.version != k->version) {
        sub["group"] = s.group;
        sub["version"] = s.version;
      }
      sub["kind"] = s.kind;
      sub["verbs"] = array_of(s.verbs);
      resources.push_back(std::move(sub));
    }
  }
  for (const auto& r : kReviews)
    if (group == r.group && version == "v1")
      resources.push_back(json::object{{"name", r.plural},
                                       {"singularName", r.singular},
                                       {"namespaced", r.namespaced},
                                       {"kind", r.kind},
                                       {"verbs", json::array{"create"}}});
  return {{"kind", "APIResourceList"},
          {"apiVersion", "v1"},
          {"groupVersion", group.empty() ? version : group + "/" + version},
          {"resources", std::move(resources)}};
}

json::object aggregated_discovery(const Kinds& kinds, bool core, const std::string& api_version) {
  const auto kind_of = [](const std::string& g, const std::string& v, const std::string& k) {
    return json::object{{"group", g}, {"version", v}, {"kind", k}};
  };
  json::array groups;
  for (const auto& group : core ? std::vector<std::string>{""} : kinds.groups()) {
    json::array versions;
    for (const auto& version : kinds.versions(group)) {
      json::array resources;
      for (const auto& k : kinds.of(group, version)) {
        json::object r{{"resource", k->plural},
                       {"responseKind", kind_of(group, version, k->kind)},
                       {"scope", k->namespaced ? "Namespaced" : "Cluster"},
                       {"singularResource", k->singular},
                       {"verbs", array_of(verbs(*k))}};
        if (!k->short_names.empty()) r["shortNames"] = array_of(k->short_names);
        if (!k->categories.empty()) r["categories"] = array_of(k->categories);
        json::array subs;
        for (const auto& s : subresources(*k))
          subs.push_back(json::object{{"subresource", s.name},
                                      {"responseKind", kind_of(s.group, s.version, s.kind)},
                                      {"verbs", array_of(s.verbs)}});
        if (!subs.empty()) r["subresources"] = std::move(subs);
        resources.push_back(std::move(r));
      }
      for (const auto& r : kReviews)
        if (group == r.group)
          resources.push_back(json::object{{"resource", r.plural},
                                           {"responseKind", kind_of(r.group, "v1", r.kind)},
                                           {"scope", r.namespaced ? "Namespaced" : "Cluster"},
                                           {"singularResource", r.singular},
                                           {"verbs", json::array{"create"}}});
      versions.push_back(
          json::object{{"version", version}, {"resources", std::move(resources)}, {"freshness", "Current"}});
    }
    json::object metadata{{"creationTimestamp", nullptr}};
    if (!group.empty()) metadata["name"] = group;
    groups.push_back(json::object{{"metadata", std::move(metadata)}, {"versions", std::move(versions)}});
  }
  return {{"kind", "APIGroupDiscoveryList"},
          {"apiVersion", "apidiscovery.k8s.io/" + api_version},
          {"metadata", json::object{}},
          {"items", std::move(groups)}};
}

}  // namespace weft::lab::api
