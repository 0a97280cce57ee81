#include "lab/controllers/catalog.h"

#include <set>

#include "base/log.h"

namespace weft::lab {

std::vector<kube::Resource> kinds_of(const json::object& resource_list) {
  std::vector<kube::Resource> out;
  const std::string group_version = text(resource_list, "groupVersion");
  const auto slash = group_version.find('/');
  const std::string group = slash == std::string::npos ? "" : group_version.substr(0, slash);
  const std::string version = slash == std::string::npos ? group_version : group_version.substr(slash + 1);
  for (const auto& v : list(resource_list, "resources")) {
    if (!v.is_object()) continue;
    const json::object& r = v.get_object();
    const std::string plural = text(r, "name");
    if (plural.empty() || plural.find('/') != std::string::npos) continue;
    std::set<std::string> verbs;
    for (const auto& verb : list(r, "verbs"))
      if (verb.is_string()) verbs.emplace(verb.get_string());
    if (!verbs.contains("list") || !verbs.contains("watch") || !verbs.contains("delete")) continue;
    out.push_back({group, version, plural, text(r, "kind"), flag(r, "namespaced")});
  }
  return out;
}

Task<Result<std::vector<kube::Resource>>> discover(kube::Client& client) {
  const std::string core = "/api/v1", groups_path = "/apis";
  auto first = co_await client.request_json("GET", core);
  if (!first) co_return fail(first.error());
  std::vector<kube::Resource> out = kinds_of(*first);
  auto groups = co_await client.request_json("GET", groups_path);
  if (!groups) co_return fail(groups.error());
  for (const auto& g : list(*groups, "groups")) {
    if (!g.is_object()) continue;
    const std::string version = text(g.get_object(), "preferredVersion/groupVersion");
    const std::string path = "/apis/" + version;
    auto one = co_await client.request_json("GET", path);
    if (!one) {
      log::warn("a group does not say what it has", {{"group", version}, {"error", one.error().message}});
      continue;
    }
    for (auto& r : kinds_of(*one)) out.push_back(std::move(r));
  }
  co_return out;
}

}  // namespace weft::lab
