#include "mesh/store_users.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/log.h"
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

// The user with that role and no other. `there`: the store has the user already.
Task<Result<>> settle_user(kvstore::Client& client, std::string name, std::string role, bool there) {
  std::vector<std::string> has;
  std::string ask = name;
  if (there) {
    auto roles = co_await client.user_roles(std::move(ask));
    if (!roles) co_return std::unexpected(roles.error().in("reading store user " + name));
    has = std::move(*roles);
  } else {
    Result<> added = co_await client.user_add(std::move(ask));
    added = or_exists(std::move(added));
    if (!added) co_return std::unexpected(added.error().in("adding store user " + name));
  }
  bool granted = false;
  for (const auto& other : has) {
    granted = granted || other == role;
    if (other == role) continue;
    std::string user = name, taken = other;
    const auto r = co_await client.user_revoke_role(std::move(user), std::move(taken));
    if (!r) co_return std::unexpected(r.error().in(fmt::format("taking role {} from store user {}", other, name)));
  }
  if (granted) co_return Result<>{};
  std::string user = name, given = role;
  Result<> r = co_await client.user_grant_role(std::move(user), std::move(given));
  r = or_exists(std::move(r));
  if (!r) co_return std::unexpected(r.error().in(fmt::format("giving store user {} the role {}", name, role)));
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

Task<Result<>> set_store_users(kvstore::Client& client, std::string cluster, std::vector<StoreUser> named) {
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
  std::map<std::string, std::string> wanted{
      {"root", "root"}, {"admin-" + cluster, "root"}, {"local-" + cluster, "local"}};
  for (auto& u : named) wanted.emplace(std::move(u.name), std::move(u.role));  // nobody takes ours away
  const auto users = co_await client.user_list();
  if (!users) co_return std::unexpected(users.error().in("listing the store's users"));
  // First who shall not read any more.
  for (const auto& user : *users) {
    if (wanted.contains(user)) continue;
    std::string name = user;
    const auto r = co_await client.user_delete(std::move(name));
    if (!r) co_return std::unexpected(r.error().in("removing store user " + user));
    log::info("store user removed, nothing names it any more", {{"user", user}});
  }
  for (const auto& [name, role] : wanted) {
    const bool there = std::find(users->begin(), users->end(), name) != users->end();
    std::string user = name, its_role = role;
    const auto r = co_await settle_user(client, std::move(user), std::move(its_role), there);
    if (!r) co_return r;
  }
  co_return Result<>{};
}

}  // namespace weft::mesh
