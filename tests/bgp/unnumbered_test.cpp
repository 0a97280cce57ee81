// Peering without addresses: each side learns the other's link-local address from its router advertisements.
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "bgp/bench.h"

namespace weft::bgp::test {
namespace {

// A speaker in a namespace of its own, on a thread of its own, behind the link u0 ↔ u1.
class FarSide {
 public:
  explicit FarSide(PeerConfig peer) {
    std::promise<pid_t> ready;
    std::promise<void> linked;
    auto in_place = ready.get_future();
    thread_ = std::thread([this, &ready, peer = std::move(peer), go = linked.get_future()]() mutable {
      ::unshare(CLONE_NEWNET);
      ready.set_value(static_cast<pid_t>(::syscall(SYS_gettid)));
      go.wait();
      shell("ip link set lo up; ip link set u1 addrgenmode eui64; ip link set u1 up");
      run(std::move(peer));
    });
    const pid_t where = in_place.get();
    shell(fmt::format("ip link add u0 type veth peer name u1 netns {} && ip link set u0 up", where));
    linked.set_value();
  }
  ~FarSide() {
    stop_ = true;
    thread_.join();
    shell("ip link del u0 2>/dev/null || true");
  }
  PeerStatus status() {
    const std::lock_guard lock(mutex_);
    return status_;
  }

 private:
  void run(PeerConfig peer) {
    Loop loop;
    Node node(loop);
    node.config() = {.name = "main", .local_as = kAsB, .router_id = RouterId{2}, .listen_port = 179};
    node.config().peers = {std::move(peer)};
    node.set() = routes("10.2.0.0", 20);
    node.set().set({*Prefix::parse("2001:db8:2::/48"), {}});
    node.apply();
    while (!stop_) {
      loop.turn(50ms);
      const std::lock_guard lock(mutex_);
      status_ = node.status("link");
    }
    loop.run(node.speaker->stop("", false));
  }

  std::thread thread_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  PeerStatus status_;
};

PeerConfig unnumbered(const std::string& interface) {
  PeerConfig p;
  p.name = "link";
  p.interface = interface;
  p.remote_as = {PeerAs::Kind::external, 0};
  p.connect_retry = 1s;
  p.routes = {{kIpv4Unicast, "own"}, {kIpv6Unicast, "own"}};
  return p;
}

class UnnumberedTest : public NetTest {};

TEST_F(UnnumberedTest, two_routers_on_a_link_find_each_other_and_speak_ipv4_over_ipv6) {
  Loop loop;
  FarSide far(unnumbered("u1"));
  Node near(loop);
  near.config() = {.name = "main", .local_as = kAsA, .router_id = RouterId{1}, .listen_port = 179};
  near.config().peers = {unnumbered("u0")};
  near.set() = routes("10.1.0.0", 10);
  near.apply();
  const auto seen = [&] { return near.seen(); };
  ASSERT_TRUE(loop.until("the session", [&] { return near.up("link"); }, seen, 60s));
  ASSERT_TRUE(loop.until(
      "routes of both families",
      [&] { return near.received("link", kIpv4Unicast) == 20 && near.received("link", kIpv6Unicast) == 1; }, seen));
  const auto r = near.speaker->routes_received({.prefix = Prefix::parse("10.2.0.3/32").value()}).at(0);
  EXPECT_TRUE(r.next_hop.address.is_link_local()) << r.next_hop.to_string();
  EXPECT_EQ(near.status("link").peer_as, kAsB);
  ASSERT_TRUE(loop.until(
      "ours at the other end", [&] { return far.status().families[kIpv4Unicast].received == 10; },
      [&] { return far.status().down.words; }));
  EXPECT_EQ(far.status().peer_as, kAsA);
}

TEST_F(UnnumberedTest, an_asn_of_the_wrong_kind_is_refused) {
  Loop loop;
  FarSide far(unnumbered("u1"));
  Node near(loop);
  near.config() = {.name = "main", .local_as = kAsA, .router_id = RouterId{1}, .listen_port = 179};
  near.config().peers = {unnumbered("u0")};
  near.peer().remote_as = {PeerAs::Kind::internal, 0};
  near.apply();
  ASSERT_TRUE(loop.until(
      "a refusal",
      [&] {
        return near.status("link").down.kind == DownReason::Kind::open_rejected ||
               near.status("link").down.kind == DownReason::Kind::notification_received;
      },
      [&] { return near.seen(); }, 60s));
  EXPECT_FALSE(near.up("link"));
}

TEST_F(UnnumberedTest, an_interface_that_is_not_there_is_named) {
  Loop loop;
  Node near(loop);
  near.config() = {.name = "main", .local_as = kAsA, .router_id = RouterId{1}};
  near.config().peers = {unnumbered("nowhere0")};
  near.apply();
  ASSERT_TRUE(loop.until(
      "the reason",
      [&] { return near.status("link").down.words.find("interface nowhere0 does not exist") != std::string::npos; },
      [&] { return near.seen(); }));
  EXPECT_EQ(near.status("link").down.kind, DownReason::Kind::no_address);
}

}  // namespace
}  // namespace weft::bgp::test
