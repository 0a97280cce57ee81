// What one agent leaves and the next one finds, seen through real sockets.
#include <gmock/gmock.h>

#include <sys/stat.h>
#include <unistd.h>

#include "tests/bpf/sock_lb_fixture.h"

namespace weft {
namespace {

using namespace testing_bpf;
using namespace std::chrono_literals;

TEST_F(SockLbTest, no_connection_fails_while_the_agent_restarts) {
  std::vector<Frontend> rows = {row(tcp("10.96.0.1:80"), v4(5, 8080)),
                                row(tcp("[fd00:96::1]:80"), {"[fd00:1::1]:8080"})};
  rows[0].session_affinity_seconds = 600;
  {
    Lb lb;
    for (const auto& r : rows) lb.apply(r);
  }
  std::atomic<bool> stop = false;
  std::atomic<int> calls = 0;
  std::mutex mutex;
  std::set<std::string> servers_seen;
  std::vector<std::string> failures;
  std::vector<std::thread> clients;
  for (const auto& r : rows)
    clients.emplace_back([&, to = r.address.address] {
      while (!stop) {
        const Answer a = tcp_call(to);
        ++calls;
        const std::lock_guard lock(mutex);
        if (a.error != 0 || a.peer != to.to_string()) failures.push_back(a.to_string());
        if (to.address.is_v4()) servers_seen.insert(a.server);
      }
    });
  int restarts = 0;
  for (const auto until = Steady::now() + 4s; Steady::now() < until; ++restarts) {
    Lb lb;
    ASSERT_TRUE(lb.sock->adopted());
    ASSERT_EQ(lb.reconciler->state().services().size(), 2u);
    for (const auto& r : rows) lb.apply(r);
    EXPECT_EQ(lb.reconciler->counters().writes, 0u) << "the same rows need no write";
  }
  stop = true;
  for (auto& c : clients) c.join();
  printf("%d connections during %d restarts\n", calls.load(), restarts);
  EXPECT_GT(restarts, 5);
  EXPECT_GT(calls, 1000);
  EXPECT_THAT(failures, testing::IsEmpty());
  EXPECT_EQ(servers_seen.size(), 1u) << "affinity outlives the agent";
}

TEST_F(SockLbTest, the_next_agent_finds_which_backends_are_another_clusters_and_no_socket_is_led_to_the_reserve) {
  auto reserve = row(udp("10.96.0.1:53"), {"10.1.0.1:5353"});
  reserve.backends.push_back({.address = at("10.1.0.2:5353"), .cluster = "west"});
  auto chosen = row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"});
  chosen.backends.push_back({.address = at("10.1.0.2:8080"), .cluster = "west"});
  const InheritedBackends left{{chosen.address, {{at("10.1.0.2:8080"), BackendState::active, cluster_tag("west")}}},
                               {reserve.address, {{at("10.1.0.2:5353"), BackendState::active, cluster_tag("west")}}}};
  {
    Lb lb;
    lb.apply(chosen);
    lb.apply(reserve);
    // A flow that was led there is not any more, once the backend is held back.
    Fd fd = udp_socket(reserve.address.address);
    for (int i = 0; i < 100 && udp_call(reserve.address.address, {}, fd.get()).server != "10.1.0.2:5353"; ++i)
      fd = udp_socket(reserve.address.address);
    ASSERT_EQ(udp_call(reserve.address.address, {}, fd.get()).server, "10.1.0.2:5353");
    reserve.backends[1].preferred = false;
    lb.apply(reserve);
    EXPECT_EQ(udp_call(reserve.address.address, {}, fd.get()).server, "10.1.0.1:5353");
    for (int i = 0; i < 50; ++i) ASSERT_EQ(udp_call(reserve.address.address).server, "10.1.0.1:5353");
  }
  Lb lb;
  EXPECT_TRUE(lb.sock->adopted());
  EXPECT_TRUE(lb.sock->maps().serving());
  EXPECT_EQ(lb.reconciler->state().remote_backends(), left);
  lb.apply(chosen);
  lb.apply(reserve);
  EXPECT_EQ(lb.reconciler->counters().writes, 0u) << "the same rows need no write";
}

TEST_F(SockLbTest, an_incompatible_set_of_maps_serves_until_the_new_one_is_complete) {
  const auto frontend = tcp("10.96.0.1:80");
  {
    Lb lb;
    lb.apply(row(frontend, {"10.1.0.1:8080"}));
  }
  auto sizes = Lb::small();
  sizes.backends *= 2;
  Lb lb(probe_kernel(), sizes);
  EXPECT_FALSE(lb.sock->adopted());
  EXPECT_FALSE(lb.sock->active());
  EXPECT_FALSE(lb.sock->maps().serving());
  EXPECT_EQ(tcp_call(frontend.address).server, "10.1.0.1:8080") << "the old maps serve";
  Table<Frontend> table(lb.io, "frontends");
  table.upsert(row(frontend, {"10.1.0.2:8080"}));
  lb.apply(row(frontend, {"10.1.0.2:8080"}));
  EXPECT_EQ(tcp_call(frontend.address).server, "10.1.0.1:8080") << "not complete yet";
  lb.prune(table);
  EXPECT_TRUE(lb.sock->active());
  EXPECT_TRUE(lb.sock->maps().serving());
  EXPECT_EQ(tcp_call(frontend.address).server, "10.1.0.2:8080");
  const auto pinned = BpfLbMaps::open_pinned(bpffs());
  ASSERT_TRUE(pinned) << pinned.error().message;
  EXPECT_EQ((*pinned)->sizes().backends, sizes.backends);
  EXPECT_EQ((*(*pinned)->dump())[0].to_string(), "10.96.0.1:80/TCP random -> 10.1.0.2:8080");

  Lb again(probe_kernel(), sizes);
  EXPECT_TRUE(again.sock->adopted());
}

TEST_F(SockLbTest, half_a_set_of_pins_is_not_adopted) {
  {
    Lb lb;
    lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
  }
  ASSERT_EQ(unlink((bpffs() + "/weft/lb/maps/lb_slots").c_str()), 0);
  Lb lb;
  EXPECT_FALSE(lb.sock->adopted());
  EXPECT_EQ(tcp_call(at("10.96.0.1:80")).server, "10.1.0.1:8080") << "the attached programs still have all maps";
}

TEST_F(SockLbTest, unloading_takes_effect_at_once) {
  for (int i = 0; i < 20; ++i) {
    Lb lb;
    lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
    ASSERT_EQ(tcp_call(at("10.96.0.1:80")).server, "10.1.0.1:8080");
    ASSERT_TRUE(SockLb::unload(bpffs()));
    ASSERT_EQ(tcp_call(at("10.96.0.1:80")).to_string(), "ENETUNREACH");
  }
}

TEST_F(SockLbTest, moves_to_another_cgroup_when_told_to) {
  Lb lb;
  lb.apply(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080"}));
  const std::string below = cgroup() + "/below";
  ASSERT_EQ(mkdir(below.c_str(), 0755), 0);
  {
    const auto moved = SockLb::load({.bpffs = bpffs(), .cgroup = below, .sizes = Lb::small()}, probe_kernel());
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_TRUE((*moved)->adopted());
    EXPECT_EQ(tcp_call(at("10.96.0.1:80")).to_string(), "ENETUNREACH") << "we are not below";
  }
  ASSERT_TRUE(SockLb::unload(bpffs()));
  EXPECT_EQ(rmdir(below.c_str()), 0);
}

}  // namespace
}  // namespace weft
