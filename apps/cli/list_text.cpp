#include "apps/cli/list_text.h"

#include <boost/json.hpp>

#include "apps/cli/objects.h"
#include "apps/cli/terminal.h"

namespace weft::cli {

namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string named(const json::object& o, const char* ns_key, const char* name_key) {
  const auto ns = text(o, {ns_key});
  const auto name = text(o, {name_key});
  return or_dash(ns.empty() ? name : ns + "/" + name);
}

std::string strings(const json::array& a) {
  std::string out;
  for (const auto& v : a)
    if (v.is_string()) out += (out.empty() ? "" : ", ") + std::string(v.as_string());
  return or_dash(std::move(out));
}

std::string labels(const json::object& o) {
  std::map<std::string, std::string> sorted;
  if (const auto* l = find(o, {"labels"}); l && l->is_object())
    for (const auto& [k, v] : l->as_object()) sorted[std::string(k)] = v.is_string() ? std::string(v.as_string()) : "";
  std::string out;
  for (const auto& [k, v] : sorted) out += (out.empty() ? "" : ", ") + (v.empty() ? k : k + "=" + v);
  return or_dash(std::move(out));
}

std::string id_of(const json::object& o) {
  const auto id = number(o, {"id"});
  return id == 0 ? "-" : std::to_string(id);
}

/// Backends below each other, the rest of the row standing beside the first.
void add_with_backends(Rows& rows, std::vector<std::string> head, const std::vector<std::string>& backends) {
  if (backends.empty()) {
    head.emplace_back("none");
    rows.push_back(std::move(head));
    return;
  }
  for (std::size_t i = 0; i < backends.size(); ++i) {
    auto row = i == 0 ? head : std::vector<std::string>(head.size());
    row.push_back(backends[i]);
    rows.push_back(std::move(row));
  }
}

}  // namespace

json::value global_services(const json::value& services) {
  json::array out;
  each(services, [&](const json::object& o) {
    if (truth(o, "global")) out.push_back(o);
  });
  return out;
}

std::string services_text(const json::value& services, const ServiceListOptions& options) {
  Rows rows;
  std::string notes;
  each(services, [&](const json::object& o) {
    if (options.global_only && !truth(o, "global")) return;
    const auto frontend = text(o, {"frontend"});
    const auto protocol =
        frontend.rfind('/') == std::string::npos ? std::string() : frontend.substr(frontend.rfind('/'));
    std::vector<std::string> backends;
    for (const auto& b : list(o, {"backends"})) {
      const auto* backend = b.if_object();
      if (!backend) continue;
      std::string line = fmt::format("{} => {}{} ({})", backends.size() + 1, text(*backend, {"address"}), protocol,
                                     text(*backend, {"state"}));
      if (options.global_only) line += " " + text(*backend, {"cluster"});
      if (options.choice || options.global_only) {
        const auto why = text(*backend, {"heldBack"});
        line += truth(*backend, "preferred") ? " (preferred)"
                : why.empty()                ? " (held back)"
                                             : fmt::format(" (held back: {})", why);
      }
      backends.push_back(std::move(line));
    }
    std::vector<std::string> head{id_of(o), or_dash(frontend), or_dash(text(o, {"type"})),
                                  named(o, "namespace", "name")};
    if (options.global_only) head.push_back(or_dash(text(o, {"affinity"})));
    add_with_backends(rows, std::move(head), backends);
    if (const auto reason = text(o, {"reason"}); !reason.empty())
      notes += fmt::format("❌ {}, {}: {}\n", named(o, "namespace", "name"), frontend, reason);
  });
  std::vector<std::string> head{"ID", "Frontend", "Service Type", "Service"};
  if (options.global_only) head.emplace_back("Affinity");
  head.emplace_back("Backend");
  return table(head, rows) + notes;
}

std::string nodes_text(const json::value& nodes) {
  Rows rows;
  each(nodes, [&](const json::object& o) {
    std::string internal;
    for (const auto& a : list(o, {"addresses"}))
      if (const auto* address = a.if_object(); address && text(*address, {"type"}) == "InternalIP")
        internal += (internal.empty() ? "" : ", ") + text(*address, {"ip"});
    rows.push_back(
        {named(o, "cluster", "name"), or_dash(internal), strings(list(o, {"podCIDRs"})), or_dash(text(o, {"source"}))});
  });
  return table({"Name", "Internal IP", "Pod CIDRs", "Source"}, rows);
}

std::string identities_text(const json::value& identities) {
  Rows rows;
  each(identities,
       [&](const json::object& o) { rows.push_back({id_of(o), or_dash(text(o, {"cluster"})), labels(o)}); });
  return table({">ID", "Cluster", "Labels"}, rows);
}

std::string endpoints_text(const json::value& endpoints) {
  Rows rows;
  bool nodes = false;  // entries from several agents say which
  each(endpoints, [&](const json::object& o) { nodes = nodes || !text(o, {"node"}).empty(); });
  std::string notes;
  each(endpoints, [&](const json::object& o) {
    const auto identity = number(o, {"identity"});
    std::vector<std::string> row{id_of(o),
                                 named(o, "namespace", "pod"),
                                 strings(list(o, {"addresses"})),
                                 identity == 0 ? "-" : std::to_string(identity),
                                 or_dash(text(o, {"state"})),
                                 or_dash(text(o, {"interface"}))};
    if (nodes) row.insert(row.begin(), or_dash(text(o, {"node"})));
    rows.push_back(std::move(row));
    if (const auto why = text(o, {"why"}); !why.empty())
      notes += fmt::format("❌ {}: {}: {}\n", named(o, "namespace", "pod"), text(o, {"state"}), why);
  });
  std::vector<std::string> head{">ID", "Pod", "Addresses", ">Identity", "State", "Interface"};
  if (nodes) head.insert(head.begin(), "Node");
  return table(head, rows) + notes;
}

std::string lb_text(const json::value& entries) {
  Rows rows;
  each(entries, [&](const json::object& o) {
    std::vector<std::string> backends;
    for (const auto& b : list(o, {"backends"})) {
      const auto* backend = b.if_object();
      if (!backend) continue;
      backends.push_back(fmt::format("{} => {} (id {}, {})", number(*backend, {"slot"}), text(*backend, {"address"}),
                                     number(*backend, {"backendId"}), or_dash(text(*backend, {"state"}))));
    }
    add_with_backends(rows, {id_of(o), or_dash(text(o, {"frontend"})), or_dash(text(o, {"flags"}))}, backends);
  });
  return table({"ID", "Frontend", "Flags", "Backend"}, rows);
}

std::string config_text(const json::object& config_map) {
  std::map<std::string, std::string> sorted;
  if (const auto* data = find(config_map, {"data"}); data && data->is_object())
    for (const auto& [k, v] : data->as_object())
      if (v.is_string()) sorted[std::string(k)] = std::string(v.as_string());
  Rows rows;
  for (const auto& [k, v] : sorted) rows.push_back({k, v});
  return table({"KEY", "VALUE"}, rows);
}

}  // namespace weft::cli
