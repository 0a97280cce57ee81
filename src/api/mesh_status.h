// What one agent says about the mesh, and of what it cannot do: the contract between agents, which publish it, and
// `weft clustermesh status` and `weft status`, which read it with nothing but access to the Kubernetes API.
//
// Each agent keeps a ConfigMap "weft-mesh-status-<node>" in the namespace that weft-config names
// (mesh-status-namespace: one of its own, since RBAC cannot limit an agent to the ConfigMap of its node), labelled
// weft.io/status=mesh, owned by its Node, with one key "mesh.json" (the JSON form below). Not an annotation of the
// CiliumNode: those travel to every other cluster, and a round-trip time is nobody's business there. Written when
// readiness changes (within half a second), when counts change (at most every 5 s), and otherwise every 60 s: a report
// older than kReportStale comes from an agent that does not run.
#pragma once

#include <boost/json/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "api/problem.h"
#include "base/clock.h"
#include "base/result.h"
#include "model/names.h"

namespace weft::api {

namespace json = boost::json;

/// The remote's cluster configuration as this agent read it (cilium-compat section 1.9).
struct RemoteConfigStatus {
  bool required = true;
  bool retrieved = false;
  ClusterId cluster_id = 0;
  bool synced_canaries = false;
  bool cached = false;  // the source is a kvstoremesh cache
  ClusterId max_connected_clusters = 0;
  std::optional<bool> service_exports;  // absent: the remote does not know the feature
  bool operator==(const RemoteConfigStatus&) const = default;
};

struct RemoteStatus {
  std::string name;
  bool ready = false;
  std::string why;  // empty when ready; else one sentence: what is wrong, and the mend
  ClusterId cluster_id = 0;
  std::uint64_t nodes = 0;
  std::uint64_t services = 0;
  std::uint64_t endpoints = 0;  // ip → identity entries
  std::uint64_t identities = 0;
  Wall::time_point last_sync{};  // last event or heartbeat seen; epoch: never
  double rtt_ms = -1;            // round trip to the remote's etcd; negative: not measured yet
  std::uint64_t reconnections = 0;
  std::uint64_t failures = 0;         // connections refused, impossible or given up, since the agent started
  std::uint64_t rejected = 0;         // values of the remote that were not taken (what was there before stays)
  std::string rejected_example;       // why, for one of them
  std::vector<std::string> warnings;  // what holds now and may not for long, each with its mend
  std::vector<std::string> endpoints_urls;
  RemoteConfigStatus config;
  // Kinds whose first list is complete.
  bool synced_nodes = false;
  bool synced_services = false;
  bool synced_endpoints = false;
  bool synced_identities = false;
  bool operator==(const RemoteStatus&) const = default;
};

/// One node's report.
struct MeshStatus {
  std::string node;
  std::string cluster;
  ClusterId cluster_id = 0;
  Wall::time_point updated{};
  std::string version;
  std::vector<RemoteStatus> remotes;  // sorted by name
  std::vector<Problem> problems;      // what this node cannot do; the first of them
  std::uint64_t problem_count = 0;    // all of them
  bool operator==(const MeshStatus&) const = default;
};

inline constexpr auto kReportEvery = std::chrono::seconds(60);
inline constexpr auto kReportStale = std::chrono::seconds(150);

/// {node, cluster, clusterId, updated, version, remotes: [{name, ready, why, clusterId, nodes, services, endpoints,
/// identities, lastSync, rttMs, reconnections, failures, rejected, rejectedExample, warnings, urls, config: {…},
/// synced: {nodes, services, endpoints, identities}}], problems: [{kind, object, why}], problemCount}; times in RFC
/// 3339, null when never; rttMs null when not measured.
json::object to_json(const MeshStatus&);
json::object to_json(const RemoteStatus&);
/// Unknown fields are ignored and missing ones keep their defaults, so that CLI and agents of different releases talk.
/// Errc::invalid when `node` or `cluster` is missing or something has the wrong type.
Result<MeshStatus> mesh_status_from_json(const json::value&);

/// How long to wait before `now` replaces `published`; `published` null: publish at once.
std::chrono::milliseconds publish_delay(const MeshStatus* published, const MeshStatus& now);

/// The key of the ConfigMap weft-config that says where reports are; without it: where weft-config is.
inline constexpr const char* kMeshStatusNamespaceKey = "mesh-status-namespace";
inline constexpr const char* kMeshStatusKey = "mesh.json";
inline constexpr const char* kMeshStatusSelector = "weft.io/status=mesh";
std::string mesh_status_object_name(const std::string& node);
/// The ConfigMap. `node_uid` empty: without an owner, so that nothing removes it when the node goes.
json::object mesh_status_object(const MeshStatus&, const std::string& ns, const std::string& node_uid);
Result<MeshStatus> mesh_status_of_object(const json::object& config_map);

}  // namespace weft::api
