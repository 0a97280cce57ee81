#include "datapath/lb_reconciler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

#include "datapath/attach.h"

namespace weft {
namespace {

using namespace std::chrono_literals;

Frontend row(const std::string& frontend, std::vector<std::string> backends, Protocol protocol = Protocol::tcp) {
  Frontend f;
  f.address = {*SocketAddress::parse(frontend), protocol};
  f.service = {"default", "web"};
  for (const auto& b : backends) f.backends.push_back({.address = *SocketAddress::parse(b)});
  return f;
}

std::vector<std::string> text(const LbMaps& maps) {
  std::vector<std::string> out;
  const auto rows = maps.dump();
  for (const LbRow& r : *rows) out.push_back(r.to_string());
  return out;
}

struct ReconcilerBed {
  asio::io_context io;
  Table<Frontend> table{io, "frontends"};
  FakeLbMaps maps;

  // Runs the loop until `done` or for five seconds.
  bool run_until(LbReconciler& lb, const std::function<bool(const Reconciler<Frontend>&)>& done) {
    Scope scope(io, "test");
    Reconciler<Frontend> loop(table, lb);
    scope.spawn("loop", loop.run());
    const auto deadline = Steady::now() + 5s;
    io.restart();
    while (!done(loop) && Steady::now() < deadline) io.run_one_for(20ms);
    const bool ok = done(loop);
    scope.cancel();
    io.restart();
    io.run_for(1s);
    return ok;
  }
};

TEST(LbReconciler, makes_the_maps_say_what_the_table_says) {
  ReconcilerBed bed;
  LbReconciler lb(bed.io, bed.maps);
  bed.table.upsert(row("10.96.0.1:80", {"10.1.0.1:8080", "10.1.1.1:8080"}));
  bed.table.upsert(row("[fd00:96::1]:80", {"[fd00:1::1]:8080"}));
  ASSERT_TRUE(bed.run_until(lb, [](const auto& loop) { return loop.settled() && loop.health().pruned; }));
  EXPECT_THAT(text(bed.maps), testing::ElementsAre("10.96.0.1:80/TCP random -> 10.1.0.1:8080 10.1.1.1:8080",
                                                   "[fd00:96::1]:80/TCP random -> [fd00:1::1]:8080"));
}

TEST(LbReconciler, after_a_restart_keeps_what_it_finds_until_all_sources_have_spoken_then_prunes) {
  ReconcilerBed bed;
  {
    LbReconciler first(bed.io, bed.maps);
    bed.table.upsert(row("10.96.0.1:80", {"10.1.0.1:80"}));
    bed.table.upsert(row("10.96.0.2:80", {"10.1.0.2:80"}));
    ASSERT_TRUE(bed.run_until(first, [](const auto& loop) { return loop.settled(); }));
  }
  ReconcilerBed again;
  again.table.expect("services");
  LbReconciler second(again.io, bed.maps);
  EXPECT_EQ(second.adopt().value_or(0), 2u);
  again.table.upsert(row("10.96.0.1:80", {"10.1.0.9:80"}));
  ASSERT_TRUE(again.run_until(second, [](const auto& loop) { return loop.settled(); }));
  EXPECT_THAT(text(bed.maps),
              testing::ElementsAre("10.96.0.1:80/TCP random -> 10.1.0.9:80", "10.96.0.2:80/TCP random -> 10.1.0.2:80"));
  again.table.initialized_by("services");
  ASSERT_TRUE(again.run_until(second, [](const auto& loop) { return loop.health().pruned; }));
  EXPECT_THAT(text(bed.maps), testing::ElementsAre("10.96.0.1:80/TCP random -> 10.1.0.9:80"));
}

TEST(LbReconciler, hands_over_udp_backends_that_have_gone) {
  ReconcilerBed bed;
  std::vector<GoneUdpBackend> gone;
  LbReconciler lb(bed.io, bed.maps,
                  {.cut_udp = [&](std::vector<GoneUdpBackend> g) { gone.insert(gone.end(), g.begin(), g.end()); }});
  bed.table.upsert(row("10.96.0.1:53", {"10.1.0.1:53", "10.1.0.2:53"}, Protocol::udp));
  ASSERT_TRUE(bed.run_until(lb, [](const auto& loop) { return loop.settled(); }));
  EXPECT_THAT(gone, testing::IsEmpty());
  const auto after = row("10.96.0.1:53", {"10.1.0.2:53"}, Protocol::udp);
  bed.table.upsert(after);
  ASSERT_TRUE(bed.run_until(lb, [](const auto& loop) { return loop.settled(); }));
  EXPECT_THAT(
      gone, testing::ElementsAre(GoneUdpBackend{after.address, {*SocketAddress::parse("10.1.0.1:53"), Protocol::udp}}));
}

TEST(LbReconciler, gives_ids_and_slots_back_after_the_readers_have_left) {
  ReconcilerBed bed;
  LbReconciler lb(bed.io, bed.maps);
  for (int i = 0; i < 50; ++i) bed.table.upsert(row(fmt::format("10.96.0.{}:80", i), {fmt::format("10.1.0.{}:80", i)}));
  ASSERT_TRUE(bed.run_until(lb, [](const auto& loop) { return loop.settled(); }));
  EXPECT_EQ(lb.state().backends(), 50u);
  bed.table.replace({});
  ASSERT_TRUE(
      bed.run_until(lb, [&](const auto&) { return lb.state().backends() == 0 && lb.state().slots_used() == 0; }));
  EXPECT_THAT(text(bed.maps), testing::IsEmpty());
}

TEST(LbReconciler, a_full_map_waits_for_garbage_before_it_refuses) {
  ReconcilerBed bed;
  FakeLbMaps small({.frontends = 1, .backends = 2, .slots = 2, .members = 1});
  LbReconciler lb(bed.io, small);
  // Each row replaces both backends: only when the old two are given back is there room for the next two.
  for (int i = 0; i < 6; i += 2) {
    bed.table.upsert(row("10.96.0.1:80", {fmt::format("10.1.0.{}:80", i)}));
    ASSERT_TRUE(bed.run_until(lb, [](const auto& loop) { return loop.settled(); })) << i;
  }
  EXPECT_EQ(lb.counters().failures, 0u);
  bed.table.upsert(row("10.96.0.1:80", {"10.1.0.1:80", "10.1.0.2:80", "10.1.0.3:80"}));
  std::string error;
  ASSERT_TRUE(bed.run_until(lb, [&](const auto& loop) {
    if (loop.health().errors.empty()) return false;
    error = loop.health().errors.begin()->second;
    return true;
  }));
  EXPECT_THAT(error, testing::HasSubstr("lb_backends is full at 2 entries; raise bpf-lb-backend-map-max"));
  EXPECT_THAT(text(small), testing::ElementsAre("10.96.0.1:80/TCP random -> 10.1.0.4:80")) << "what was good stays";
}

// Ten times as many, in the kernel's maps: tests/bpf.
TEST(LbReconciler, takes_as_many_services_and_backends_as_configured) {
  const auto sizes = LbSizes::for_capacity(10'000, 50'000);
  FakeLbMaps maps(sizes);
  LbState state(sizes);
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    Frontend f;
    f.address = {{Address::v4(0x0a600000 + i), 80}, Protocol::tcp};
    for (std::uint32_t b = 0; b < 5; ++b)
      f.backends.push_back({.address = {Address::v4(0x0b000000 + i * 5 + b), 8080}});
    auto plan = state.plan_update(f);
    ASSERT_TRUE(plan) << plan.error().message;
    ASSERT_TRUE(maps.apply(plan->writes));
    state.commit(*plan);
  }
  EXPECT_EQ(state.backends(), 50'000u);
  EXPECT_EQ(maps.choices({{Address::v4(0x0a600000 + 9'999), 80}, Protocol::tcp}).size(), 5u);
}

TEST(Attach, finds_the_cgroup2_mount_of_this_view) {
  EXPECT_EQ(*find_cgroup2("tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
                          "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n"),
            "/sys/fs/cgroup/unified");
  const auto none = find_cgroup2("proc /proc proc rw 0 0\n");
  ASSERT_FALSE(none);
  EXPECT_THAT(none.error().message, testing::HasSubstr("mount -t cgroup2"));
}

}  // namespace
}  // namespace weft
