#include "mesh/store_users.h"

#include <fmt/format.h>

#include "manifest/manifest.h"
#include "mesh/values/json_read.h"
#include "mesh/values/keys.h"

namespace weft::mesh {
namespace {

struct Grant {
  std::string role;
  std::string key;
  bool prefix = true;
};

// "Exists already" is what we want.
Result<> or_exists(Result<> r) {
  if (!r && r.error().code == Errc::exists) return {};
  return r;
}

Task<Result<>> ensure_user(kvstore::Client& client, StoreUser user) {
  std::string name = user.name, again = user.name, role = user.role;
  Result<> added = co_await client.user_add(std::move(name));
  added = or_exists(std::move(added));
  if (!added) co_return std::unexpected(added.error().in("adding store user " + user.name));
  Result<> granted = co_await client.user_grant_role(std::move(again), std::move(role));
  granted = or_exists(std::move(granted));
  if (!granted)
    co_return std::unexpected(
        granted.error().in(fmt::format("giving store user {} the role {}", user.name, user.role)));
  co_return Result<>{};
}

}  // namespace

Result<std::vector<StoreUser>> parse_store_users(std::string_view yaml) {
  std::vector<StoreUser> out;
  if (yaml.find_first_not_of(" \t\r\n") == std::string_view::npos) return out;
  auto document = parse_yaml(yaml);
  if (!document) return std::unexpected(document.error());
  if (document->is_null()) return out;
  if (!document->is_object()) return fail(Errc::invalid, "not a mapping: write users: and a list of name and role");
  WEFT_READ(users, get_array(document->get_object(), "users"));
  if (!users) return out;
  for (const auto& u : *users) {
    if (!u.is_object()) return fail(Errc::invalid, "users has an entry that is not an object of name and role");
    WEFT_READ(name, get_text(u.get_object(), "name"));
    WEFT_READ(role, get_text(u.get_object(), "role"));
    if (name.empty() || role.empty()) return fail(Errc::invalid, "users has an entry without name or role");
    if (role != "remote" && role != "local")
      return fail(Errc::invalid, fmt::format("user {} has role \"{}\": use remote or local", name, role));
    out.push_back({std::move(name), std::move(role)});
  }
  return out;
}

Task<Result<>> ensure_store_users(kvstore::Client& client, std::string cluster, std::vector<StoreUser> more) {
  for (const char* name : {"root", "local", "remote"}) {
    std::string role = name;
    Result<> r = co_await client.role_add(std::move(role));
    r = or_exists(std::move(r));
    if (!r) co_return std::unexpected(r.error().in(fmt::format("adding store role {}", name)));
  }
  const std::vector<Grant> grants{
      {"local", std::string(kHeartbeatKey)},          {"local", "cilium/cache/"},
      {"local", std::string(kClusterConfigPrefix)},   {"local", std::string(kSyncedPrefix)},
      {"remote", std::string(kHeartbeatKey)},         {"remote", "cilium/state/"},
      {"remote", cluster_config_key(cluster), false}, {"remote", fmt::format("{}{}/", kSyncedPrefix, cluster)},
  };
  for (const auto& g : grants) {
    std::string role = g.role, key = g.key, end = g.prefix ? kvstore::prefix_end(g.key) : std::string();
    const Result<> r = co_await client.role_grant_read(std::move(role), std::move(key), std::move(end));
    if (!r) co_return std::unexpected(r.error().in(fmt::format("letting store role {} read {}", g.role, g.key)));
  }
  std::vector<StoreUser> users{
      {"root", "root"}, {"admin-" + cluster, "root"}, {"local-" + cluster, "local"}, {"remote", "remote"}};
  users.insert(users.end(), more.begin(), more.end());
  for (const auto& u : users) {
    StoreUser copy = u;
    if (auto r = co_await ensure_user(client, std::move(copy)); !r) co_return r;
  }
  co_return Result<>{};
}

}  // namespace weft::mesh
