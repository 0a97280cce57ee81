#include "model/names.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft {

Result<> validate_cluster_name(const std::string& name, ClusterId id) {
  const auto alnum = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const bool shaped = !name.empty() && alnum(name.front()) && alnum(name.back()) &&
                      std::all_of(name.begin(), name.end(), [&](char c) { return alnum(c) || c == '-'; });
  if (!shaped)
    return fail(Errc::invalid,
                fmt::format("cluster.name \"{}\" is not allowed: use lower-case letters, digits and '-', "
                            "starting and ending with a letter or digit",
                            name));
  if (name.size() > 32)
    return fail(Errc::invalid, fmt::format("cluster.name \"{}\" has {} characters: use at most 32", name, name.size()));
  if (name == "default" && id != 0)
    return fail(Errc::invalid,
                fmt::format("cluster.name \"default\" cannot be used with cluster.id {}: choose another name", id));
  return {};
}

// FNV-1a.
ClusterTag cluster_tag(std::string_view name) {
  if (name.empty()) return 0;
  std::uint32_t hash = 2'166'136'261u;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 16'777'619u;
  return hash == 0 ? 1 : hash;
}

Result<> validate_cluster_id(ClusterId id, ClusterId max) {
  if (id < 1 || id > max)
    return fail(Errc::invalid, fmt::format("cluster.id {} is out of range: use 1 to {}", id, max));
  return {};
}

}  // namespace weft
