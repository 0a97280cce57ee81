// A node of a cluster behind an FRR router, with the agent and BFD as Weft installs them, and a client beyond.
#pragma once

#include <boost/json/value.hpp>

#include <map>
#include <memory>
#include <string>

#include "bench/lab/lab.h"
#include "bench/lab/pods.h"
#include "bench/lab/until.h"
#include "bench/lab/ways.h"
#include "kube/client.h"
#include "netlink/kernel.h"

namespace weft::bench {

class World {
 public:
  /// The references must outlive this.
  World(Lab& lab, kube::Client& client, bool graceful_restart)
      : lab_(lab), client_(client), graceful_restart_(graceful_restart) {}

  /// Installs Weft in cluster1 and starts a pod on node1; meets the router. Returns when the client's router has a way
  /// to the pod, too.
  Task<Result<>> prepare();
  /// Has the nodes peer with the router. Returns when node1 is met: session, BFD, and its pod CIDRs in the router's
  /// kernel, of both families.
  Task<Result<>> meet();
  /// Takes that back: the agent forgets what it knew of the peer, and waits for nothing when they meet again.
  Task<Result<>> part();

  /// SIGKILL. Its node starts another.
  Result<> kill_agent();
  /// Puts another pod in place of node1's agent, whose restarts its node no longer delays then.
  Task<Result<>> renew_agent();
  /// The switch's port to node1 goes down, or up.
  Result<> set_link(bool up);

  /// The router's connection with node1, "179-41234", another for each session; empty while none is established.
  std::string session() const;
  /// There is a session, and another than `before`.
  bool met_since(const std::string& before) const;
  /// Whether the router has the pod CIDRs of node1 from its agent, and not from one that it waits for.
  bool fresh() const;
  /// Whether the router's kernel has a way to node1's pods of every family, or none at all; and since when.
  struct Reached {
    bool all = false, none = false;
    Steady::time_point last{};
  };
  Reached ways() const;

  const PodAddresses& pod() const { return pod_; }
  int client_netns() const { return client_netns_.get(); }
  std::string describe() const;

 private:
  struct Agent {
    std::string pod;
    bool ready = false;
  };
  Task<Result<>> apply(std::string collection, std::string body);
  Task<Result<>> open_places();
  Task<Result<Agent>> agent();
  boost::json::value ask_router(const std::string& command) const;

  Lab& lab_;
  kube::Client& client_;
  bool graceful_restart_;
  std::map<std::string, std::string> netns_;  // paths, by sandbox
  Fd client_netns_;
  std::unique_ptr<netlink::Kernel> switch_;
  int port_ = 0;  // of the switch, to node1
  std::unique_ptr<Ways> router_;
  PodAddresses pod_;
  std::string agent_pod_;
};

}  // namespace weft::bench
