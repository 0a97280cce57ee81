// Who may do what: RBAC as rbac.authorization.k8s.io/v1 has it, and what a kubelet may do by being one. Pure: values of
// the cache in, a decision out.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "lab/apiserver/http.h"
#include "lab/apiserver/json.h"
#include "lab/apiserver/store.h"

namespace weft::lab::api {

/// What a request wants, in the words of RBAC.
struct Attributes {
  std::string verb;  // get, list, watch, create, update, patch, delete, deletecollection; of a path: the method
  std::string group, resource, sub, ns, name;
  std::string path;  // of a request that is not about a resource, else empty

  /// "nodes/status"
  std::string combined() const { return sub.empty() ? resource : resource + "/" + sub; }
};

/// `parts`: the path's segments. A namespace itself is in the namespace of its name, and a list or a watch that selects
/// one metadata.name has that name, as in the real server (apiserver/pkg/endpoints/request).
Attributes attributes_of(const std::string& method, const std::vector<std::string>& parts,
                         const std::map<std::string, std::string>& query);

/// Where decisions come from: the cache's objects by "namespace/name" (cluster-wide ones by name).
struct Policy {
  using Objects = std::map<std::string, StoredPtr>;
  const Objects& cluster_roles;
  const Objects& cluster_role_bindings;
  const Objects& roles;
  const Objects& role_bindings;
  const Objects& pods;
};

struct Decision {
  bool allowed = false;
  std::string reason;
};

/// Members of system:masters may do everything, nodes (system:node:NAME in system:nodes) what their pods need and no
/// other's, and everybody what bindings give.
Decision decide(const Policy& policy, const User& user, const Attributes& wanted);

/// PolicyRules that bindings give the user in a namespace (empty: those of the whole cluster).
std::vector<json::value> rules_of(const Policy& policy, const User& user, const std::string& ns);

/// "User "x" cannot list resource "pods" in API group "" in the namespace "default"", with the reason if there is one.
std::string refusal_text(const User& user, const Attributes& wanted, const std::string& reason);

/// The ClusterRoles and ClusterRoleBindings that every cluster begins with, as far as somebody here needs them.
std::vector<json::value> bootstrap_policy();

}  // namespace weft::lab::api
