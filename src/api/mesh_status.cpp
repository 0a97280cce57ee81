#include "api/mesh_status.h"

#include <boost/json.hpp>

#include <cmath>

namespace weft::api {

namespace {

json::value time_json(Wall::time_point t) {
  if (t == Wall::time_point{}) return nullptr;
  return json::string(rfc3339_micro(t));
}

/// Reads fields of one object, remembering the first that has the wrong type.
class Fields {
 public:
  Fields(const json::object& o, std::string where, std::string& error)
      : o_(o), where_(std::move(where)), error_(error) {}

  void read(const char* key, std::string& to) {
    if (const auto* v = find(key)) v->is_string() ? void(to = std::string(v->as_string())) : wrong(key, "a string");
  }
  void read(const char* key, bool& to) {
    if (const auto* v = find(key)) v->is_bool() ? void(to = v->as_bool()) : wrong(key, "true or false");
  }
  void read(const char* key, std::optional<bool>& to) {
    if (const auto* v = find(key)) v->is_bool() ? void(to = v->as_bool()) : wrong(key, "true or false");
  }
  template <std::unsigned_integral T>
  void read(const char* key, T& to) {
    const auto* v = find(key);
    if (!v) return;
    json::error_code ec;
    const T n = v->is_number() ? v->to_number<T>(ec) : T{};
    if (!v->is_number() || ec) return wrong(key, "a whole number");
    to = n;
  }
  void read(const char* key, double& to) {
    if (const auto* v = find(key)) v->is_number() ? void(to = v->to_number<double>()) : wrong(key, "a number");
  }
  void read(const char* key, Wall::time_point& to) {
    std::string text;
    read(key, text);
    if (!text.empty()) to = parse_rfc3339(text);
  }
  const json::object* object(const char* key) {
    const auto* v = find(key);
    if (v && !v->is_object()) wrong(key, "an object");
    return v ? v->if_object() : nullptr;
  }
  const json::array* array(const char* key) {
    const auto* v = find(key);
    if (v && !v->is_array()) wrong(key, "a list");
    return v ? v->if_array() : nullptr;
  }

 private:
  const json::value* find(const char* key) const {
    const auto* v = o_.if_contains(key);
    return v && !v->is_null() ? v : nullptr;
  }
  void wrong(const char* key, const char* wanted) {
    if (error_.empty()) error_ = where_ + key + " is not " + wanted;
  }

  const json::object& o_;
  std::string where_;
  std::string& error_;
};

RemoteStatus remote_from(const json::object& o, const std::string& where, std::string& error) {
  RemoteStatus r;
  Fields f(o, where, error);
  f.read("name", r.name);
  f.read("ready", r.ready);
  f.read("why", r.why);
  f.read("clusterId", r.cluster_id);
  f.read("nodes", r.nodes);
  f.read("services", r.services);
  f.read("endpoints", r.endpoints);
  f.read("identities", r.identities);
  f.read("lastSync", r.last_sync);
  f.read("rttMs", r.rtt_ms);
  f.read("reconnections", r.reconnections);
  f.read("failures", r.failures);
  f.read("rejected", r.rejected);
  f.read("rejectedExample", r.rejected_example);
  if (const auto* warnings = f.array("warnings"))
    for (const auto& w : *warnings)
      if (w.is_string()) r.warnings.emplace_back(w.as_string());
  if (const auto* urls = f.array("urls"))
    for (const auto& u : *urls)
      if (u.is_string()) r.endpoints_urls.emplace_back(u.as_string());
  if (const auto* c = f.object("config")) {
    Fields g(*c, where + "config.", error);
    g.read("required", r.config.required);
    g.read("retrieved", r.config.retrieved);
    g.read("clusterId", r.config.cluster_id);
    g.read("syncedCanaries", r.config.synced_canaries);
    g.read("cached", r.config.cached);
    g.read("maxConnectedClusters", r.config.max_connected_clusters);
    g.read("serviceExports", r.config.service_exports);
  }
  if (const auto* s = f.object("synced")) {
    Fields g(*s, where + "synced.", error);
    g.read("nodes", r.synced_nodes);
    g.read("services", r.synced_services);
    g.read("endpoints", r.synced_endpoints);
    g.read("identities", r.synced_identities);
  }
  return r;
}

}  // namespace

json::object to_json(const RemoteStatus& r) {
  json::array urls, warnings;
  for (const auto& u : r.endpoints_urls) urls.emplace_back(u);
  for (const auto& w : r.warnings) warnings.emplace_back(w);
  json::object config{{"required", r.config.required},    {"retrieved", r.config.retrieved},
                      {"clusterId", r.config.cluster_id}, {"syncedCanaries", r.config.synced_canaries},
                      {"cached", r.config.cached},        {"maxConnectedClusters", r.config.max_connected_clusters}};
  config["serviceExports"] = r.config.service_exports ? json::value(*r.config.service_exports) : json::value();
  json::object synced{{"nodes", r.synced_nodes},
                      {"services", r.synced_services},
                      {"endpoints", r.synced_endpoints},
                      {"identities", r.synced_identities}};
  return {{"name", r.name},
          {"ready", r.ready},
          {"why", r.why},
          {"clusterId", r.cluster_id},
          {"nodes", r.nodes},
          {"services", r.services},
          {"endpoints", r.endpoints},
          {"identities", r.identities},
          {"lastSync", time_json(r.last_sync)},
          {"rttMs", r.rtt_ms < 0 ? json::value() : json::value(std::round(r.rtt_ms * 1000) / 1000)},
          {"reconnections", r.reconnections},
          {"failures", r.failures},
          {"rejected", r.rejected},
          {"rejectedExample", r.rejected_example},
          {"warnings", std::move(warnings)},
          {"urls", std::move(urls)},
          {"config", std::move(config)},
          {"synced", std::move(synced)}};
}

json::object to_json(const MeshStatus& s) {
  json::array remotes;
  for (const auto& r : s.remotes) remotes.push_back(to_json(r));
  return {{"node", s.node},
          {"cluster", s.cluster},
          {"clusterId", s.cluster_id},
          {"updated", time_json(s.updated)},
          {"version", s.version},
          {"remotes", std::move(remotes)},
          {"problems", to_json(s.problems)},
          {"problemCount", s.problem_count}};
}

Result<MeshStatus> mesh_status_from_json(const json::value& v) {
  if (!v.is_object()) return fail(Errc::invalid, "mesh status: not a JSON object");
  MeshStatus s;
  std::string error;
  Fields f(v.as_object(), "", error);
  f.read("node", s.node);
  f.read("cluster", s.cluster);
  f.read("clusterId", s.cluster_id);
  f.read("updated", s.updated);
  f.read("version", s.version);
  if (const auto* remotes = f.array("remotes")) {
    for (std::size_t i = 0; i < remotes->size(); ++i) {
      const std::string where = fmt::format("remotes[{}].", i);
      if (const auto* o = (*remotes)[i].if_object()) {
        s.remotes.push_back(remote_from(*o, where, error));
      } else if (error.empty()) {
        error = where + " is not an object";
      }
    }
  }
  if (const auto* problems = v.as_object().if_contains("problems")) s.problems = problems_from_json(*problems);
  f.read("problemCount", s.problem_count);
  if (error.empty() && s.node.empty()) error = "node is missing";
  if (error.empty() && s.cluster.empty()) error = "cluster is missing";
  if (!error.empty()) return fail(Errc::invalid, fmt::format("mesh status: {}", error));
  std::sort(s.remotes.begin(), s.remotes.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return s;
}

std::chrono::milliseconds publish_delay(const MeshStatus* published, const MeshStatus& now) {
  using std::chrono::milliseconds;
  if (!published) return milliseconds(0);
  const auto state = [](const MeshStatus& s) {
    std::vector<std::tuple<std::string, bool, std::string, bool, std::vector<std::string>>> out;
    for (const auto& r : s.remotes) out.emplace_back(r.name, r.ready, r.why, r.config.retrieved, r.warnings);
    return std::make_tuple(s.node, s.cluster, s.cluster_id, s.version, out);
  };
  if (state(*published) != state(now)) return milliseconds(500);
  const auto counts = [](const MeshStatus& s) {
    std::vector<std::array<std::uint64_t, 11>> out;
    for (const auto& r : s.remotes)
      out.push_back({r.nodes, r.services, r.endpoints, r.identities, r.reconnections, r.failures, r.rejected,
                     r.synced_nodes, r.synced_services, r.synced_endpoints, r.synced_identities});
    return out;
  };
  if (counts(*published) != counts(now) || published->problems != now.problems ||
      published->problem_count != now.problem_count)
    return std::chrono::seconds(5);
  return kReportEvery;
}

std::string mesh_status_object_name(const std::string& node) { return "weft-mesh-status-" + node; }

json::object mesh_status_object(const MeshStatus& s, const std::string& ns, const std::string& node_uid) {
  json::object meta{{"name", mesh_status_object_name(s.node)},
                    {"namespace", ns},
                    {"labels", json::object{{"weft.io/status", "mesh"}, {"app.kubernetes.io/part-of", "weft"}}}};
  if (!node_uid.empty())
    meta["ownerReferences"] =
        json::array{json::object{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", s.node}, {"uid", node_uid}}};
  json::object data{{kMeshStatusKey, json::serialize(to_json(s))}};
  return {{"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"metadata", std::move(meta)}, {"data", std::move(data)}};
}

Result<MeshStatus> mesh_status_of_object(const json::object& config_map) {
  const auto* data = config_map.if_contains("data");
  const auto* text = data && data->is_object() ? data->as_object().if_contains(kMeshStatusKey) : nullptr;
  if (!text || !text->is_string()) return fail(Errc::invalid, fmt::format("ConfigMap without data.{}", kMeshStatusKey));
  json::error_code ec;
  const auto value = json::parse(text->as_string(), ec);
  if (ec) return fail(Errc::invalid, fmt::format("data.{}: not JSON: {}", kMeshStatusKey, ec.message()));
  return mesh_status_from_json(value);
}

}  // namespace weft::api
