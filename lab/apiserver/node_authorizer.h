// What a kubelet may do by being one, as the Node authorizer and the NodeRestriction admission of a real API server
// have it: its own Node, Lease and pods, and those Secrets, ConfigMaps and tokens that pods bound to it use.
#pragma once

#include "lab/apiserver/rbac.h"

namespace weft::lab::api {

/// NAME of the user system:node:NAME in the group system:nodes; else empty.
std::string node_name_of(const User& user);

Decision node_decision(const Policy::Objects& pods, const std::string& node, const Attributes& wanted);

/// Does the pod use the Secret (or ConfigMap) of its namespace: a volume, a variable, a pull secret?
bool pod_uses(const json::value& pod, bool secret, const std::string& name);

}  // namespace weft::lab::api
