#include "apps/cli/values.h"

#include <boost/json.hpp>

namespace weft::cli {

namespace {

constexpr std::string_view kClusters = "clustermesh.config.clusters";
constexpr std::string_view kReaders = "clustermesh.config.readers";

std::pair<std::string_view, std::string_view> split_step(std::string_view path) {
  const auto dot = path.find('.');
  if (dot == std::string_view::npos) return {path, {}};
  return {path.substr(0, dot), path.substr(dot + 1)};
}

bool enabled(const json::object& entry) {
  const auto* v = entry.if_contains("enabled");
  return !(v && v->is_bool() && !v->as_bool());
}

Result<MeshCluster> to_cluster(std::string name, const json::object& o) {
  MeshCluster c;
  c.name = std::move(name);
  if (const auto* ips = o.if_contains("ips"); ips && ips->is_array())
    for (const auto& ip : ips->as_array())
      if (ip.is_string()) c.ips.emplace_back(ip.as_string());
  if (const auto* a = o.if_contains("address"); a && a->is_string()) c.address = std::string(a->as_string());
  if (const auto* n = o.if_contains("serverName"); n && n->is_string()) c.server_name = std::string(n->as_string());
  if (const auto* p = o.if_contains("port"); p && !p->is_null()) {
    json::error_code ec;
    const auto port = p->is_number() ? p->to_number<std::uint16_t>(ec) : 0;
    if (!p->is_number() || ec || port == 0)
      return fail(Errc::invalid, fmt::format("clustermesh.config.clusters: {}: port {}: use a number from 1 to 65535",
                                             c.name, json::serialize(*p)));
    c.port = port;
  }
  return c;
}

json::object entry_of(const MeshCluster& c, json::object entry, bool with_name) {
  if (with_name) entry["name"] = c.name;
  entry.erase("ips");
  entry.erase("address");
  entry.erase("enabled");
  if (!c.ips.empty()) {
    json::array ips;
    for (const auto& ip : c.ips) ips.emplace_back(ip);
    entry["ips"] = std::move(ips);
  } else {
    entry["address"] = c.address;
  }
  if (!c.server_name.empty()) entry["serverName"] = c.server_name;
  entry["port"] = c.port;
  return entry;
}

std::string_view name_of(const json::value& entry) {
  const auto* o = entry.if_object();
  const auto* n = o ? o->if_contains("name") : nullptr;
  return n && n->is_string() ? std::string_view(n->as_string()) : std::string_view();
}

/// The "key=value" parts of --set texts, in order; commas in braces or behind a backslash separate nothing.
template <class Fn>
void each_set(const std::vector<std::string>& sets, Fn&& fn) {
  for (const std::string& text : sets) {
    std::size_t depth = 0;
    std::size_t begin = 0;
    for (std::size_t i = 0; i <= text.size(); ++i) {
      const char c = i < text.size() ? text[i] : ',';
      if (c == '\\') {
        ++i;
      } else if (c == '{') {
        ++depth;
      } else if (c == '}' && depth > 0) {
        --depth;
      } else if (c == ',' && (depth == 0 || i == text.size())) {
        const auto part = std::string_view(text).substr(begin, i - begin);
        const auto equals = std::min(part.find('='), part.size());
        fn(part.substr(0, equals), part.substr(std::min(equals + 1, part.size())));
        begin = i + 1;
      }
    }
  }
}

}  // namespace

const json::value* at_path(const json::object& values, std::string_view path) {
  const auto [step, rest] = split_step(path);
  const auto* v = values.if_contains(json::string_view(step.data(), step.size()));
  if (!v || rest.empty()) return v;
  return v->is_object() ? at_path(v->as_object(), rest) : nullptr;
}

void set_path(json::object& values, std::string_view path, json::value value) {
  const auto [step, rest] = split_step(path);
  json::value& v = values[json::string_view(step.data(), step.size())];
  if (rest.empty()) {
    v = std::move(value);
    return;
  }
  if (!v.is_object()) v.emplace_object();
  set_path(v.as_object(), rest, std::move(value));
}

json::object merge_values(json::object base, const json::object& over) {
  for (const auto& [key, value] : over) {
    if (value.is_null()) {
      base.erase(key);
    } else if (auto* old = base.if_contains(key); old && old->is_object() && value.is_object()) {
      *old = merge_values(std::move(old->as_object()), value.as_object());
    } else {
      base[key] = value;
    }
  }
  return base;
}

bool sets_path(const std::vector<std::string>& sets, std::string_view path) {
  bool found = false;
  each_set(sets, [&](std::string_view key, std::string_view) {
    found = found || key == path || (key.starts_with(path) && (key[path.size()] == '.' || key[path.size()] == '['));
  });
  return found;
}

std::optional<std::string> set_text(const std::vector<std::string>& sets, std::string_view path) {
  std::optional<std::string> out;
  each_set(sets, [&](std::string_view key, std::string_view value) {
    if (key == path) out = std::string(value);
  });
  return out;
}

Result<std::vector<MeshCluster>> mesh_clusters(const json::object& values) {
  std::vector<MeshCluster> out;
  const auto* clusters = at_path(values, kClusters);
  if (!clusters || clusters->is_null()) return out;
  if (const auto* map = clusters->if_object()) {
    for (const auto& [name, entry] : *map) {
      if (!entry.is_object() || !enabled(entry.as_object())) continue;
      auto c = to_cluster(std::string(name), entry.as_object());
      if (!c) return std::unexpected(c.error());
      out.push_back(std::move(*c));
    }
    return out;
  }
  if (!clusters->is_array()) return fail(Errc::invalid, "clustermesh.config.clusters: neither a list nor a map");
  for (std::size_t i = 0; i < clusters->as_array().size(); ++i) {
    const auto& entry = clusters->as_array()[i];
    const auto name = name_of(entry);
    if (name.empty()) return fail(Errc::invalid, fmt::format("clustermesh.config.clusters[{}]: has no name", i));
    if (!enabled(entry.as_object())) continue;
    auto c = to_cluster(std::string(name), entry.as_object());
    if (!c) return std::unexpected(c.error());
    out.push_back(std::move(*c));
  }
  return out;
}

json::object with_cluster(json::object values, const MeshCluster& cluster) {
  const auto* now = at_path(values, kClusters);
  if (now && now->is_object() && !now->as_object().empty()) {
    json::object map = now->as_object();
    const auto* old = map.if_contains(cluster.name);
    map[cluster.name] = entry_of(cluster, old && old->is_object() ? old->as_object() : json::object(), false);
    set_path(values, kClusters, std::move(map));
  } else {
    json::array list = now && now->is_array() ? now->as_array() : json::array();
    const auto it =
        std::find_if(list.begin(), list.end(), [&](const json::value& e) { return name_of(e) == cluster.name; });
    if (it != list.end()) {
      *it = entry_of(cluster, it->as_object(), true);
    } else {
      list.push_back(entry_of(cluster, {}, true));
    }
    set_path(values, kClusters, std::move(list));
  }
  set_path(values, "clustermesh.config.enabled", true);
  return values;
}

json::object without_cluster(json::object values, std::string_view name) {
  const auto* now = at_path(values, kClusters);
  if (!now) return values;
  bool left = false;
  if (now->is_object()) {
    json::object map = now->as_object();
    map.erase(json::string_view(name.data(), name.size()));
    left = !map.empty();
    set_path(values, kClusters, std::move(map));
  } else if (now->is_array()) {
    json::array list;
    for (const auto& e : now->as_array())
      if (name_of(e) != name) list.push_back(e);
    left = !list.empty();
    set_path(values, kClusters, std::move(list));
  }
  set_path(values, "clustermesh.config.enabled", left);
  return values;
}

bool has_reader(const json::object& values, std::string_view name) {
  const auto* now = at_path(values, kReaders);
  if (!now || !now->is_array()) return false;
  return std::any_of(now->as_array().begin(), now->as_array().end(),
                     [&](const json::value& r) { return r.is_string() && std::string_view(r.as_string()) == name; });
}

json::object with_reader(json::object values, std::string_view name, bool reads) {
  if (has_reader(values, name) == reads) return values;
  const auto* now = at_path(values, kReaders);
  json::array list;
  if (now && now->is_array())
    for (const auto& r : now->as_array())
      if (!r.is_string() || std::string_view(r.as_string()) != name) list.push_back(r);
  if (reads) list.emplace_back(json::string_view(name.data(), name.size()));
  set_path(values, kReaders, std::move(list));
  return values;
}

}  // namespace weft::cli
