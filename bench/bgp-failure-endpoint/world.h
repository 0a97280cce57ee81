// A cluster behind two top-of-rack routers, a Service with externalTrafficPolicy: Local, and a client behind them all.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/lab/lab.h"
#include "bench/lab/pods.h"
#include "bench/lab/until.h"
#include "bench/lab/ways.h"
#include "kube/client.h"
#include "netlink/kernel.h"
#include "slices.h"

namespace weft::bench {

class World {
 public:
  /// Both must outlive this.
  World(Lab& lab, kube::Client& client) : lab_(lab), client_(client) {}

  /// Installs Weft in cluster1, the peering policy, the Service, and the pod that stays, on node2. Returns when both
  /// routers send the Service's addresses to that node alone.
  Task<Result<>> prepare();

  /// Makes a pod of the Service on node1 that answers `startup` after it has started and, told to end, goes on
  /// answering for `grace` seconds. Returns when it has its addresses, which is before it answers.
  Task<Result<PodAddresses>> start_pod(std::string name, unsigned grace);
  /// Returns once the API server has taken the deletion.
  Task<Result<>> delete_pod(std::string name);
  Task<Result<>> wait_until_gone(std::string name);
  /// Sends what comes to the Service's addresses on node1 or node2 to that pod. This stands in for the load balancing
  /// of traffic from outside: it knows no endpoint but this one, alive or dead.
  Result<> serve(int node, const PodAddresses& pod);

  /// Whether both routers have so many nodes for both addresses, and when the last of the four came to have.
  struct Reached {
    bool all = false;
    Steady::time_point first{}, last{};
  };
  Reached nodes(std::size_t count) const;

  const Address& v4() const { return v4_; }
  const Address& v6() const { return v6_; }
  int client_netns() const { return client_netns_.get(); }
  std::string describe() const;

 private:
  Task<Result<>> create(std::string path, std::string body);
  std::string netns(const std::string& sandbox) const { return netns_.at(sandbox); }
  Result<> open_places();
  Task<Result<>> wait_for_client();

  Lab& lab_;
  kube::Client& client_;
  std::map<std::string, std::string> netns_;  // paths, by sandbox
  Fd client_netns_;
  Address v4_ = *Address::parse("203.0.113.30"), v6_ = *Address::parse("2001:db8:203::30");
  std::vector<std::unique_ptr<netlink::Kernel>> nodes_;  // node1, node2
  std::vector<std::unique_ptr<Ways>> routers_;
};

}  // namespace weft::bench
