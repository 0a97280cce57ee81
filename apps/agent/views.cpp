#include "apps/agent/views.h"

#include <boost/json.hpp>

#include "api/views.h"
#include "apps/agent/problems.h"

namespace weft::agent {
namespace {

namespace json = boost::json;

std::string flags_of(const LbRow& row, const Tables& tables) {
  std::string out;
  if (const auto f = tables.frontends.get(row.frontend)) out = std::string(api::to_string(f->kind));
  if (row.affinity_seconds > 0) out += (out.empty() ? "" : ", ") + std::string("sessionAffinity");
  if (row.algorithm == LbAlgorithm::maglev) out += (out.empty() ? "" : ", ") + std::string("maglev");
  return out;
}

Result<json::value> lb_view(const LbMaps& maps, const Tables& tables) {
  auto rows = maps.dump();
  if (!rows) return fail(rows.error());
  json::array out;
  for (const LbRow& row : *rows) {
    api::LbMapEntry e{.frontend = row.frontend, .id = row.service, .flags = flags_of(row, tables)};
    for (const LbRow::Member& m : row.backends)
      e.backends.push_back({m.id, m.address, m.slots > 0 ? "active" : "terminating"});
    out.push_back(api::view(e));
  }
  return json::value(std::move(out));
}

json::value usage_view(const LbMaps& maps) {
  json::array out;
  if (auto usage = maps.usage())
    for (const LbUsage::Map& m : usage->maps) out.push_back({{"map", m.name}, {"used", m.used}, {"size", m.size}});
  return out;
}

json::value endpoints_view(const Tables& tables) {
  json::array out;
  tables.endpoints.for_each([&](const identity::Endpoint& e) {
    out.push_back(api::view({.id = static_cast<std::uint32_t>(e.id),
                             .pod = e.pod,
                             .addresses = e.addresses,
                             .identity = e.identity,
                             .labels = e.labels,
                             .interface = e.interface,
                             .container_id = e.container_id,
                             .state = e.state,
                             .why = e.why}));
  });
  return out;
}

}  // namespace

void add_views(api::Server& server, const Options& options, Tables& tables, const LbReconciler& lb,
               const ReconcileHealth& lb_health, const LbMaps& maps, TellProblems problems, TellUnserved unserved) {
  using Answer = Result<json::value>;
  using R = const api::Request&;
  const std::string cluster = options.cluster_name;
  const auto info = [&lb, &lb_health](const FrontendKey& key) -> api::Programmed {
    const auto it = lb.state().services().find(key);
    return {it == lb.state().services().end() ? 0 : it->second.id, error_of(lb_health, key)};
  };
  server.route_value("GET", "/v1/services", [&tables, info, cluster, unserved](R) -> Answer {
    return api::services_view(tables.frontends, info, cluster, unserved());
  });
  server.route_value("GET", "/v1/nodes", [&tables](R) -> Answer { return api::nodes_view(tables.nodes); });
  server.route_value("GET", "/v1/identities",
                     [&tables](R) -> Answer { return api::identities_view(tables.identities); });
  server.route_value("GET", "/v1/ips", [&tables](R) -> Answer { return api::ip_identities_view(tables.ips); });
  server.route_value("GET", "/v1/endpoints", [&tables](R) -> Answer { return endpoints_view(tables); });
  server.route_value("GET", "/v1/problems", [problems](R) -> Answer { return json::value(api::to_json(problems())); });
  server.route_value("GET", "/v1/mesh", [&tables, &options, problems](R) -> Answer {
    return api::to_json(mesh_status_of(options, tables.remotes, problems(), Wall::now()));
  });
  server.route_value("GET", "/v1/bpf/lb", [&tables, &maps](R) -> Answer { return lb_view(maps, tables); });
  server.route_value("GET", "/v1/bpf/usage", [&maps](R) -> Answer { return usage_view(maps); });
}

}  // namespace weft::agent
