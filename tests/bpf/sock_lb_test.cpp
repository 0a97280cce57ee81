// The socket load balancer in the kernel, seen through real sockets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>

#include "datapath/socket_diag.h"
#include "datapath/udp_cutter.h"
#include "tests/bpf/sock_lb_fixture.h"

namespace weft {
namespace {

using namespace testing_bpf;
using namespace std::chrono_literals;
using testing::AnyOf;

TEST_F(SockLbTest, this_kernel_offers_what_is_needed) {
  const auto features = probe_kernel();
  const auto ok = features.require();
  EXPECT_TRUE(ok) << ok.error().message;
  for (const auto& line : features.degraded()) printf("degraded: %s\n", line.c_str());
}

TEST_F(SockLbTest, tcp_reaches_a_backend_and_sees_the_service_as_its_peer) {
  Lb lb;
  lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
  lb.apply(row(tcp("[fd00:96::1]:80"), {"[fd00:1::2]:8080"}));
  EXPECT_EQ(tcp_call(at("10.96.0.1:80")).to_string(), "10.1.0.1:8080 as 10.96.0.1:80");
  EXPECT_EQ(tcp_call(at("[fd00:96::1]:80")).to_string(), "[fd00:1::2]:8080 as [fd00:96::1]:80");
  EXPECT_EQ(tcp_call(at("10.96.0.1:80"), {.mapped = true}).to_string(), "10.1.0.1:8080 as [::ffff:10.96.0.1]:80");
}

TEST_F(SockLbTest, mptcp_reaches_a_backend_too) {
  const Fd probe(socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP));
  if (!probe) GTEST_SKIP() << "this kernel has no MPTCP";
  Lb lb;
  lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
  EXPECT_EQ(tcp_call(at("10.96.0.1:80"), {.protocol = IPPROTO_MPTCP}).server, "10.1.0.1:8080");
}

TEST_F(SockLbTest, connected_udp_reaches_a_backend_and_sees_the_service_as_its_peer) {
  Lb lb;
  lb.apply(row(udp("10.96.0.1:53"), {"10.1.0.1:5353"}));
  lb.apply(row(udp("[fd00:96::1]:53"), {"[fd00:1::2]:5353"}));
  EXPECT_EQ(udp_connected_call(at("10.96.0.1:53")).to_string(), "10.1.0.1:5353 as 10.96.0.1:53");
  EXPECT_EQ(udp_connected_call(at("[fd00:96::1]:53")).to_string(), "[fd00:1::2]:5353 as [fd00:96::1]:53");
  EXPECT_EQ(udp_connected_call(at("10.96.0.1:53"), {.mapped = true}).to_string(),
            "10.1.0.1:5353 as [::ffff:10.96.0.1]:53");
}

TEST_F(SockLbTest, unconnected_udp_is_answered_by_the_service) {
  Lb lb;
  lb.apply(row(udp("10.96.0.1:53"), {"10.1.0.1:5353"}));
  lb.apply(row(udp("[fd00:96::1]:53"), {"[fd00:1::2]:5353"}));
  EXPECT_EQ(udp_call(at("10.96.0.1:53")).to_string(), "10.1.0.1:5353 as 10.96.0.1:53");
  EXPECT_EQ(udp_call(at("[fd00:96::1]:53")).to_string(), "[fd00:1::2]:5353 as [fd00:96::1]:53");
  EXPECT_EQ(udp_call(at("10.96.0.1:53"), {.mapped = true}).to_string(), "10.1.0.1:5353 as [::ffff:10.96.0.1]:53");
}

TEST_F(SockLbTest, one_udp_socket_speaks_to_several_services_over_the_same_backend) {
  Lb lb;
  lb.apply(row(udp("10.96.0.1:53"), {"10.1.0.1:5353"}));
  lb.apply(row(udp("10.96.0.2:53"), {"10.1.0.1:5353"}));
  const Fd fd = udp_socket(at("10.96.0.1:53"));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(udp_call(at("10.96.0.1:53"), {}, fd.get()).peer, "10.96.0.1:53");
    EXPECT_EQ(udp_call(at("10.96.0.2:53"), {}, fd.get()).peer, "10.96.0.2:53");
    EXPECT_EQ(udp_call(at("10.1.0.2:5353"), {}, fd.get()).peer, "10.1.0.2:5353") << "not a service";
  }
}

TEST_F(SockLbTest, an_unconnected_udp_socket_stays_with_its_backend_while_that_may_keep_it) {
  Lb lb;
  const auto frontend = udp("10.96.0.1:53");
  lb.apply(row(frontend, v4(5, 5353)));
  const Fd fd = udp_socket(frontend.address);
  const std::string first = udp_call(frontend.address, {}, fd.get()).server;
  for (int i = 0; i < 50; ++i) ASSERT_EQ(udp_call(frontend.address, {}, fd.get()).server, first);
  // Terminating: the socket stays, new ones go elsewhere.
  auto others = v4(5, 5353);
  std::erase(others, first);
  lb.apply(row(frontend, others, {first}));
  for (int i = 0; i < 50; ++i) {
    ASSERT_EQ(udp_call(frontend.address, {}, fd.get()).server, first);
    ASSERT_NE(udp_call(frontend.address).server, first);
  }
  lb.apply(row(frontend, others));
  EXPECT_NE(udp_call(frontend.address, {}, fd.get()).server, first) << "deleted";
}

TEST_F(SockLbTest, what_is_not_a_service_passes_untouched) {
  Lb lb;
  lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
  EXPECT_EQ(tcp_call(at("10.1.0.3:8080")).to_string(), "10.1.0.3:8080 as 10.1.0.3:8080");
  EXPECT_EQ(tcp_call(at("[fd00:1::3]:8080")).to_string(), "[fd00:1::3]:8080 as [fd00:1::3]:8080");
  EXPECT_EQ(udp_connected_call(at("10.1.0.3:5353")).to_string(), "10.1.0.3:5353 as 10.1.0.3:5353");
  EXPECT_EQ(tcp_call(at("10.96.0.1:81")).to_string(), "ENETUNREACH") << "another port of the same address";
  EXPECT_EQ(udp_connected_call(at("10.96.0.1:80")).to_string(), "ENETUNREACH") << "another protocol";
  lb.remove(tcp("10.96.0.1:80"));
  EXPECT_EQ(tcp_call(at("10.96.0.1:80")).to_string(), "ENETUNREACH") << "deleted";
}

TEST_F(SockLbTest, a_service_without_backends_refuses_at_once) {
  Lb lb;
  if (!probe_kernel().set_retval) GTEST_SKIP() << "this kernel has no bpf_set_retval";
  for (const auto& f : {tcp("10.96.0.1:80"), tcp("[fd00:96::1]:80"), udp("10.96.0.1:53"), udp("[fd00:96::1]:53")})
    lb.apply(row(f, {}));
  EXPECT_EQ(tcp_call(at("10.96.0.1:80")).to_string(), "ECONNREFUSED");
  EXPECT_EQ(tcp_call(at("10.96.0.1:80"), {.mapped = true}).to_string(), "ECONNREFUSED");
  EXPECT_EQ(tcp_call(at("[fd00:96::1]:80")).to_string(), "ECONNREFUSED");
  EXPECT_EQ(udp_connected_call(at("10.96.0.1:53")).to_string(), "ECONNREFUSED");
  EXPECT_EQ(udp_call(at("10.96.0.1:53")).to_string(), "ECONNREFUSED");
  EXPECT_EQ(udp_call(at("[fd00:96::1]:53")).to_string(), "ECONNREFUSED");
  lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
  EXPECT_EQ(tcp_call(at("10.96.0.1:80")).server, "10.1.0.1:8080") << "and serves when one comes";
}

TEST_F(SockLbTest, loads_on_kernels_without_the_optional_helpers) {
  auto features = probe_kernel();
  features.set_retval = false;
  features.netns_cookie = false;
  Lb lb(features);
  auto sticky = row(tcp("10.96.0.1:80"), v4(5, 8080));
  sticky.session_affinity_seconds = 60;
  lb.apply(sticky);
  lb.apply(row(tcp("10.96.0.2:80"), {}));
  const std::string first = tcp_call(at("10.96.0.1:80")).server;
  for (int i = 0; i < 20; ++i) EXPECT_EQ(tcp_call(at("10.96.0.1:80")).server, first);
  EXPECT_EQ(tcp_call(at("10.96.0.2:80")).to_string(), "EPERM");
  EXPECT_EQ(udp_call(at("10.1.0.1:5353")).server, "10.1.0.1:5353");
}

TEST_F(SockLbTest, ten_thousand_connections_are_spread_evenly) {
  Lb lb;
  lb.apply(row(tcp("10.96.0.1:80"), v4(5, 8080)));
  std::map<std::string, int> hits;
  for (int i = 0; i < 10'000; ++i) {
    const Answer a = tcp_call(at("10.96.0.1:80"));
    ASSERT_EQ(a.error, 0) << a.to_string() << " at connection " << i;
    ++hits[a.server];
  }
  ASSERT_EQ(hits.size(), 5u);
  // Binomial: sigma is 40; five of them.
  for (const auto& [server, n] : hits) EXPECT_NEAR(n, 2000, 200) << server;
  const auto metrics = lb.sock->maps().metrics();
  EXPECT_EQ(metrics->translated, 10'000u);
  EXPECT_EQ(metrics->no_backend, 0u);
}

TEST_F(SockLbTest, session_affinity_keeps_a_client_until_the_timeout_or_the_end_of_its_backend) {
  Lb lb;
  auto f = row(tcp("10.96.0.1:80"), v4(5, 8080));
  f.session_affinity_seconds = 3600;
  lb.apply(f);
  const std::string first = tcp_call(f.address.address).server;
  for (int i = 0; i < 100; ++i) ASSERT_EQ(tcp_call(f.address.address).server, first);
  ASSERT_EQ(tcp_call(f.address.address, {.mapped = true}).server, first);

  auto others = v4(5, 8080);
  std::erase(others, first);
  auto less = row(f.address, others, {first});
  less.session_affinity_seconds = 3600;
  lb.apply(less);  // terminating: no new connections, affinity or not
  const std::string second = tcp_call(f.address.address).server;
  EXPECT_NE(second, first);
  lb.apply(f);
  for (int i = 0; i < 50; ++i) ASSERT_EQ(tcp_call(f.address.address).server, second);

  f.session_affinity_seconds = 1;
  lb.apply(f);
  std::set<std::string> seen;
  for (int i = 0; i < 15 && seen.size() < 2; ++i) {
    seen.insert(tcp_call(f.address.address).server);
    std::this_thread::sleep_for(1050ms);  // longer than the timeout: the next call may choose again
  }
  EXPECT_EQ(seen.size(), 2u) << "never chose again after the timeout";

  f.session_affinity_seconds = 0;
  lb.apply(f);
  seen.clear();
  for (int i = 0; i < 200; ++i) seen.insert(tcp_call(f.address.address).server);
  EXPECT_EQ(seen.size(), 5u);
}

// Each pod calls the service 21 times and must meet the same backend each time: the backends that the pods met.
std::set<std::string> backends_of_twelve_pods(const SocketAddress& service) {
  std::set<std::string> chosen;
  for (int pod = 0; pod < 12; ++pod) {
    std::thread([&] {
      ASSERT_EQ(unshare(CLONE_NEWNET), 0);
      Servers local;
      for (int i = 1; i <= 5; ++i) {
        add_loopback_address(fmt::format("10.1.0.{}", i));
        local.listen(tcp(fmt::format("10.1.0.{}:8080", i)));
      }
      const std::string first = tcp_call(service).server;
      EXPECT_NE(first, "");
      for (int i = 0; i < 20; ++i) EXPECT_EQ(tcp_call(service).server, first);
      chosen.insert(first);
    }).join();
  }
  return chosen;
}

TEST_F(SockLbTest, session_affinity_is_a_pods_not_the_nodes) {
  if (!probe_kernel().netns_cookie) GTEST_SKIP() << "this kernel has no bpf_get_netns_cookie";
  Lb lb;
  auto f = row(tcp("10.96.0.1:80"), v4(5, 8080));
  f.session_affinity_seconds = 3600;
  lb.apply(f);
  EXPECT_GT(backends_of_twelve_pods(f.address.address).size(), 1u) << "twelve pods, one backend";
}

TEST_F(SockLbTest, maglev_gives_a_client_the_same_backend_and_moves_few_when_one_goes) {
  Lb lb;
  auto f = row(tcp("10.96.0.1:80"), v4(5, 8080));
  f.algorithm = LbAlgorithm::maglev;
  lb.apply(f);
  const auto ask = [&](int i) {
    const Answer a = tcp_call(f.address.address, {.source = fmt::format("127.0.{}.{}", 1 + i / 200, 1 + i % 200)});
    EXPECT_EQ(a.error, 0) << a.to_string();
    return a.server;
  };
  constexpr int clients = 400;
  std::vector<std::string> before;
  std::map<std::string, int> hits;
  for (int i = 0; i < clients; ++i) {
    before.push_back(ask(i));
    ++hits[before.back()];
    ASSERT_EQ(ask(i), before.back());
  }
  EXPECT_EQ(hits.size(), 5u);
  for (const auto& [server, n] : hits) EXPECT_NEAR(n, clients / 5, 40) << server;

  const std::string lost = before[0];
  std::erase_if(f.backends, [&](const Backend& b) { return b.address.to_string() == lost; });
  lb.apply(f);
  int moved = 0;
  for (int i = 0; i < clients; ++i) {
    const std::string now = ask(i);
    ASSERT_NE(now, lost);
    if (before[static_cast<std::size_t>(i)] != lost && now != before[static_cast<std::size_t>(i)]) ++moved;
  }
  EXPECT_LT(moved, clients / 10) << "clients of other backends that had to move";
}

// As every real client: unbound before connect().
TEST_F(SockLbTest, maglev_keeps_a_pod_at_one_backend_and_spreads_the_nodes_own_processes) {
  if (!probe_kernel().netns_cookie) GTEST_SKIP() << "this kernel has no bpf_get_netns_cookie";
  Lb lb;
  auto f = row(tcp("10.96.0.1:80"), v4(5, 8080));
  auto f6 = row(tcp("[fd00:96::1]:80"), {"[fd00:1::1]:8080", "[fd00:1::2]:8080"});
  f.algorithm = f6.algorithm = LbAlgorithm::maglev;
  lb.apply(f);
  lb.apply(f6);
  std::map<std::string, int> hits;
  for (int i = 0; i < 500; ++i) ++hits[tcp_call(f.address.address).server];
  EXPECT_EQ(hits.size(), 5u) << "processes of the node";
  for (const auto& [server, n] : hits) EXPECT_NEAR(n, 100, 50) << server;
  std::set<std::string> seen;
  for (int i = 0; i < 100; ++i) seen.insert(tcp_call(f.address.address, {.mapped = true}).server);
  EXPECT_EQ(seen.size(), 5u) << "IPv4-mapped";
  seen.clear();
  for (int i = 0; i < 100; ++i) seen.insert(tcp_call(f6.address.address).server);
  EXPECT_EQ(seen.size(), 2u) << "IPv6";

  EXPECT_GT(backends_of_twelve_pods(f.address.address).size(), 1u) << "twelve pods, one backend";
}

TEST_F(SockLbTest, maglev_chooses_otherwise_on_another_node_and_the_same_after_a_restart) {
  auto f = row(tcp("10.96.0.1:80"), v4(5, 8080));
  f.algorithm = LbAlgorithm::maglev;
  const auto choices = [&](std::uint32_t salt) {
    Lb lb(probe_kernel(), Lb::small(), {}, salt);
    lb.apply(f);
    std::vector<std::string> out;
    for (int i = 1; i <= 100; ++i)
      out.push_back(tcp_call(f.address.address, {.source = fmt::format("127.0.1.{}", i)}).server);
    return out;
  };
  const auto here = choices(0x1234567);
  EXPECT_EQ(choices(0x1234567), here);
  const auto there = choices(0x89abcdef);
  int same = 0;
  for (std::size_t i = 0; i < here.size(); ++i) same += here[i] == there[i];
  EXPECT_LT(same, 50) << "of 100; by chance 20";
}

TEST_F(SockLbTest, no_connection_fails_while_backends_come_and_go) {
  Lb lb;
  const auto frontend = tcp("10.96.0.1:80");
  const auto maglev = tcp("10.96.0.2:80");
  const auto make = [&](const FrontendKey& key, unsigned mask, bool affinity) {
    Frontend f = row(key, {});
    for (unsigned i = 0; i < 5; ++i)
      if (mask >> i & 1)
        f.backends.push_back({.address = at(fmt::format("10.1.0.{}:8080", i + 1)),
                              .state = mask >> (5 + i) & 1 ? BackendState::terminating : BackendState::active});
    f.session_affinity_seconds = affinity ? 60 : 0;
    if (key == maglev) f.algorithm = mask & 1 ? LbAlgorithm::maglev : LbAlgorithm::random;
    return f;
  };
  lb.apply(make(frontend, 31, false));
  lb.apply(make(maglev, 31, false));
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::mutex mutex;
  std::vector<std::string> failures;
  std::vector<std::thread> clients;
  for (const auto& to : {frontend, maglev})
    clients.emplace_back([&, to] {
      while (!stop) {
        const Answer a = tcp_call(to.address);
        ++calls;
        if (a.error == 0 && a.peer == to.address.to_string()) continue;
        const std::lock_guard lock(mutex);
        failures.push_back(a.to_string());
      }
    });
  std::mt19937 random(5);
  const auto until = Steady::now() + 6s;
  int changes = 0;
  while (Steady::now() < until) {
    unsigned mask = static_cast<unsigned>(random() % 1024);
    if ((mask & 31) == 0) mask |= 1;
    lb.apply(make(random() % 4 == 0 ? maglev : frontend, mask, random() % 8 == 0));
    ++changes;
    lb.io.poll();
  }
  stop = true;
  for (auto& c : clients) c.join();
  lb.settle();
  printf("%d connections during %d changes\n", calls.load(), changes);
  EXPECT_GT(calls, 2000);
  EXPECT_GT(changes, 1000);
  EXPECT_THAT(failures, testing::IsEmpty());
}

TEST_F(SockLbTest, connected_udp_sockets_of_deleted_backends_are_cut_off) {
  if (!probe_kernel().diag_destroy) GTEST_SKIP() << "this kernel has no CONFIG_INET_DIAG_DESTROY";
  std::unique_ptr<UdpCutter> cutter;
  Lb lb(probe_kernel(), Lb::small(),
        {.cut_udp = [&](std::vector<GoneUdpBackend> gone) { cutter->cut(std::move(gone)); }});

  // A pod: another namespace with a socket of its own to the same service.
  Fd pod, in_pod;
  std::thread([&] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0);
    add_loopback_address("10.1.0.1");
    pod = Fd(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
    in_pod = udp_socket(at("10.96.0.1:53"));
  }).join();
  cutter = std::make_unique<UdpCutter>(lb.sock->maps(), [&] {
    return std::vector<std::string>{"/proc/self/ns/net", fmt::format("/proc/self/fd/{}", pod.get()), "/nonexistent"};
  });

  const auto frontend = udp("10.96.0.1:53");
  lb.apply(row(frontend, {"10.1.0.1:5353"}));
  lb.apply(row(udp("[fd00:96::1]:53"), {"[fd00:1::1]:5353"}));
  const auto connected = [&](const std::string& to, bool mapped = false) {
    Fd fd = udp_socket(at(to), {.mapped = mapped});
    const RawAddress a = raw(at(to), mapped);
    EXPECT_EQ(connect(fd.get(), a.get(), a.length), 0) << strerror(errno);
    return fd;
  };
  const Fd through_service = connected("10.96.0.1:53");
  const Fd mapped = connected("10.96.0.1:53", true);
  const Fd v6 = connected("[fd00:96::1]:53");
  const Fd direct = connected("10.1.0.1:5353");
  const RawAddress a = raw(frontend.address);
  ASSERT_EQ(connect(in_pod.get(), a.get(), a.length), 0) << strerror(errno);

  lb.apply(row(frontend, {"10.1.0.2:5353"}, {"10.1.0.1:5353"}));
  lb.apply(row(udp("[fd00:96::1]:53"), {"[fd00:1::2]:5353"}));
  const auto deadline = Steady::now() + 10s;
  while (cutter->destroyed() < 1 && Steady::now() < deadline) std::this_thread::sleep_for(5ms);
  char c;
  EXPECT_EQ(recv(v6.get(), &c, 1, 0), -1);
  EXPECT_EQ(errno, ECONNABORTED);
  EXPECT_EQ(cutter->destroyed(), 1u) << "terminating is not deleted";

  lb.apply(row(frontend, {"10.1.0.2:5353"}));
  while (cutter->destroyed() < 4 && Steady::now() < deadline) std::this_thread::sleep_for(5ms);
  EXPECT_EQ(cutter->destroyed(), 4u);
  for (const int fd : {through_service.get(), mapped.get(), in_pod.get()}) {
    EXPECT_EQ(recv(fd, &c, 1, 0), -1);
    EXPECT_EQ(errno, ECONNABORTED);
  }
  ASSERT_EQ(send(direct.get(), "?", 1, 0), 1);
  char buffer[64];
  EXPECT_GT(recv(direct.get(), buffer, sizeof buffer, 0), 0) << "who asked for the backend itself is left alone";
}

TEST_F(SockLbTest, tcp_connections_outlive_their_backends_entry) {
  Lb lb;
  const auto frontend = tcp("10.96.0.1:80");
  lb.apply(row(frontend, {"10.1.0.1:8080"}));
  const Fd fd(socket(AF_INET, SOCK_STREAM, 0));
  const RawAddress a = raw(frontend.address);
  ASSERT_EQ(connect(fd.get(), a.get(), a.length), 0);
  lb.apply(row(frontend, {"10.1.0.2:8080"}));
  char buffer[64];
  EXPECT_GT(recv(fd.get(), buffer, sizeof buffer, 0), 0);
  EXPECT_EQ(peer_name(fd.get()), "10.96.0.1:80");
}

TEST_F(SockLbTest, says_how_full_the_maps_are) {
  Lb lb;
  lb.apply(row(tcp("10.96.0.1:80"), v4(3, 8080)));
  lb.apply(row(udp("10.96.0.1:53"), v4(2, 5353)));
  std::map<std::string, std::pair<std::uint32_t, std::uint32_t>> usage;
  const auto read = lb.sock->maps().usage();
  ASSERT_TRUE(read);
  for (const auto& m : read->maps) usage[m.name] = {m.used, m.size};
  EXPECT_EQ(usage["frontends"], std::pair(2u, 256u));
  EXPECT_EQ(usage["backends"], std::pair(5u, 1024u));
  EXPECT_EQ(usage["slots"], std::pair(6u, 65'536u));
  EXPECT_EQ(usage["members"], std::pair(2u, 1024u));
}

TEST_F(SockLbTest, a_full_kernel_map_refuses_with_its_name) {
  auto sizes = Lb::small();
  sizes.members = 2;
  Lb lb(probe_kernel(), sizes);
  auto plan = [&](const Frontend& f) {
    bool done = false;
    std::string error;
    asio::co_spawn(lb.io, lb.reconciler->update(f), [&](std::exception_ptr, Result<> r) {
      done = true;
      if (!r) error = r.error().message;
    });
    lb.io.restart();
    while (!done) lb.io.run_one();
    return error;
  };
  EXPECT_EQ(plan(row(udp("10.96.0.1:53"), v4(2, 5353))), "");
  EXPECT_EQ(plan(row(udp("10.96.0.2:53"), v4(3, 5353))),
            "frontend 10.96.0.2:53/UDP: map lb_members is full at 2 entries; raise bpf-lb-member-map-max and restart "
            "the agent");
  EXPECT_EQ(udp_call(at("10.96.0.1:53")).error, 0);
}

TEST_F(SockLbTest, holds_a_hundred_thousand_services_and_half_a_million_backends) {
  Lb lb(probe_kernel(), LbSizes::for_capacity(100'000, 500'000));
  const auto start = Steady::now();
  LbState state(lb.sock->maps().sizes());
  std::uint64_t failed = 0;
  for (std::uint32_t i = 0; i < 100'000; ++i) {
    Frontend f;
    f.address = {{Address::v4(0x0a600000 + i), 80}, Protocol::tcp};
    for (std::uint32_t b = 0; b < 5; ++b)
      f.backends.push_back({.address = {Address::v4(0x0b000000 + i * 5 + b), 8080}});
    if (i == 77'777) f.backends = {{.address = at("10.1.0.4:8080")}};
    auto plan = state.plan_update(f);
    if (!plan || !lb.sock->maps().apply(plan->writes)) ++failed;
    if (plan) state.commit(*plan);
  }
  const auto filled = Steady::now();
  EXPECT_EQ(failed, 0u);
  EXPECT_EQ(tcp_call({Address::v4(0x0a600000 + 77'777), 80}).server, "10.1.0.4:8080");
  LbState restarted(lb.sock->maps().sizes());
  const auto repairs = restarted.adopt(lb.sock->maps());
  ASSERT_TRUE(repairs);
  EXPECT_EQ(repairs->size(), 0u);
  EXPECT_EQ(restarted.services().size(), 100'000u);
  EXPECT_EQ(restarted.backends(), 499'996u);
  printf("filled in %.2f s, read back in %.2f s\n", std::chrono::duration<double>(filled - start).count(),
         std::chrono::duration<double>(Steady::now() - filled).count());
}

TEST_F(SockLbTest, thousands_of_changes_a_second_to_a_service_of_a_thousand_backends) {
  auto sizes = Lb::small();
  sizes.backends = 4096;
  Lb lb(probe_kernel(), sizes);
  Frontend f = row(tcp("10.96.0.1:80"), {});
  for (std::uint32_t b = 0; b < 1000; ++b) f.backends.push_back({.address = {Address::v4(0x0b000000 + b), 8080}});
  lb.apply(f);
  const auto writes = lb.reconciler->counters().writes;
  const auto start = Steady::now();
  constexpr int changes = 2000;
  for (std::uint32_t i = 0; i < changes; ++i) {
    f.backends[i % 1000].address.address = Address::v4(0x0c000000 + i);
    lb.apply(f);
  }
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();
  lb.settle();
  printf("%.0f changes a second, %.1f writes each\n", changes / seconds,
         static_cast<double>(lb.reconciler->counters().writes - writes) / changes);
  EXPECT_GT(changes / seconds, 500);
  EXPECT_EQ(lb.reconciler->state().backends(), 1000u) << "ids come back";
  EXPECT_EQ(lb.reconciler->counters().failures, 0u);
}

}  // namespace
}  // namespace weft
