// What is served, told to clients: discovery documents and OpenAPI. Pure functions of the kinds.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

inline constexpr const char* kGitVersion = "v1.32.0+weft-lab";

json::object api_versions(const std::string& server_address);
json::object api_group_list(const Kinds& kinds);
json::object api_group(const Kinds& kinds, const std::string& group);
json::object api_resource_list(const Kinds& kinds, const std::string& group, const std::string& version);
/// apidiscovery.k8s.io/v2 (or v2beta1) APIGroupDiscoveryList of the core group or of the named ones.
json::object aggregated_discovery(const Kinds& kinds, bool core, const std::string& version);
json::object version_info();

/// {"paths":{"api/v1":{"serverRelativeURL":…}}}
json::object openapi_v3_index(const Kinds& kinds);
json::object openapi_v3(const Kinds& kinds, const std::string& group, const std::string& version);
json::object openapi_v2(const Kinds& kinds);

}  // namespace weft::lab::api
