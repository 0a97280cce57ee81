// What `weft clustermesh status` says: from objects and agents' reports to lines and JSON. Pure.
#pragma once

#include <boost/json.hpp>

#include <optional>
#include <string>
#include <vector>

#include "api/mesh_status.h"
#include "apps/cli/access.h"
#include "base/clock.h"

namespace weft::cli {

struct MeshInput {
  ClusterObjects objects;
  std::vector<json::object> agent_pods;             // Pods k8s-app=weft
  std::optional<json::object> deployment;           // clustermesh-apiserver
  std::optional<std::vector<std::string>> remotes;  // file names of Secret cilium-clustermesh that configure a remote
  std::vector<api::MeshStatus> reports;             // of agents, any order
  std::vector<std::string> unreadable;              // reports that made no sense, and why
  Wall::time_point now{};
};

/// One node's view of one remote; `status` is null when the node did not report this remote.
struct NodeView {
  std::string node;
  bool ready = false;
  std::string why;
  std::optional<api::RemoteStatus> status;
};

struct RemoteReport {
  std::string name;
  ClusterId id = 0;
  std::vector<NodeView> nodes;  // every node that runs an agent
  std::size_t configured = 0;   // nodes that know of it
  std::size_t connected = 0;    // nodes that are ready
  std::uint64_t remote_nodes = 0;
  bool ready() const { return !nodes.empty() && connected == nodes.size(); }
  /// The first reason, with the number of nodes it holds for.
  std::string why() const;
};

struct MeshReport {
  std::string context;
  bool enabled = false;  // the mesh process is meant to run here
  std::string trouble;   // why the mesh as a whole is not OK, apart from remotes; empty: it is
  std::optional<AccessInfo> access;
  std::string access_trouble;    // why there is no access information
  std::int64_t store_ready = 0;  // replicas of clustermesh-apiserver
  std::int64_t store_wanted = 0;
  std::size_t agents = 0;
  std::vector<RemoteReport> remotes;  // sorted by name
  std::vector<std::string> notes;
  Wall::time_point now{};
  bool ready() const;
  /// What is still missing, in a few words, for the waiting line.
  std::string missing() const;
};

/// Names of the files in Secret cilium-clustermesh that count as configurations: those that contain "endpoints:".
std::vector<std::string> configured_remotes(const json::object& secret);

MeshReport mesh_report(const MeshInput&);

/// The three lines of the summary first, then the detail.
std::string render(const MeshReport&, bool colours);
/// cilium-compat section 7.2's keys, and "ready" and "remotes" beside them.
json::object to_json(const MeshReport&);

}  // namespace weft::cli
