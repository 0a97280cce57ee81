// An agent's controller on an API server and a kernel in memory, with a speaker that keeps what it is told.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/tests/run.h"
#include "bgp/control/node_controller.h"
#include "bgp/control/tests/yaml.h"
#include "kube/fake.h"
#include "netlink/fake.h"

namespace weft::bgp::control {

inline Task<> eventually(std::function<bool()> fact, std::function<std::string()> seen = {}) {
  return testing::until(std::move(fact), std::move(seen), std::chrono::seconds(15));
}

inline std::string condition(const kube::FakeServer& server, const kube::Resource& kind, const char* name,
                             const char* type) {
  const auto o = server.get(kind, "", name);
  if (!o) return "no such object";
  for (const auto& c : kube::array_at(kube::object_at(*o, "status"), "conditions"))
    if (kube::text_at(c.as_object(), "type") == type)
      return kube::text_at(c.as_object(), "status") + " " + kube::text_at(c.as_object(), "message");
  return "no such condition";
}

class SilentSpeaker final : public SpeakerEdge {
 public:
  explicit SilentSpeaker(asio::io_context& io) : changes_(io) {}
  std::vector<PeerFault> apply(Wanted w) override {
    ++applied;
    if (on_apply) on_apply(w);
    wanted = std::move(w);
    return faults;
  }
  std::vector<PeerStatus> peers() const override { return statuses; }
  RouteViews routes_available(const RouteQuery&) const override { return {}; }
  RouteViews routes_advertised(const RouteQuery&) const override { return {}; }
  RouteViews routes_received(const RouteQuery&) const override { return {}; }
  std::vector<PrefixAnswer> why(const Prefix&) const override { return {}; }
  std::vector<std::string> troubles() const override { return said; }
  Notifier& changes() override { return changes_; }
  Task<> stop(std::string, bool) override { co_return; }

  Wanted wanted;
  unsigned applied = 0;
  std::function<void(const Wanted&)> on_apply;
  std::vector<PeerFault> faults;
  std::vector<PeerStatus> statuses;
  std::vector<std::string> said;

 private:
  Notifier changes_;
};

class NodeControllerTest : public ::testing::Test {
 public:
  asio::io_context io;
  kube::FakeServer server{io};
  kube::Client client{io, kube::FakeServer::config(), server.transport()};
  std::shared_ptr<netlink::FakeWorld> world = std::make_shared<netlink::FakeWorld>();
  netlink::FakeKernel kernel{world};
  Table<kube::CoreNode> own_node{io, "own node"};
  Table<Service> services{io, "services"};
  Table<EndpointSlice> slices{io, "endpoint slices"};
  Table<ClusterService> remotes{io, "remote services"};
  Table<Node> nodes{io, "nodes"};
  SilentSpeaker speaker{io};
  NodeController controller{
      client, {.node = "n1", .cluster = "east"}, {own_node, services, slices, remotes, nodes, kernel}, speaker};
  Scope scope{io, "test"};

  NodeControllerTest() {
    own_node.upsert({.name = "n1", .pod_cidrs = {prefix("10.1.0.0/24")}});
    services.expect("kubernetes services");
  }
  void drive(Task<> (*story)(NodeControllerTest&)) {
    const auto all = [](NodeControllerTest& t, Task<> (*s)(NodeControllerTest&)) -> Task<> {
      t.scope.spawn("controller", t.controller.run());
      co_await s(t);
      co_await t.scope.stop();
    };
    testing::run(io, all(*this, story));
  }
  void policy(const std::string& more = "") {
    server.put(kPeeringPolicies,
               yaml("apiVersion: cilium.io/v2alpha1\nkind: CiliumBGPPeeringPolicy\nmetadata: {name: p}\nspec: "
                    "{virtualRouters: [{localASN: 65001, exportPodCIDR: true, serviceSelector: {}, neighbors: "
                    "[{peerAddress: 10.0.0.1/32, peerASN: 65000" +
                    more + "}]}]}"));
  }
};

}  // namespace weft::bgp::control
