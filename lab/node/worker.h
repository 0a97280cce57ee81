// One pod on this node, from its first sight to its removal. One coroutine walks the pod's life; one per container
// keeps it running. What was done is written to a record, from which a restarted weft-lab-node goes on.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "async/scope.h"
#include "async/signal.h"
#include "lab/node/cni.h"
#include "lab/node/container.h"
#include "lab/node/prober.h"
#include "lab/node/volumes.h"

namespace weft::lab {

struct NodeOptions {
  std::string node_name;
  std::vector<std::string> node_ips;
  std::vector<std::string> cluster_dns;
  std::string cluster_domain = "cluster.local";
  std::string kubernetes_service;  // ClusterIP of default/kubernetes
  std::string bin;                 // first in every container's PATH
  std::string pods_dir = "/var/lib/kubelet/pods";
  std::string cni_conf_dir = "/etc/cni/net.d";
  std::map<std::string, std::vector<std::string>> images;
};

/// What all workers of a node share.
struct NodeContext {
  kube::Client& client;
  Objects& objects;
  NodeOptions options;
  RuntimeConfig runtime;
  Cni cni;
};

class PodWorker {
 public:
  /// `record` is what an earlier weft-lab-node wrote down about this pod, empty for a new one.
  PodWorker(NodeContext& context, Pod pod, json::object record);

  const Pod& pod() const { return pod_; }
  /// The API object changed: labels, deletion.
  void update(Pod pod);
  /// The API object is gone: end without a word to the API.
  void gone();
  /// The pod's whole life. Returns when nothing of it is left on the node.
  Task<> run();

 private:
  struct Container {
    ContainerSpec spec;
    bool init = false;
    ContainerState state;
    std::optional<Run> run;
    RestartDelay delay;
    int attempt = 0;
    bool launched = false;  // its coroutine exists
    bool over = false;      // its coroutine has ended: it will not run again
    bool killing = false;   // stopped by us: a failed liveness probe, or the pod's end
  };

  // The walk through life (worker.cpp).
  Task<> set_up();
  Task<bool> make_sandbox();
  Task<> prepare_volumes();
  Task<> run_init_containers();
  Task<> tear_down();
  Task<> remove_sandbox();
  Task<> delete_object();

  // Containers (worker_containers.cpp).
  Task<> container_loop(Container& c);
  Task<Result<>> launch(Container& c);
  Task<> probe_loop(Container& c, int attempt, ProbeSpec probe, int kind);
  Task<> watch_probes(Container& c, int attempt);
  Task<> stop_container(Container& c, std::string why);
  Task<> post_start(Container& c);
  Result<RunSpec> run_spec(const Container& c,
                           const std::map<std::string, std::optional<std::map<std::string, std::string>>>& refs);
  ProbeTarget target(const Container& c) const;

  // Towards the API (worker_status.cpp).
  Task<> publish_loop();
  Task<Result<>> publish();
  void event(const std::string& type, const std::string& reason, const std::string& message);
  Task<> send_event(json::object event);

  bool stopping() const { return gone_ || pod_.deleting; }
  /// Returns when something changed, or after `limit`.
  Task<> wait(std::chrono::milliseconds limit);
  void changed() { notifier_.notify(); }
  PodView view() const;
  // The record (worker_record.cpp).
  void save();
  void load(const json::object& record);
  /// The path of the pod's network namespace, empty without one.
  std::string netns() const;
  std::string folder() const { return context_.runtime.state_dir + "/pods/" + pod_.uid; }
  DownwardStatus downward() const { return {pod_ips_, context_.options.node_ips}; }

  NodeContext& context_;
  Pod pod_;
  bool gone_ = false;
  Scope scope_;
  Notifier notifier_;
  PodVolumes volumes_;
  std::list<Container> containers_;  // init containers first

  std::string sandbox_id_;  // also names the network namespace
  bool attached_ = false;   // CNI ADD was tried and not undone
  std::optional<CniNetwork> network_;
  json::object cni_result_;
  bool sandbox_ready_ = false;
  bool volumes_ready_ = false;
  bool initialized_ = false;
  bool finished_ = false;  // every container is over, the sandbox removed
  std::vector<std::string> pod_ips_;
  std::string start_time_;
  json::object sent_;
  std::string last_event_;
};

/// The record's pod object; nothing when the record is damaged.
std::optional<Pod> pod_of_record(const json::object& record);

}  // namespace weft::lab
