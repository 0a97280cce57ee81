#include "lab/node/environment.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <thread>

namespace weft::lab {
namespace {

std::string sanitized_lines(const std::map<std::string, std::string>& m) {
  std::string out;
  for (const auto& [k, v] : m) {
    std::string quoted;
    for (const char c : v) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c == '\n' ? std::string("\\n") : std::string(1, c);
    }
    out += fmt::format("{}=\"{}\"\n", k, quoted);
  }
  if (!out.empty()) out.pop_back();
  return out;
}

}  // namespace

std::string expand(const std::string& text, const std::map<std::string, std::string>& variables) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 >= text.size()) {
      out += text[i];
      continue;
    }
    if (text[i + 1] == '$') {
      out += '$';
      ++i;
      continue;
    }
    const auto close = text[i + 1] == '(' ? text.find(')', i + 2) : std::string::npos;
    if (close == std::string::npos) {
      out += text[i];
      continue;
    }
    const std::string name = text.substr(i + 2, close - i - 2);
    const auto it = variables.find(name);
    out += it != variables.end() ? it->second : "$(" + name + ")";
    i = close;
  }
  return out;
}

Result<std::string> downward_field(const Pod& pod, const DownwardStatus& status, const std::string& path) {
  const auto joined = [](const std::vector<std::string>& ips) { return fmt::format("{}", fmt::join(ips, ",")); };
  const auto first = [](const std::vector<std::string>& ips) { return ips.empty() ? std::string() : ips.front(); };
  if (path == "metadata.name") return pod.name.name;
  if (path == "metadata.namespace") return pod.name.ns;
  if (path == "metadata.uid") return pod.uid;
  if (path == "spec.nodeName") return str(pod.object, "/spec/nodeName");
  if (path == "spec.serviceAccountName") return pod.service_account;
  if (path == "status.podIP") return first(status.pod_ips);
  if (path == "status.podIPs") return joined(status.pod_ips);
  if (path == "status.hostIP") return first(status.host_ips);
  if (path == "status.hostIPs") return joined(status.host_ips);
  for (const std::string map : {"metadata.labels", "metadata.annotations"}) {
    if (!path.starts_with(map)) continue;
    const auto values = string_map(pod.object, map == "metadata.labels" ? "/metadata/labels" : "/metadata/annotations");
    if (path == map) return sanitized_lines(values);
    const auto open = path.find('[');
    if (open != map.size() || path.size() < open + 5 || !path.ends_with("']")) break;
    const auto it = values.find(path.substr(open + 2, path.size() - open - 4));
    return it == values.end() ? std::string() : it->second;
  }
  return fail(
      Errc::unsupported,
      fmt::format("fieldPath \"{}\": is not offered; use metadata.name, .namespace, .uid, .labels, .annotations, "
                  "spec.nodeName, spec.serviceAccountName, status.podIP(s) or status.hostIP(s)",
                  path));
}

Result<std::map<std::string, std::string>> environment(const Pod& pod, const ContainerSpec& c,
                                                       const DownwardStatus& status, const RefData& refs,
                                                       std::map<std::string, std::string> env) {
  for (const EnvFrom& from : c.env_from) {
    const auto data = refs(from.secret, from.ref);
    if (!data) {
      if (from.optional) continue;
      return fail(Errc::not_found,
                  fmt::format("{} \"{}\" not found (envFrom)", from.secret ? "secret" : "configmap", from.ref));
    }
    for (const auto& [k, v] : *data) env[from.prefix + k] = v;
  }
  for (const EnvVar& e : c.env) {
    switch (e.source) {
      case EnvVar::Source::literal: env[e.name] = expand(e.value, env); break;
      case EnvVar::Source::field: {
        const auto v = downward_field(pod, status, e.value);
        if (!v) return fail(v.error().in("env " + e.name));
        env[e.name] = *v;
        break;
      }
      case EnvVar::Source::resource:
        // There are no limits in the lab: the machine's own size, as kubelet says without limits.
        env[e.name] =
            e.value.ends_with("cpu") ? std::to_string(std::max(1u, std::thread::hardware_concurrency())) : "0";
        break;
      case EnvVar::Source::config_map:
      case EnvVar::Source::secret: {
        const bool secret = e.source == EnvVar::Source::secret;
        const auto data = refs(secret, e.ref);
        const char* kind = secret ? "secret" : "configmap";
        if (!data) {
          if (e.optional) break;
          return fail(Errc::not_found, fmt::format("{} \"{}\" not found (env {})", kind, e.ref, e.name));
        }
        const auto it = data->find(e.value);
        if (it != data->end()) {
          env[e.name] = it->second;
        } else if (!e.optional) {
          return fail(Errc::not_found,
                      fmt::format("couldn't find key {} in {} {} (env {})", e.value, kind, e.ref, e.name));
        }
        break;
      }
    }
  }
  return env;
}

std::vector<Ref> environment_refs(const ContainerSpec& c) {
  std::set<Ref> out;
  for (const EnvFrom& f : c.env_from) out.insert({f.secret, f.ref});
  for (const EnvVar& e : c.env)
    if (e.source == EnvVar::Source::config_map || e.source == EnvVar::Source::secret)
      out.insert({e.source == EnvVar::Source::secret, e.ref});
  return {out.begin(), out.end()};
}

}  // namespace weft::lab
