// The keys of the mesh store. Source: cilium-compat sections 1.1, 1.2 and 1.10.
#pragma once

#include <string>
#include <string_view>

#include "model/names.h"

namespace weft::mesh {

inline constexpr std::string_view kHeartbeatKey = "cilium/.heartbeat";
inline constexpr std::string_view kClusterConfigPrefix = "cilium/cluster-config/";
inline constexpr std::string_view kSyncedPrefix = "cilium/synced/";

/// Where a kind's keys lie. `cached`: as a cache of several clusters holds them.
enum class Kind { nodes, services, ip, identities, service_exports };
inline constexpr Kind kMirroredKinds[] = {Kind::nodes, Kind::services, Kind::identities, Kind::ip};

/// "cilium/state/nodes/v1": what the canary is named after.
std::string canary_prefix(Kind kind, bool cached = false);
/// "cilium/state/nodes/v1/<cluster>/", "cilium/state/ip/v1/default/", …: the object's own key follows.
std::string data_prefix(Kind kind, const std::string& cluster, bool cached = false);
/// "cilium/synced/<cluster>/cilium/state/nodes/v1".
std::string canary_key(Kind kind, const std::string& cluster, bool cached = false);
std::string cluster_config_key(const std::string& cluster);

}  // namespace weft::mesh
