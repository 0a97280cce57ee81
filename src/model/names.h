// Names that rows refer to each other by.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

using Labels = std::map<std::string, std::string>;

/// namespace/name of any namespaced object.
struct ObjectName {
  std::string ns;
  std::string name;
  std::string to_string() const { return ns.empty() ? name : ns + "/" + name; }
  auto operator<=>(const ObjectName&) const = default;
};

/// A cluster id: 1 to 255, or to 511 where configured; 0 means "no mesh".
using ClusterId = std::uint32_t;

/// A cluster's name in a word, for where there is no room for the name. It outlives the process: never change how it is
/// computed. 0: this cluster (the empty name), and no other has it.
using ClusterTag = std::uint32_t;
ClusterTag cluster_tag(std::string_view name);

/// Tables wait for a remote cluster's first list under this and its name; see Table::waits_only_for().
inline constexpr std::string_view kRemoteSourcePrefix = "remote cluster ";

/// ^([a-z0-9][-a-z0-9]*)?[a-z0-9]$, at most 32 characters; "default" only with id 0. The error names
/// field, value and mend.
Result<> validate_cluster_name(const std::string& name, ClusterId id);
Result<> validate_cluster_id(ClusterId id, ClusterId max_connected_clusters);

}  // namespace weft
