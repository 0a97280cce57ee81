// What stands in the status of a CiliumBGPNodeConfig, and when it is emptied.
#include "bgp/control/status_publisher.h"

#include <gmock/gmock.h>

#include "bgp/control/tests/node_world.h"

namespace weft::bgp::control {
namespace {

using ::testing::HasSubstr;
using namespace std::chrono_literals;

class StatusPublisherTest : public NodeControllerTest {
 public:
  Scope events{io, "events"};

  StatusPublisherTest() {
    server.status_subresource = {kNodeConfigs.plural};
    services.initialized_by("kubernetes services");
    server.put(kNodeConfigs,
               yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: "
                    "[{name: main, localASN: 65001, peers: [{name: tor, peerAddress: 10.0.0.1, peerASN: 65000}]}]}"));
    PeerStatus tor;
    tor.instance = "main";
    tor.name = "tor";
    tor.address = addr("10.0.0.1");
    tor.state = SessionState::established;
    speaker.statuses = {tor};
  }
  std::string status() const { return json::serialize(kube::object_at(*server.get(kNodeConfigs, "", "n1"), "status")); }
  std::string condition_of(const char* type) const { return condition(server, kNodeConfigs, "n1", type); }
  Task<> until_status_has(const char* text) {
    co_await eventually([this, text] { return status().find(text) != std::string::npos; }, [this] { return status(); });
  }
  bool recorded(const char* reason) const {
    for (const auto& e : server.all(kube::kEvents))
      if (kube::text_at(e, "reason") == reason) return true;
    return false;
  }
  /// One agent's life with the publisher, for as long as `story` lasts.
  void publish(StatusPublisher::Options options, Task<> (*story)(StatusPublisherTest&)) {
    options.node = "n1";
    options.every = 1ms;
    options.counts_every = 5ms;
    const auto all = [](StatusPublisherTest& t, StatusPublisher::Options o,
                        Task<> (*s)(StatusPublisherTest&)) -> Task<> {
      StatusPublisher publisher(t.client, t.events, t.controller, t.speaker, std::move(o));
      t.scope.spawn("controller", t.controller.run());
      t.scope.spawn("publisher", publisher.run());
      co_await s(t);
      co_await t.scope.stop();
      co_await t.events.stop();
    };
    testing::run(io, all(*this, std::move(options), story));
  }
};

TEST_F(StatusPublisherTest, a_policy_that_takes_over_empties_the_status_and_is_named) {
  publish({}, [](StatusPublisherTest& t) -> Task<> {
    co_await t.until_status_has("established");
    t.policy();
    co_await t.until_status_has("\"bgpInstances\":[]");
    EXPECT_EQ(t.condition_of("weft.io/PeeringPolicyInForce"),
              "True CiliumBGPPeeringPolicy p is in force on this node; the CiliumBGPNodeConfig waits");
    t.server.erase(kPeeringPolicies, "", "p");
    co_await t.until_status_has("established");
    EXPECT_EQ(t.condition_of("weft.io/PeeringPolicyInForce"), "False it is not so");
  });
}

TEST_F(StatusPublisherTest, a_status_that_is_no_longer_reported_is_emptied_once) {
  auto old = *server.get(kNodeConfigs, "", "n1");
  old["status"] = {{"bgpInstances", json::array{json::object{{"name", "main"}, {"localASN", 65001}}}}};
  server.put(kNodeConfigs, old);
  publish({.write_status = false}, [](StatusPublisherTest& t) -> Task<> {
    co_await t.until_status_has("\"bgpInstances\":[]");
    EXPECT_THAT(t.condition_of("weft.io/StatusReportOff"), HasSubstr("bgpControlPlane.statusReport.enabled is false"));
    EXPECT_THAT(t.status(), ::testing::Not(HasSubstr("established")));
  });
}

TEST_F(StatusPublisherTest, a_node_config_that_cannot_be_used_says_so_in_its_own_status) {
  server.put(kNodeConfigs,
             yaml("apiVersion: cilium.io/v2\nkind: CiliumBGPNodeConfig\nmetadata: {name: n1}\nspec: {bgpInstances: "
                  "[{name: main, localASN: 0}]}"));
  publish({}, [](StatusPublisherTest& t) -> Task<> {
    co_await t.until_status_has("is reserved");
    EXPECT_THAT(t.condition_of("cilium.io/BGPReconcileError"), HasSubstr("localASN 0 is reserved (RFC 7607)"));
  });
}

TEST_F(StatusPublisherTest, routes_that_the_kernel_refuses_are_an_error_and_an_event) {
  speaker.said = {"1 route(s) are not in the kernel, the first: route 10.9.0.0/16: no such device"};
  publish({}, [](StatusPublisherTest& t) -> Task<> {
    co_await t.until_status_has("not in the kernel");
    EXPECT_THAT(t.condition_of("cilium.io/BGPReconcileError"), HasSubstr("True 1 route(s) are not in the kernel"));
    co_await eventually([&] { return t.recorded("BGPReconcileError"); });
  });
}

TEST_F(StatusPublisherTest, a_session_without_the_bfd_that_it_asks_for_is_a_condition_and_an_event) {
  speaker.statuses[0].bfd = "waiting: weft-bfd is absent";
  publish({.bfd_patience = 10ms}, [](StatusPublisherTest& t) -> Task<> {
    co_await t.until_status_has("BFDNotRunning");
    EXPECT_THAT(t.condition_of("weft.io/BFDNotRunning"),
                HasSubstr("True peer tor of instance main is up and its BFD is not: waiting: weft-bfd is absent"));
    co_await eventually([&] { return t.recorded("BFDNotRunning"); });
    t.speaker.statuses[0].bfd = "up";
    t.speaker.changes().notify();
    co_await eventually([&] { return t.condition_of("weft.io/BFDNotRunning").starts_with("False"); });
  });
}

TEST_F(StatusPublisherTest, bfd_that_comes_up_in_time_is_no_news) {
  speaker.statuses[0].bfd = "waiting";
  publish({.bfd_patience = 1h}, [](StatusPublisherTest& t) -> Task<> {
    co_await t.until_status_has("established");
    EXPECT_EQ(t.condition_of("weft.io/BFDNotRunning"), "no such condition");
  });
}

}  // namespace
}  // namespace weft::bgp::control
