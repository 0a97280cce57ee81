#include "kube/config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "base/encoding.h"
#include "base/file.h"
#include "kube/proxy.h"

namespace weft::kube {

Result<std::string> Secret::read() const {
  if (!text.empty() || path.empty()) return text;
  return read_file(path);
}

namespace {

std::string env(const char* name) {
  const char* v = std::getenv(name);
  return v ? v : "";
}

// What several kubeconfigs come to: the first file to name a cluster, user or context wins, as in kubectl.
struct Merged {
  struct Entry {
    YAML::Node node;
    std::string folder;
  };
  std::map<std::string, Entry> clusters, users, contexts;
  std::string current;
};

std::string scalar(const YAML::Node& n) { return n && n.IsScalar() ? n.as<std::string>() : std::string(); }

void merge_list(std::map<std::string, Merged::Entry>& into, const YAML::Node& list, const char* what,
                const std::string& folder) {
  if (!list || !list.IsSequence()) return;
  for (const auto& item : list) {
    if (!item.IsMap()) continue;
    const std::string name = scalar(item["name"]);
    if (!into.contains(name)) into.emplace(name, Merged::Entry{item[what], folder});
  }
}

Result<> merge_file(Merged& into, std::string_view yaml, const std::string& folder) {
  try {
    const YAML::Node doc = YAML::Load(std::string(yaml));
    if (doc.IsNull()) return {};
    if (!doc.IsMap()) return fail(Errc::invalid, "not a kubeconfig: the document is not a map");
    if (into.current.empty()) into.current = scalar(doc["current-context"]);
    merge_list(into.clusters, doc["clusters"], "cluster", folder);
    merge_list(into.users, doc["users"], "user", folder);
    merge_list(into.contexts, doc["contexts"], "context", folder);
    return {};
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid, std::string("not a kubeconfig: ") + e.what());
  }
}

// "<key>-data" is base64 text, "<key>" a file; data wins.
Result<> read_secret(Secret& out, const Merged::Entry& e, const char* file_key, const char* data_key,
                     std::string_view owner) {
  if (const auto data = scalar(e.node[data_key]); !data.empty()) {
    auto text = base64_decode(data);
    if (!text) return fail(text.error().in(std::string(owner) + ": " + data_key));
    out.text = *text;
  } else if (const auto file = scalar(e.node[file_key]); !file.empty()) {
    out.path = file.starts_with('/') ? file : (std::filesystem::path(e.folder) / file).lexically_normal().string();
  }
  return {};
}

template <class Map>
std::string known(const Map& m) {
  std::string out;
  for (const auto& [name, _] : m) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? "none" : out;
}

// A list of texts; a lone text or a map there is an error, since what it grants or takes away must not be passed over.
Result<std::vector<std::string>> texts(const YAML::Node& list, const std::string& field) {
  std::vector<std::string> out;
  if (!list || list.IsNull()) return out;
  const bool good =
      list.IsSequence() && std::all_of(list.begin(), list.end(), [](const auto& i) { return i.IsScalar(); });
  if (!good) return fail(Errc::invalid, field + " is not a list of texts: write [one, two]");
  for (const auto& item : list) out.push_back(scalar(item));
  return out;
}

// What becomes a header's value must not end the header.
bool one_line(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

Result<> read_impersonation(Impersonation& out, const YAML::Node& user, const std::string& owner) {
  for (const auto& [field, to] : {std::pair{"as", &out.user}, std::pair{"as-uid", &out.uid}}) {
    const auto node = user[field];
    if (node && !node.IsNull() && !node.IsScalar())
      return fail(Errc::invalid, owner + ": " + field + " is not a text: write one name");
    *to = scalar(node);
  }
  auto groups = texts(user["as-groups"], owner + ": as-groups");
  if (!groups) return fail(groups.error());
  out.groups = std::move(*groups);
  if (const auto extra = user["as-user-extra"]; extra && !extra.IsNull()) {
    if (!extra.IsMap()) return fail(Errc::invalid, owner + ": as-user-extra is not a map: write {key: [value]}");
    for (const auto& entry : extra) {
      const std::string key = scalar(entry.first);
      auto values = texts(entry.second, owner + ": as-user-extra." + key);
      if (!values) return fail(values.error());
      for (auto& value : *values) out.extra.emplace_back(key, std::move(value));
    }
  }
  if (out.user.empty() && out != Impersonation{})
    return fail(Errc::invalid, owner +
                                   ": as-uid, as-groups or as-user-extra without as: name the user to act as in as, "
                                   "or take the others out");
  const auto check = [&](const char* field, std::string_view value) -> Result<> {
    if (one_line(value)) return {};
    return fail(Errc::invalid, owner + ": " + field + " has a line break or another control character: take it out");
  };
  WEFT_TRY(check("as", out.user));
  WEFT_TRY(check("as-uid", out.uid));
  for (const auto& g : out.groups) WEFT_TRY(check("as-groups", g));
  for (const auto& [_, value] : out.extra) WEFT_TRY(check("as-user-extra", value));
  return {};
}

Result<> read_user(Config& out, const Merged::Entry& e, const std::string& name) {
  const std::string owner = "user " + name;
  if (!e.node || !e.node.IsMap()) return {};
  WEFT_TRY(read_secret(out.client_certificate, e, "client-certificate", "client-certificate-data", owner));
  WEFT_TRY(read_secret(out.client_key, e, "client-key", "client-key-data", owner));
  out.token.text = scalar(e.node["token"]);
  if (const auto file = scalar(e.node["tokenFile"]); !file.empty())
    out.token.path = file.starts_with('/') ? file : (std::filesystem::path(e.folder) / file).string();
  out.username = scalar(e.node["username"]);
  out.password = scalar(e.node["password"]);
  WEFT_TRY(read_impersonation(out.act_as, e.node, owner));
  if (const auto exec = e.node["exec"]; exec && exec.IsMap()) {
    std::string command = scalar(exec["command"]);
    if (command.empty()) return fail(Errc::invalid, owner + ": exec.command is empty: name the credential plugin");
    // A path with a slash counts from the kubeconfig's folder, a bare name from $PATH.
    if (command.find('/') != std::string::npos && !command.starts_with('/'))
      command = (std::filesystem::path(e.folder) / command).string();
    out.exec_command.push_back(command);
    if (exec["args"] && exec["args"].IsSequence())
      for (const auto& a : exec["args"]) out.exec_command.push_back(scalar(a));
    if (exec["env"] && exec["env"].IsSequence())
      for (const auto& v : exec["env"]) out.exec_env.emplace_back(scalar(v["name"]), scalar(v["value"]));
    out.exec_api_version = scalar(exec["apiVersion"]);
  }
  if (e.node["auth-provider"])
    return fail(Errc::unsupported, owner + ": auth-provider is gone from Kubernetes 1.26 on: use an exec plugin");
  return {};
}

Result<Config> resolve(const Merged& merged, const std::string& wanted) {
  const std::string context = wanted.empty() ? merged.current : wanted;
  if (context.empty())
    return fail(Errc::invalid, "current-context is empty: pass --context, one of: " + known(merged.contexts));
  const auto c = merged.contexts.find(context);
  if (c == merged.contexts.end())
    return fail(Errc::not_found, "context \"" + context + "\" does not exist; there are: " + known(merged.contexts));
  const YAML::Node& node = c->second.node;
  Config out;
  out.context = context;
  out.cluster = node && node.IsMap() ? scalar(node["cluster"]) : "";
  const auto cluster = merged.clusters.find(out.cluster);
  if (cluster == merged.clusters.end() || !cluster->second.node.IsMap())
    return fail(Errc::invalid, "context " + context + ": cluster \"" + out.cluster +
                                   "\" does not exist; there are: " + known(merged.clusters));
  if (const auto ns = scalar(node["namespace"]); !ns.empty()) out.ns = ns;

  const auto& cn = cluster->second.node;
  out.server = scalar(cn["server"]);
  if (out.server.empty()) return fail(Errc::invalid, "cluster " + out.cluster + ": server is empty");
  out.tls_server_name = scalar(cn["tls-server-name"]);
  out.insecure = scalar(cn["insecure-skip-tls-verify"]) == "true";
  out.proxy_url = scalar(cn["proxy-url"]);
  if (const auto given = cn["proxy-url"]; !out.proxy_url.empty() || (given && !given.IsNull() && !given.IsScalar())) {
    if (const auto proxy = parse_proxy(out.proxy_url); !proxy)
      return fail(proxy.error().in("cluster " + out.cluster + ": proxy-url"));
  }
  WEFT_TRY(read_secret(out.ca, cluster->second, "certificate-authority", "certificate-authority-data",
                       "cluster " + out.cluster));
  if (const auto user = scalar(node["user"]); !user.empty()) {
    const auto u = merged.users.find(user);
    if (u == merged.users.end())
      return fail(Errc::invalid,
                  "context " + context + ": user \"" + user + "\" does not exist; there are: " + known(merged.users));
    WEFT_TRY(read_user(out, u->second, user));
  }
  return out;
}

}  // namespace

Result<Config> parse_kubeconfig(std::string_view yaml, const std::string& folder, const std::string& context) {
  Merged merged;
  WEFT_TRY(merge_file(merged, yaml, folder));
  try {
    return resolve(merged, context);
  } catch (const YAML::Exception& e) {  // a map where a text should stand, and the like
    return fail(Errc::invalid, std::string("not a kubeconfig: ") + e.what());
  }
}

Result<Config> load_kubeconfig(const std::string& path, const std::string& context) {
  std::string paths = path;
  const bool explicit_path = !path.empty();
  if (paths.empty()) paths = env("KUBECONFIG");
  const bool from_list = !explicit_path && !paths.empty();
  if (paths.empty()) {
    const auto home = env("HOME");
    paths = (home.empty() ? "/root" : home) + "/.kube/config";
  }
  Merged merged;
  std::string read, last_error;
  std::size_t at = 0;
  while (at <= paths.size()) {
    const auto end = explicit_path ? paths.size() : std::min(paths.find(':', at), paths.size());
    const std::string one = paths.substr(at, end - at);
    at = end + 1;
    if (one.empty()) continue;
    auto text = read_file(one);
    if (!text) {
      // kubectl skips absent files of $KUBECONFIG, but at least one must be there.
      last_error = text.error().message;
      if (from_list && text.error().code == Errc::not_found) continue;
      return fail(text.error().in("reading the kubeconfig"));
    }
    const auto folder = std::filesystem::absolute(one).parent_path().string();
    if (auto r = merge_file(merged, *text, folder); !r) return fail(r.error().in(one));
    read += (read.empty() ? "" : ":") + one;
  }
  if (read.empty()) return fail(Errc::not_found, "reading the kubeconfig: " + last_error);
  try {
    auto config = resolve(merged, context);
    if (!config) return fail(config.error().in(read));
    return config;
  } catch (const YAML::Exception& e) {
    return fail(Errc::invalid, read + ": not a kubeconfig: " + e.what());
  }
}

Result<Config> in_cluster(const std::string& root) {
  const auto host = env("KUBERNETES_SERVICE_HOST");
  const auto port = env("KUBERNETES_SERVICE_PORT");
  if (host.empty()) return fail(Errc::not_found, "KUBERNETES_SERVICE_HOST is not set: this is not a pod");
  Config out;
  const bool v6 = host.find(':') != std::string::npos && !host.starts_with('[');
  out.server = "https://" + (v6 ? "[" + host + "]" : host) + ":" + (port.empty() ? "443" : port);
  out.token.path = root + "/token";
  out.ca.path = root + "/ca.crt";
  if (auto token = out.token.read(); !token)
    return fail(Errc::not_found, "the service account's token: " + token.error().message);
  if (auto ca = out.ca.read(); !ca) return fail(Errc::not_found, "the service account's CA: " + ca.error().message);
  if (auto ns = read_file(root + "/namespace"); ns) {
    out.ns = *ns;
    while (!out.ns.empty() && (out.ns.back() == '\n' || out.ns.back() == ' ')) out.ns.pop_back();
  }
  return out;
}

Result<Config> find_config(const std::string& path, const std::string& context) {
  if (path.empty() && context.empty())
    if (auto pod = in_cluster(); pod || pod.error().code != Errc::not_found) return pod;
  return load_kubeconfig(path, context);
}

}  // namespace weft::kube
