// The users and roles of a mesh store: remote clusters may read and nothing else, and everybody is known by the common
// name of a client certificate. Source: cilium-compat section 1.15.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "kvstore/client.h"

namespace weft::mesh {

/// A user beside those that every store has: remote-<other>, with the role that gives it its rights.
struct StoreUser {
  std::string name;
  std::string role;
  bool operator==(const StoreUser&) const = default;
};

/// users.yaml of ConfigMap clustermesh-remote-users: "users:" with items {name, role}. An empty file means none.
Result<std::vector<StoreUser>> parse_store_users(std::string_view yaml);

/// Users root and admin-<cluster> (role root), local-<cluster> (role local), remote (role remote) and `more`, with the
/// roles' read permissions. What is there already stays. Does not enable authentication.
Task<Result<>> ensure_store_users(kvstore::Client& client, std::string cluster, std::vector<StoreUser> more);

}  // namespace weft::mesh
