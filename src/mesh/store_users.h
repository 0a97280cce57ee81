// The users and roles of a mesh store: remote clusters may read and nothing else, and everybody is known by the common
// name of a client certificate. Source: cilium-compat section 1.15.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "kvstore/client.h"

namespace weft::mesh {

/// A user beside the store's own: remote or remote-<other>, with the role that gives it its rights.
struct StoreUser {
  std::string name;
  std::string role;
  bool operator==(const StoreUser&) const = default;
};

/// users.yaml of ConfigMap clustermesh-remote-users: "users:" with items {name, role}. An empty file means none.
Result<std::vector<StoreUser>> parse_store_users(std::string_view yaml);

/// Makes the store's users be root and admin-<cluster> (role root), local-<cluster> (role local) and `named`, each with
/// its one role, and the roles be what section 1.15 grants them. Every other user is deleted: who is not named any more
/// reads nothing. Whether there is a shared user "remote" is for `named` to say: it has one in the authentication modes
/// legacy and migration, and none in mode cluster. Does not enable authentication. An error leaves the rest to the next
/// call; deletions come first.
Task<Result<>> set_store_users(kvstore::Client& client, std::string cluster, std::vector<StoreUser> named);

}  // namespace weft::mesh
