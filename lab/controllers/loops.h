// The controllers: each watches some kinds, keeps a queue of what needs a look, and carries out what its pure half
// (replicaset.h, deployment.h, …) decides. Make them before Cluster::start(), start them after it.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lab/controllers/cluster.h"
#include "lab/controllers/ipam.h"

namespace weft::lab {

class Loop {
 public:
  virtual ~Loop() = default;
  virtual void start(Scope& scope) = 0;
};

std::unique_ptr<Loop> make_node_cidr_loop(Cluster& cluster, NodeCidrOptions options);
std::unique_ptr<Loop> make_scheduler_loop(Cluster& cluster);
std::unique_ptr<Loop> make_replicaset_loop(Cluster& cluster);
std::unique_ptr<Loop> make_deployment_loop(Cluster& cluster);
std::unique_ptr<Loop> make_daemonset_loop(Cluster& cluster);
std::unique_ptr<Loop> make_slice_loop(Cluster& cluster);
/// Taints after nodes' conditions; nodes without a sign of life for `grace` become Unknown and their pods not ready.
std::unique_ptr<Loop> make_node_health_loop(Cluster& cluster, std::chrono::seconds grace);
/// Deletes pods of nodes that have been gone for `quarantine`.
std::unique_ptr<Loop> make_pod_gc_loop(Cluster& cluster, std::chrono::seconds quarantine);

/// Kinds: one informer for every kind that the server has, kept up as custom resource definitions come and go.
class Kinds {
 public:
  explicit Kinds(Cluster& cluster);
  /// Before Cluster::start(): what there is now.
  Task<Result<>> find();
  void start(Scope& scope);
  /// Called for every informer, those to come included. After Cluster::start().
  void each(std::function<void(Informer&)> seen);
  /// The informer of an owner reference's kind; null when the server does not have it.
  Informer* of(const std::string& api_version, const std::string& kind);
  std::list<Informer>& informers() { return cluster_.informers(); }

 private:
  Task<> follow(Scope& scope);

  Cluster& cluster_;
  Informer& definitions_;
  std::vector<std::function<void(Informer&)>> seen_;
  Notifier changed_;
};

/// `root_ca`: PEM for every namespace's kube-root-ca.crt; empty: no such ConfigMaps.
std::unique_ptr<Loop> make_namespace_loop(Cluster& cluster, Kinds& kinds, std::string root_ca);
std::unique_ptr<Loop> make_garbage_loop(Cluster& cluster, Kinds& kinds);

struct ControllerOptions {
  NodeCidrOptions node_cidrs;
  std::string root_ca;
  std::chrono::seconds pod_gc_quarantine{20};
  std::chrono::seconds node_grace{40};
};

/// All of them against one cluster, until cancelled. An error: the server could not be read at the start.
Task<Result<>> run_controllers(Scope& scope, Cluster& cluster, ControllerOptions options);

}  // namespace weft::lab
