// One node with many LoadBalancer Services: an API server, a kernel and load balancing maps in memory, and on top of
// them the whole agent with its real speaker.
#pragma once

#include <boost/json/object.hpp>

#include <memory>
#include <string>
#include <vector>

#include "apps/agent/agent.h"
#include "async/scope.h"
#include "datapath/lb_maps.h"
#include "kube/fake.h"
#include "netlink/fake.h"

namespace weft::bench {

inline constexpr bgp::Asn kNodeAsn = 65001, kRouterAsn = 65000;

enum class Kind { label_removed, label_added, address_changed, local_endpoint_gone, local_endpoint_back };
inline constexpr Kind kKinds[] = {Kind::label_removed, Kind::label_added, Kind::address_changed,
                                  Kind::local_endpoint_gone, Kind::local_endpoint_back};
const char* key_of(Kind kind);    // "label_removed"
const char* words_of(Kind kind);  // "the label is removed"

/// What one change must bring to the router.
struct Change {
  Kind kind{};
  Steady::time_point committed;  // the API server has it from here on
  std::vector<Prefix> announced, withdrawn;
};

class World {
 public:
  /// `services` at most 65536, each with externalTrafficPolicy Local, one endpoint here and one on another node.
  World(asio::io_context& io, const std::string& router, unsigned services);
  ~World();
  void start();
  Task<> stop();
  /// Why there is no agent, or what it waits for; for messages.
  std::string trouble() const;

  /// Makes the change number `n` of a run: each kind in turn, at ever other Services.
  Change change(unsigned n);

 private:
  struct Made {
    bool label = true;
    bool moved = false;  // has its second address
    bool local_endpoint = true;
  };
  Prefix prefix(unsigned service) const;
  void put_service(unsigned service);
  void put_slice(unsigned service);
  void put_manifest(const std::string& text);

  asio::io_context& io_;
  std::vector<Made> made_;
  std::string state_dir_;
  std::string failure_;
  kube::FakeServer server_{io_};
  std::shared_ptr<netlink::FakeWorld> kernel_world_ = std::make_shared<netlink::FakeWorld>();
  netlink::FakeKernel kernel_{kernel_world_};
  FakeLbMaps maps_;
  kube::Client client_{io_, kube::FakeServer::config(), server_.transport()};
  std::unique_ptr<agent::Agent> agent_;
  Scope scope_{io_, "bench"};
};

}  // namespace weft::bench
