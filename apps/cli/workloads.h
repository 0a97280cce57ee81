// Are Weft's own parts running? What `weft status` shows. Pure.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "api/mesh_status.h"

namespace weft::cli {

namespace json = boost::json;

struct StatusInput {
  std::string context;
  std::optional<json::object> config;      // ConfigMap weft-config
  std::optional<json::object> agents;      // DaemonSet weft-agent
  std::optional<json::object> op;          // Deployment weft-operator
  std::optional<json::object> mesh;        // Deployment clustermesh-apiserver
  std::vector<json::object> pods;          // of these three
  std::vector<json::object> cluster_pods;  // every pod of the cluster
  std::size_t endpoints = 0;               // CiliumEndpoints
  std::vector<api::MeshStatus> reports;    // the agents' own
  std::size_t mesh_remotes = 0;
  std::string mesh_missing;  // what `weft clustermesh status` finds missing; empty: nothing
  std::string chart;         // "weft-0.1.0"
};

struct Part {
  std::string name;  // "Agents"
  bool present = false;
  std::int64_t wanted = 0;
  std::int64_t ready = 0;
  std::int64_t updated = 0;
  /// Present, every pod of the latest version and ready.
  bool ok() const { return present && wanted > 0 && ready >= wanted && updated >= wanted; }
};

struct StatusReport {
  std::string context, chart, cluster_name, cluster_id;
  Part agents, op, mesh;
  std::string mesh_missing;
  std::size_t mesh_remotes = 0;
  std::size_t pods = 0, endpoints = 0;
  std::vector<std::string> errors;  // "weft-agent-x on node1: CrashLoopBackOff: …"
  /// What agents were asked to do and cannot; nodes that say the same stand together.
  struct Trouble {
    api::Problem problem;
    std::vector<std::string> nodes;
  };
  std::vector<Trouble> problems;
  std::size_t unlisted_problems = 0;  // further ones, which the agents' sockets tell
  std::vector<std::string> images;
  bool installed = false;
  bool ready() const;
  std::string missing() const;
};

StatusReport status_report(const StatusInput&);
std::string render(const StatusReport&, bool colours);
json::object to_json(const StatusReport&);

}  // namespace weft::cli
