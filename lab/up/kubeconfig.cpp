#include "lab/up/kubeconfig.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <set>

#include "base/file.h"

namespace weft::lab {
namespace {

constexpr const char* kLists[] = {"clusters", "users", "contexts"};

std::string name_of(const YAML::Node& item) { return item["name"] ? item["name"].as<std::string>("") : ""; }

YAML::Node without(const YAML::Node& list, const std::set<std::string>& names) {
  YAML::Node out(YAML::NodeType::Sequence);
  for (const auto& item : list)
    if (!names.contains(name_of(item))) out.push_back(item);
  return out;
}

std::set<std::string> names(const YAML::Node& list) {
  std::set<std::string> out;
  for (const auto& item : list) out.insert(name_of(item));
  return out;
}

Result<YAML::Node> load(const std::string& text) {
  try {
    YAML::Node n = YAML::Load(text);
    if (n.IsNull()) n = YAML::Load("{apiVersion: v1, kind: Config}");
    if (!n.IsMap()) return fail(Errc::invalid, "is not a kubeconfig: no map of fields; name another file");
    return n;
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid,
                fmt::format("line {}: is not YAML: {}; mend it or name another file", e.mark.line + 1, e.msg));
  }
}

std::string dump(const YAML::Node& n) {
  YAML::Emitter out;
  out << n;
  return std::string(out.c_str()) + "\n";
}

}  // namespace

Result<std::string> merge_kubeconfig(const std::string& theirs, const std::string& ours) {
  auto to = load(theirs);
  auto from = load(ours);
  if (!to) return fail(to.error());
  if (!from) return fail(from.error());
  for (const char* key : kLists) {
    YAML::Node list = without((*to)[key], names((*from)[key]));
    for (const auto& item : (*from)[key]) list.push_back(item);
    (*to)[key] = list;
  }
  if (!(*to)["current-context"] || (*to)["current-context"].as<std::string>("").empty())
    (*to)["current-context"] = (*from)["current-context"];
  return dump(*to);
}

Result<std::string> unmerge_kubeconfig(const std::string& theirs, const std::string& ours) {
  auto to = load(theirs);
  auto from = load(ours);
  if (!to) return fail(to.error());
  if (!from) return fail(from.error());
  std::map<std::string, std::string> servers;
  for (const auto& item : (*from)["clusters"]) servers[name_of(item)] = item["cluster"]["server"].as<std::string>("");
  std::set<std::string> gone;
  for (const auto& item : (*to)["clusters"])
    if (const auto it = servers.find(name_of(item));
        it != servers.end() && item["cluster"]["server"].as<std::string>("") == it->second)
      gone.insert(it->first);
  std::set<std::string> users;
  for (const auto& item : (*to)["contexts"])
    if (gone.contains(name_of(item))) users.insert(item["context"]["user"].as<std::string>(""));
  (*to)["clusters"] = without((*to)["clusters"], gone);
  (*to)["contexts"] = without((*to)["contexts"], gone);
  (*to)["users"] = without((*to)["users"], users);
  if ((*to)["current-context"] && gone.contains((*to)["current-context"].as<std::string>("")))
    (*to)["current-context"] = "";
  return dump(*to);
}

Result<> merge_into(const LabPaths& paths, const std::string& file) {
  const auto ours = read_file(paths.kubeconfig());
  if (!ours) return fail(ours.error());
  std::string theirs;
  if (std::filesystem::exists(file)) {
    const auto content = read_file(file);
    if (!content) return fail(content.error());
    theirs = *content;
  }
  const auto merged = merge_kubeconfig(theirs, *ours);
  if (!merged) return fail(merged.error().in(file));
  std::error_code ec;
  if (const auto parent = std::filesystem::absolute(file).parent_path(); !parent.empty())
    std::filesystem::create_directories(parent, ec);
  WEFT_TRY(write_file(file, *merged, 0600));
  std::ofstream(paths.run + "/merged", std::ios::app) << std::filesystem::absolute(file).string() << "\n";
  return {};
}

void unmerge_kubeconfigs(const LabPaths& paths) {
  const auto ours = read_file(paths.kubeconfig());
  std::ifstream list(paths.run + "/merged");
  if (!ours || !list) return;
  for (std::string file; std::getline(list, file);) {
    const auto theirs = read_file(file);
    if (!theirs) continue;
    if (const auto without_ours = unmerge_kubeconfig(*theirs, *ours)) (void)write_file(file, *without_ours, 0600);
  }
}

std::string users_kubeconfig() {
  if (const char* env = std::getenv("KUBECONFIG"); env != nullptr && *env != '\0') {
    const std::string list = env;
    return list.substr(0, list.find(':'));
  }
  const char* home = std::getenv("HOME");
  return std::string(home != nullptr ? home : "/root") + "/.kube/config";
}

}  // namespace weft::lab
