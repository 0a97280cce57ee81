// Peering without addresses: each side learns the other's link-local address from its router advertisements.
#include <arpa/inet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <mutex>
#include <thread>

#include "bgp/bench.h"
#include "bgp/speaker/kernel_routes.h"
#include "bgp/speaker/ndp.h"
#include "bgp/speaker/tcp.h"

namespace weft::bgp::test {
namespace {

// ICMPv6 on one interface, for a test's own use. The descriptor is the caller's.
Fd open_icmp(const char* interface) {
  Fd fd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_ICMPV6));
  ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface, static_cast<socklen_t>(std::strlen(interface)));
  return fd;
}

// Tells everybody on the link that there is a router at `source`.
void advertise(const std::string& interface, const std::string& source) {
  shell(fmt::format("ip addr replace {}/64 dev {} nodad", source, interface));
  const Fd fd = open_icmp(interface.c_str());
  const int hops = kNdpHopLimit;
  ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops);
  sockaddr_in6 from{}, to{};
  from.sin6_family = to.sin6_family = AF_INET6;
  from.sin6_scope_id = to.sin6_scope_id = ::if_nametoindex(interface.c_str());
  ::inet_pton(AF_INET6, source.c_str(), &from.sin6_addr);
  ::inet_pton(AF_INET6, "ff02::1", &to.sin6_addr);
  const auto message = encode(RouterAdvertisement{std::chrono::seconds(1800), std::nullopt});
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&from), sizeof from) != 0 ||
      ::sendto(fd.get(), message.data(), message.size(), 0, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0)
    throw std::runtime_error("advertising " + source + ": " + std::strerror(errno));
}

// Whether something has come from `source` on a socket of open_icmp().
bool heard_from(const Fd& fd, const std::string& source) {
  char buffer[2048];
  sockaddr_in6 from{};
  for (socklen_t size = sizeof from;; size = sizeof from) {
    if (::recvfrom(fd.get(), buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &size) < 0) return false;
    char text[INET6_ADDRSTRLEN];
    if (::inet_ntop(AF_INET6, &from.sin6_addr, text, sizeof text) == source) return true;
  }
}

// A speaker in a namespace of its own, on a thread of its own, behind a link: u0 ↔ u1, or as it is told.
class FarSide {
 public:
  explicit FarSide(PeerConfig peer, const std::string& here = "u0") : here_(here) {
    std::promise<pid_t> ready;
    std::promise<void> linked;
    auto in_place = ready.get_future();
    const std::string there = peer.interface;
    thread_ = std::thread([this, &ready, there, peer = std::move(peer), go = linked.get_future()]() mutable {
      ::unshare(CLONE_NEWNET);
      ready.set_value(static_cast<pid_t>(::syscall(SYS_gettid)));
      go.wait();
      shell(fmt::format("ip link set lo up; ip link set {0} addrgenmode eui64; ip link set {0} up", there));
      run(std::move(peer));
    });
    const pid_t where = in_place.get();
    shell(fmt::format("ip link add {0} type veth peer name {1} netns {2} && ip link set {0} up", here, there, where));
    linked.set_value();
  }
  ~FarSide() {
    stop_ = true;
    thread_.join();
    shell(fmt::format("ip link del {} 2>/dev/null || true", here_));
  }
  PeerStatus status() {
    const std::lock_guard lock(mutex_);
    return status_;
  }
  /// Another router shows up on the link, and connects to the near side. The session must be up.
  void visit_as(const std::string& source) {
    const std::lock_guard lock(mutex_);
    stranger_ = source;
  }
  /// The link-local address of the far end.
  std::string address() {
    const auto local = status().local_address;
    return local ? local->to_string() : "none";
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
      if (const auto source = std::exchange(stranger_, ""); !source.empty()) visit(source);
    }
    loop.run(node.speaker->stop("", false));
  }

  void visit(const std::string& source) {
    advertise("u1", source);
    const unsigned link = ::if_nametoindex("u1");
    auto fd = start_connect({.remote = {status_.address.value(), 179, link},
                             .local = Endpoint{*Address::parse(source), 0, link},
                             .device = "u1"});
    if (!fd) throw std::runtime_error(fd.error().message);
    visitor_ = std::move(*fd);
  }

  Fd visitor_;
  std::string here_;
  std::thread thread_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  PeerStatus status_;
  std::string stranger_;
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

TEST_F(UnnumberedTest, another_router_on_the_link_moves_nothing_of_a_session_that_is_up) {
  Loop loop;
  FarSide far(unnumbered("u1"));
  FakeBfd bfd;
  Node near(loop, {.bfd = &bfd});
  near.config() = {.name = "main", .local_as = kAsA, .router_id = RouterId{1}, .listen_port = 179};
  near.config().peers = {unnumbered("u0")};
  near.peer().bfd = PeerBfd{};
  near.apply();
  const auto seen = [&] { return near.seen(); };
  ASSERT_TRUE(loop.until("the session", [&] { return near.up("link"); }, seen, 60s));
  ASSERT_TRUE(loop.until("BFD", [&] { return bfd.wanted.contains("main/link"); }, seen));
  const auto router = near.status("link").address;
  ASSERT_TRUE(router);
  const Fd ear = open_icmp("u0");
  far.visit_as("fe80::bad");
  ASSERT_TRUE(loop.until("the stranger", [&] { return heard_from(ear, "fe80::bad"); }, seen));
  ASSERT_TRUE(loop.until("its connection", [&] { return near.speaker->strangers() == 1; }, seen));
  EXPECT_EQ(near.status("link").address, router);
  EXPECT_EQ(bfd.wanted.at("main/link").remote, *router);
  EXPECT_TRUE(near.up("link")) << seen();
}

TEST_F(UnnumberedTest, a_route_of_two_routers_leaves_by_the_link_of_each) {
  auto kernel = netlink::make_linux_kernel();
  ASSERT_TRUE(kernel) << kernel.error().message;
  KernelRoutes routes_of_peers(**kernel);
  {
    Loop loop;
    FarSide left(unnumbered("u1"));
    FarSide right(unnumbered("w1"), "w0");
    Node near(loop, {.kernel = &routes_of_peers});
    near.config() = {.name = "main", .local_as = kAsA, .router_id = RouterId{1}, .listen_port = 179};
    near.config().peers = {unnumbered("u0"), unnumbered("w0")};
    near.peer(1).name = "other link";
    for (PeerConfig& p : near.config().peers)
      p.import = ImportPolicy{.rules = {{*Prefix::parse("10.2.0.0/24"), 32, 32}}, .table = 1187};
    near.apply();
    const auto shown = [] { return shell("ip route show table 1187 10.2.0.3 || true"); };
    ASSERT_TRUE(loop.until(
        "both links in the route",
        [&] { return shown().find("dev u0") != std::string::npos && shown().find("dev w0") != std::string::npos; },
        [&] { return near.seen() + shown(); }, 60s));
    ASSERT_TRUE(loop.until(
        "the addresses of both far ends", [&] { return left.address() != "none" && right.address() != "none"; },
        [&] { return left.address() + " " + right.address(); }));
    EXPECT_NE(shown().find(left.address() + " dev u0"), std::string::npos) << shown();
    EXPECT_NE(shown().find(right.address() + " dev w0"), std::string::npos) << shown();
  }
  shell("ip route flush proto 216 table 1187 || true");
}

TEST_F(UnnumberedTest, a_peer_that_moves_to_another_link_takes_no_next_hop_of_the_old_one_along) {
  auto kernel = netlink::make_linux_kernel();
  ASSERT_TRUE(kernel) << kernel.error().message;
  KernelRoutes routes_of_peers(**kernel);
  {
    Loop loop;
    const auto restarting = [](const std::string& interface) {
      PeerConfig p = unnumbered(interface);
      p.graceful_restart = GracefulRestartConfig{};
      return p;
    };
    FarSide left(restarting("u1"));
    Node near(loop, {.kernel = &routes_of_peers});
    near.config() = {.name = "main", .local_as = kAsA, .router_id = RouterId{1}, .listen_port = 179};
    near.config().peers = {restarting("u0")};
    near.peer().import = ImportPolicy{.rules = {{*Prefix::parse("10.2.0.0/24"), 32, 32}}, .table = 1188};
    near.apply();
    const auto shown = [] { return shell("ip route show table 1188 10.2.0.3 || true"); };
    const auto seen = [&] { return near.seen() + shown(); };
    ASSERT_TRUE(loop.until("the route", [&] { return shown().find("dev u0") != std::string::npos; }, seen, 60s));
    ASSERT_TRUE(loop.until("the address of the far end", [&] { return left.address() != "none"; }, seen));
    const std::string old = left.address();
    FarSide right(restarting("w1"), "w0");
    near.peer().interface = "w0";
    near.apply();
    bool taken_along = false;
    ASSERT_TRUE(loop.until(
        "the route of the other link",
        [&] {
          const std::string now = shown();
          taken_along = taken_along || now.find(old + " dev w0") != std::string::npos;
          return right.address() != "none" && now.find(right.address() + " dev w0") != std::string::npos;
        },
        seen, 60s));
    EXPECT_FALSE(taken_along);
    EXPECT_EQ(shown().find("dev u0"), std::string::npos) << shown();
    ASSERT_TRUE(loop.until(
        "the old end to know", [&] { return left.status().flaps == 1; }, [&] { return left.status().down.words; }));
  }
  shell("ip route flush proto 216 table 1188 || true");
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
