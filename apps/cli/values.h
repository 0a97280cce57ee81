// Helm values as the CLI changes them. Pure.
#pragma once

#include <boost/json/fwd.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net.h"
#include "base/result.h"

namespace weft::cli {

namespace json = boost::json;

/// The value at "clustermesh.config.enabled"; null when some step is missing.
const json::value* at_path(const json::object& values, std::string_view path);
/// Makes the steps that are missing; a step that is not an object is replaced by one.
void set_path(json::object& values, std::string_view path, json::value value);

/// As Helm merges values: objects key by key, everything else is replaced, a null removes.
json::object merge_values(json::object base, const json::object& over);

/// Does one of the --set texts ("a.b=1,c={x,y}") set `path` or something below it?
bool sets_path(const std::vector<std::string>& sets, std::string_view path);
/// The last of their values for exactly `path`.
std::optional<std::string> set_text(const std::vector<std::string>& sets, std::string_view path);

/// One entry of clustermesh.config.clusters.
struct MeshCluster {
  std::string name;
  std::vector<std::string> ips;
  std::string address;  // a DNS name, instead of ips
  Port port = 2379;
  std::string server_name;  // of its certificate, when that is not for the address
  bool operator==(const MeshCluster&) const = default;
};

/// From either form, list or map; entries with enabled: false are left out. Errc::invalid names the entry.
Result<std::vector<MeshCluster>> mesh_clusters(const json::object& values);
/// Adds or replaces the entry of that name, keeping what else stands in it (tls), and sets config.enabled. The form,
/// list or map, stays as it was.
json::object with_cluster(json::object values, const MeshCluster& cluster);
/// Without it; config.enabled becomes false with the last one.
json::object without_cluster(json::object values, std::string_view name);
/// Whether `name` stands in clustermesh.config.readers, and those values with it there, or not there.
bool has_reader(const json::object& values, std::string_view name);
json::object with_reader(json::object values, std::string_view name, bool reads);

}  // namespace weft::cli
