#include "mesh/values/keys.h"

#include <fmt/format.h>

namespace weft::mesh {
namespace {
std::string_view name_of(Kind kind) {
  switch (kind) {
    case Kind::nodes: return "nodes";
    case Kind::services: return "services";
    case Kind::ip: return "ip";
    case Kind::identities: return "identities";
    case Kind::service_exports: return "serviceexports";
  }
  return "";
}
}  // namespace

std::string canary_prefix(Kind kind, bool cached) {
  return fmt::format("cilium/{}/{}/v1", cached ? "cache" : "state", name_of(kind));
}

std::string data_prefix(Kind kind, const std::string& cluster, bool cached) {
  const std::string base = canary_prefix(kind, cached);
  switch (kind) {
    case Kind::ip: return fmt::format("{}/{}/", base, cached ? cluster : "default");
    case Kind::identities: return cached ? fmt::format("{}/{}/id/", base, cluster) : base + "/id/";
    default: return fmt::format("{}/{}/", base, cluster);
  }
}

std::string canary_key(Kind kind, const std::string& cluster, bool cached) {
  return fmt::format("{}{}/{}", kSyncedPrefix, cluster, canary_prefix(kind, cached));
}

std::string cluster_config_key(const std::string& cluster) { return std::string(kClusterConfigPrefix) + cluster; }

}  // namespace weft::mesh
