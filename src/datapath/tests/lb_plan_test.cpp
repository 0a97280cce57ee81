#include "datapath/lb_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace weft {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

SocketAddress at(const std::string& text) { return *SocketAddress::parse(text); }
LbEndpoint tcp(const std::string& text) { return {at(text), Protocol::tcp}; }
LbEndpoint udp(const std::string& text) { return {at(text), Protocol::udp}; }

Frontend row(LbEndpoint frontend, std::vector<std::string> active, std::vector<std::string> terminating = {}) {
  Frontend f;
  f.address = frontend;
  f.service = {"default", "web"};
  for (const auto& a : active) f.backends.push_back({.address = at(a)});
  for (const auto& a : terminating) f.backends.push_back({.address = at(a), .state = BackendState::terminating});
  return f;
}

// State and maps together; every plan is applied write by write, with `check` after each.
struct Bed {
  LbSizes sizes{.frontends = 64, .backends = 512, .slots = 4096, .members = 512, .maglev_table = 251};
  FakeLbMaps maps{sizes};
  LbState state{sizes};
  LbGarbage garbage;
  std::size_t last_writes = 0;
  std::vector<LbEndpoint> gone;

  void run(LbPlan plan, const std::function<void(const LbWrite&)>& check = {}) {
    last_writes = plan.writes.size();
    for (const LbWrite& w : plan.writes) {
      const auto r = maps.apply({&w, 1});
      ASSERT_TRUE(r) << r.error().message;
      if (check) check(w);
    }
    gone = plan.gone_udp;
    state.commit(plan);
    garbage.add(std::move(plan.garbage));
  }
  void update(const Frontend& f, const std::function<void(const LbWrite&)>& check = {}) {
    auto plan = state.plan_update(f);
    ASSERT_TRUE(plan) << plan.error().message;
    run(std::move(*plan), check);
  }
  void release() { ASSERT_TRUE(maps.apply(state.release(std::exchange(garbage, {})))); }
};

std::vector<SocketAddress> addresses(std::vector<std::string> texts) {
  std::vector<SocketAddress> out;
  for (const auto& t : texts) out.push_back(at(t));
  return out;
}

TEST(LbPlan, a_new_service_is_bound_last) {
  Bed bed;
  std::vector<std::string> order;
  bed.update(row(tcp("10.96.0.1:80"), {"10.1.0.1:8080", "10.1.0.2:8080"}),
             [&](const LbWrite& w) { order.push_back(to_string(w)); });
  EXPECT_THAT(order, ElementsAre("backend 1 = 10.1.0.1:8080/TCP", "backend 2 = 10.1.0.2:8080/TCP", "slot 0 = backend 1",
                                 "slot 1 = backend 2", "service 1 = 10.96.0.1:80/TCP slots 0+2 affinity 0s",
                                 "10.96.0.1:80/TCP -> service 1"));
  EXPECT_EQ(bed.maps.choices(tcp("10.96.0.1:80")), addresses({"10.1.0.1:8080", "10.1.0.2:8080"}));
  EXPECT_EQ(bed.maps.lookup(tcp("10.96.0.1:81"), 0).answer, FakeLbMaps::Answer::not_a_service);
  EXPECT_EQ(bed.maps.lookup(udp("10.96.0.1:80"), 0).answer, FakeLbMaps::Answer::not_a_service);
}

TEST(LbPlan, the_same_row_twice_writes_nothing) {
  Bed bed;
  for (auto f : {row(tcp("10.96.0.1:80"), {"10.1.0.1:80"}, {"10.1.0.2:80"}), row(udp("10.96.0.1:53"), {"10.1.0.1:53"}),
                 row(tcp("[fd00::1]:80"), {})}) {
    bed.update(f);
    bed.update(f);
    EXPECT_EQ(bed.last_writes, 0u) << f.address.to_string();
    f.algorithm = LbAlgorithm::maglev;
    f.session_affinity_seconds = 30;
    bed.update(f);
    bed.update(f);
    EXPECT_EQ(bed.last_writes, 0u) << f.address.to_string();
  }
}

TEST(LbPlan, replacing_the_only_backend_never_leaves_the_service_empty) {
  Bed bed;
  const auto frontend = tcp("10.96.0.1:80");
  bed.update(row(frontend, {"10.1.0.1:80"}));
  bed.update(row(frontend, {"10.1.0.2:80"}), [&](const LbWrite& w) {
    EXPECT_EQ(bed.maps.lookup(frontend, 0).answer, FakeLbMaps::Answer::backend) << "after " << to_string(w);
  });
  EXPECT_EQ(bed.maps.choices(frontend), addresses({"10.1.0.2:80"}));
}

TEST(LbPlan, one_change_among_a_thousand_backends_is_a_handful_of_writes) {
  Bed bed{.sizes = {.frontends = 4, .backends = 2000, .slots = 8192, .members = 8}};
  LbState& state = bed.state;
  std::vector<std::string> all;
  for (int i = 0; i < 1000; ++i) all.push_back(fmt::format("10.1.{}.{}:80", i / 200, i % 200));
  const auto frontend = tcp("10.96.0.1:80");
  auto first = *state.plan_update(row(frontend, all));
  ASSERT_TRUE(bed.maps.apply(first.writes));
  state.commit(first);
  auto fewer = all;
  fewer.erase(fewer.begin() + 500);
  auto second = *state.plan_update(row(frontend, fewer));
  EXPECT_EQ(second.writes.size(), 2u);  // one slot, the choice
  ASSERT_TRUE(bed.maps.apply(second.writes));
  state.commit(second);
  EXPECT_EQ(bed.maps.choices(frontend).size(), 999u);
  auto third = *state.plan_update(row(frontend, all));
  EXPECT_EQ(third.writes.size(), 3u);  // the backend, one slot, the choice
  state.abort(std::move(third));
}

TEST(LbPlan, terminating_backends_serve_only_when_no_active_one_is_left) {
  Bed bed;
  const auto frontend = tcp("10.96.0.1:80");
  bed.update(row(frontend, {"10.1.0.1:80"}, {"10.1.0.2:80"}));
  EXPECT_EQ(bed.maps.choices(frontend), addresses({"10.1.0.1:80"}));
  bed.update(row(frontend, {}, {"10.1.0.1:80", "10.1.0.2:80"}));
  EXPECT_EQ(bed.maps.choices(frontend), addresses({"10.1.0.1:80", "10.1.0.2:80"}));
  bed.update(row(frontend, {}));
  EXPECT_EQ(bed.maps.lookup(frontend, 0).answer, FakeLbMaps::Answer::no_backend);
}

TEST(LbPlan, backends_held_back_by_affinity_are_not_chosen) {
  Bed bed;
  const auto frontend = tcp("10.96.0.1:80");
  auto f = row(frontend, {"10.1.0.1:80", "10.2.0.1:80"});
  f.backends[1].preferred = false;
  bed.update(f);
  EXPECT_EQ(bed.maps.choices(frontend), addresses({"10.1.0.1:80"}));
}

TEST(LbPlan, a_backend_is_shared_by_services_and_goes_with_the_last) {
  Bed bed;
  bed.update(row(tcp("10.96.0.1:80"), {"10.1.0.1:80"}));
  bed.update(row(tcp("10.96.0.2:80"), {"10.1.0.1:80"}));
  EXPECT_EQ(bed.state.backends(), 1u);
  bed.run(bed.state.plan_remove(tcp("10.96.0.1:80")));
  EXPECT_THAT(bed.garbage.backends, IsEmpty());
  bed.run(bed.state.plan_remove(tcp("10.96.0.2:80")));
  EXPECT_THAT(bed.garbage.backends, ElementsAre(1));
  bed.release();
  EXPECT_EQ(bed.state.backends(), 0u);
  EXPECT_EQ(bed.state.slots_used(), 0u);
}

TEST(LbPlan, members_are_kept_for_affinity_and_udp_only_and_terminating_ones_keep) {
  Bed bed;
  bed.update(row(tcp("10.96.0.1:80"), {"10.1.0.1:80"}, {"10.1.0.2:80"}));
  EXPECT_THAT(*bed.maps.members(), IsEmpty());
  bed.update(row(udp("10.96.0.1:53"), {"10.1.0.1:53"}, {"10.1.0.2:53"}));
  std::vector<abi::lb_member_state> states;
  const auto kept = bed.maps.members();
  for (const auto& [key, state] : *kept) states.push_back(state);
  EXPECT_THAT(states, ElementsAre(abi::LB_MEMBER_ACTIVE, abi::LB_MEMBER_KEEPS));
  EXPECT_EQ((*bed.maps.dump())[1].to_string(), "10.96.0.1:80/TCP random -> 10.1.0.1:80");
  EXPECT_EQ((*bed.maps.dump())[0].to_string(), "10.96.0.1:53/UDP random -> 10.1.0.1:53 (10.1.0.2:53)");

  auto f = row(tcp("10.96.0.1:80"), {"10.1.0.1:80"});
  f.session_affinity_seconds = 10800;
  bed.update(f);
  EXPECT_EQ(bed.maps.members()->size(), 3u);
  EXPECT_EQ((*bed.maps.dump())[1].to_string(), "10.96.0.1:80/TCP random affinity 10800s -> 10.1.0.1:80");
  f.session_affinity_seconds = 0;
  bed.update(f);
  EXPECT_EQ(bed.maps.members()->size(), 2u);
}

TEST(LbPlan, says_which_udp_backends_have_gone) {
  Bed bed;
  const auto frontend = udp("10.96.0.1:53");
  bed.update(row(frontend, {"10.1.0.1:53", "10.1.0.2:53", "10.1.0.3:53"}));
  bed.update(row(frontend, {"10.1.0.1:53"}, {"10.1.0.2:53"}));
  EXPECT_THAT(bed.gone, ElementsAre(udp("10.1.0.3:53")));
  auto held_back = row(frontend, {"10.1.0.1:53", "10.1.0.2:53"});
  held_back.backends[1].preferred = false;
  bed.update(held_back);
  EXPECT_THAT(bed.gone, IsEmpty()) << "held back by affinity is not gone";
  bed.update(row(frontend, {"10.1.0.1:53"}));
  EXPECT_THAT(bed.gone, ElementsAre(udp("10.1.0.2:53")));
  bed.run(bed.state.plan_remove(frontend));
  EXPECT_THAT(bed.gone, ElementsAre(udp("10.1.0.1:53")));
  bed.update(row(tcp("10.96.0.1:80"), {"10.1.0.1:80"}));
  bed.update(row(tcp("10.96.0.1:80"), {}));
  EXPECT_THAT(bed.gone, IsEmpty()) << "TCP connections end by themselves";
}

TEST(LbPlan, refuses_what_the_datapath_does_not_translate_and_names_it) {
  Bed bed;
  const auto sctp = bed.state.plan_update(row({at("10.96.0.1:80"), Protocol::sctp}, {"10.1.0.1:80"}));
  ASSERT_FALSE(sctp);
  EXPECT_EQ(sctp.error().code, Errc::unsupported);
  EXPECT_THAT(sctp.error().message, testing::HasSubstr("10.96.0.1:80/SCTP of service default/web"));
  EXPECT_EQ(bed.state.plan_update(row(tcp("10.96.0.1:0"), {})).error().code, Errc::invalid);
}

TEST(LbPlan, a_full_map_refuses_with_its_name_and_keeps_what_it_had) {
  const LbSizes sizes{.frontends = 2, .backends = 2, .slots = 8, .members = 1, .maglev_table = 7};
  FakeLbMaps maps(sizes);
  LbState state(sizes);
  const auto put = [&](const Frontend& f) -> std::string {
    auto plan = state.plan_update(f);
    if (!plan) return plan.error().message;
    if (auto r = maps.apply(plan->writes); !r) {
      EXPECT_TRUE(maps.apply(plan->undo));
      state.abort(std::move(*plan));
      return r.error().message;
    }
    state.commit(*plan);
    return "ok";
  };
  EXPECT_EQ(put(row(tcp("10.96.0.1:80"), {"10.1.0.1:80", "10.1.0.2:80"})), "ok");
  EXPECT_THAT(
      put(row(tcp("10.96.0.2:80"), {"10.1.0.3:80"})),
      testing::AllOf(testing::HasSubstr("lb_backends is full at 2"), testing::HasSubstr("bpf-lb-backend-map-max")));
  auto sticky = row(tcp("10.96.0.1:80"), {"10.1.0.1:80", "10.1.0.2:80"});
  sticky.session_affinity_seconds = 5;
  EXPECT_THAT(put(sticky), testing::HasSubstr("lb_members"));
  EXPECT_THAT(*maps.members(), IsEmpty()) << "the half that was written is taken back";
  EXPECT_EQ(put(row(tcp("10.96.0.2:80"), {"10.1.0.1:80"})), "ok");
  EXPECT_THAT(put(row(tcp("10.96.0.3:80"), {})), testing::HasSubstr("lb_services is full at 2"));
  EXPECT_EQ(maps.choices(tcp("10.96.0.1:80")), addresses({"10.1.0.1:80", "10.1.0.2:80"}));
}

// The promise of lb_plan.h, over a long random life of several services: after each single write every client of a
// service that has backends before and after the change reaches one that is good before or after it.
TEST(LbPlan, every_prefix_of_every_plan_serves) {
  Bed bed;
  std::mt19937 random(11);
  std::map<LbEndpoint, Frontend> rows;
  const auto usable = [](const Frontend& f) {
    std::set<SocketAddress> active, any;
    for (const Backend& b : f.backends) {
      if (!b.preferred) continue;
      any.insert(b.address);
      if (b.state == BackendState::active) active.insert(b.address);
    }
    return active.empty() ? any : active;
  };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  const int steps = 600;  // a minute of unoptimised, instrumented code otherwise
#else
  const int steps = 6000;
#endif
  for (int step = 0; step < steps; ++step) {
    const bool is_udp = random() % 3 == 0;
    const LbEndpoint frontend{at(fmt::format("10.96.0.{}:80", random() % 12)), is_udp ? Protocol::udp : Protocol::tcp};
    const auto before = rows.find(frontend);
    const auto old = before == rows.end() ? std::set<SocketAddress>{} : usable(before->second);
    if (random() % 20 == 0) {
      bed.run(bed.state.plan_remove(frontend));
      rows.erase(frontend);
      EXPECT_EQ(bed.maps.lookup(frontend, 0).answer, FakeLbMaps::Answer::not_a_service);
      continue;
    }
    Frontend f = before == rows.end() || random() % 10 == 0 ? row(frontend, {}) : before->second;
    f.algorithm = random() % 8 == 0 ? LbAlgorithm::maglev : random() % 8 == 0 ? LbAlgorithm::random : f.algorithm;
    if (random() % 8 == 0) f.session_affinity_seconds = random() % 2 * 60;
    const int changes = static_cast<int>(random() % (random() % 10 == 0 ? 40 : 4));
    for (int c = 0; c < changes; ++c) {
      const Backend b{.address = at(fmt::format("10.1.0.{}:8080", random() % 30)),
                      .state = random() % 4 == 0 ? BackendState::terminating : BackendState::active,
                      .preferred = random() % 5 != 0};
      std::erase_if(f.backends, [&](const Backend& x) { return x.address == b.address; });
      if (random() % 2 == 0) f.backends.push_back(b);
    }
    const auto now = usable(f);
    bed.update(f, [&](const LbWrite& w) {
      if (old.empty() || now.empty()) return;
      const auto bound = *bed.maps.bindings();
      const auto count = LbChoice::from_word(bed.maps.services()[bound.at(frontend)].choice).count;
      ASSERT_GT(count, 0u) << "after " << to_string(w);
      for (std::uint32_t pick = 0; pick < count; ++pick) {
        const auto r = bed.maps.lookup(frontend, pick);
        ASSERT_EQ(r.answer, FakeLbMaps::Answer::backend) << "after " << to_string(w);
        ASSERT_TRUE(old.contains(r.backend.address) || now.contains(r.backend.address)) << "after " << to_string(w);
      }
    });
    rows[frontend] = f;
    const auto choices = bed.maps.choices(frontend);
    ASSERT_EQ(std::set<SocketAddress>(choices.begin(), choices.end()), now) << "step " << step;
    if (random() % 5 == 0) bed.release();

    if (step % 500 != 0) continue;
    // A restart here: another state reads the maps and finds nothing to repair and nothing to write.
    LbState restarted(bed.sizes);
    const auto repairs = restarted.adopt(bed.maps);
    ASSERT_TRUE(repairs);
    EXPECT_THAT(*repairs, IsEmpty());
    for (const auto& [key, r] : rows) {
      auto plan = restarted.plan_update(r);
      ASSERT_TRUE(plan);
      for (const auto& w : plan->writes) ADD_FAILURE() << "after a restart: " << to_string(w);
      restarted.commit(*plan);
    }
  }
  while (!rows.empty()) {
    bed.run(bed.state.plan_remove(rows.begin()->first));
    rows.erase(rows.begin());
  }
  bed.release();
  EXPECT_EQ(bed.state.backends(), 0u);
  EXPECT_EQ(bed.state.slots_used(), 0u);
  EXPECT_THAT(*bed.maps.members(), IsEmpty());
}

// A run that is killed between two writes leaves maps from which the next one goes on, whatever it was doing.
TEST(LbPlan, a_state_adopted_after_any_prefix_completes_the_row) {
  const auto frontend = udp("10.96.0.1:53");
  const auto other = udp("10.96.0.2:53");
  auto before = row(frontend, {"10.1.0.1:53", "10.1.0.2:53", "10.1.0.3:53", "10.1.0.4:53", "10.1.0.5:53"});
  std::vector<Frontend> afters = {row(frontend, {"10.1.0.2:53", "10.1.0.6:53"}), row(frontend, {}),
                                  row(frontend, {"10.1.0.9:53"}, {"10.1.0.1:53"})};
  for (bool maglev : {false, true}) {
    afters.push_back(afters[0]);
    afters.back().algorithm = maglev ? LbAlgorithm::maglev : LbAlgorithm::random;
    afters.back().session_affinity_seconds = 60;
  }
  for (auto& after : afters) {
    for (std::size_t cut = 0;; ++cut) {
      Bed bed;
      bed.update(before);
      bed.update(row(other, {"10.1.0.2:53"}));
      auto plan = *bed.state.plan_update(after);
      if (cut > plan.writes.size()) break;
      ASSERT_TRUE(bed.maps.apply(std::span(plan.writes).first(cut)));

      LbState restarted(bed.sizes);
      const auto repairs = restarted.adopt(bed.maps);
      ASSERT_TRUE(repairs);
      ASSERT_TRUE(bed.maps.apply(*repairs));
      auto again = restarted.plan_update(after);
      ASSERT_TRUE(again) << again.error().message;
      ASSERT_TRUE(bed.maps.apply(again->writes));
      restarted.commit(*again);
      std::set<SocketAddress> want;
      for (const auto& b : after.backends)
        if (b.state == BackendState::active) want.insert(b.address);
      const auto got = bed.maps.choices(frontend);
      EXPECT_EQ(std::set<SocketAddress>(got.begin(), got.end()), want) << "cut after " << cut;
      EXPECT_EQ(bed.maps.choices(other), addresses({"10.1.0.2:53"}));
    }
  }
}

TEST(LbPlan, a_restart_finds_which_backends_are_another_clusters) {
  Bed bed;
  auto both = row(tcp("10.96.0.1:80"), {"10.1.0.1:80"});
  both.backends.push_back({.address = at("10.2.0.1:80"), .cluster = "west"});
  both.backends.push_back({.address = at("10.3.0.1:80"), .cluster = "north", .preferred = false});
  auto names = row(udp("10.96.0.2:53"), {"10.1.0.1:53"});
  names.backends.push_back({.address = at("10.2.0.1:53"), .state = BackendState::terminating, .cluster = "west"});
  bed.update(both);
  bed.update(names);
  bed.update(row(tcp("10.96.0.3:80"), {"10.1.0.1:80"}));
  EXPECT_EQ(bed.state.remote_backends(),
            (InheritedBackends{
                {tcp("10.96.0.1:80"),
                 {{at("10.2.0.1:80"), BackendState::active, cluster_tag("west")},
                  {at("10.3.0.1:80"), BackendState::active, cluster_tag("north")}}},
                {udp("10.96.0.2:53"), {{at("10.2.0.1:53"), BackendState::terminating, cluster_tag("west")}}}}));
  LbState restarted(bed.sizes);
  ASSERT_TRUE(restarted.adopt(bed.maps));
  EXPECT_EQ(restarted.remote_backends(), bed.state.remote_backends());

  // The cluster is not known by name yet: the backend stays the one it was, and whose it was.
  both.backends[1].cluster = "unknown";
  auto plan = restarted.plan_update(both);
  ASSERT_TRUE(plan);
  EXPECT_THAT(plan->writes, IsEmpty());
  restarted.commit(*plan);
  EXPECT_EQ(restarted.remote_backends(), bed.state.remote_backends());
}

TEST(LbPlan, what_is_held_back_of_another_cluster_is_kept_for_the_next_run_and_led_to_by_nobody) {
  Bed bed;
  auto f = row(tcp("10.96.0.1:80"), {"10.1.0.1:80"});
  f.backends.push_back({.address = at("10.2.0.1:80"), .cluster = "west", .preferred = false});
  f.backends.push_back({.address = at("10.1.0.2:80"), .preferred = false});
  bed.update(f);
  EXPECT_EQ(bed.maps.choices(f.address), addresses({"10.1.0.1:80"}));
  EXPECT_EQ(bed.maps.dump()->at(0).to_string(), "10.96.0.1:80/TCP random -> 10.1.0.1:80");
  const InheritedBackends left{{f.address, {{at("10.2.0.1:80"), BackendState::active, cluster_tag("west")}}}};
  LbState restarted(bed.sizes);
  const auto repairs = restarted.adopt(bed.maps);
  ASSERT_TRUE(repairs);
  EXPECT_THAT(*repairs, IsEmpty());
  EXPECT_EQ(restarted.remote_backends(), left);
  bed.update(f);
  EXPECT_EQ(bed.last_writes, 0u);

  // It is chosen, and held back again; in the end nothing is left of it.
  f.backends[0].preferred = false;
  f.backends[1].preferred = true;
  bed.update(f);
  EXPECT_EQ(bed.maps.choices(f.address), addresses({"10.2.0.1:80"}));
  EXPECT_THAT(*bed.maps.members(), IsEmpty());
  f.backends[0].preferred = true;
  f.backends[1].preferred = false;
  bed.update(f);
  EXPECT_EQ(bed.state.remote_backends(), left);
  f.backends.erase(f.backends.begin() + 1);
  bed.update(f);
  bed.release();
  EXPECT_THAT(*bed.maps.members(), IsEmpty());
  EXPECT_EQ(bed.state.backends(), 1u);
}

TEST(LbPlan, the_reserve_takes_a_sixteenth_of_the_maps_and_stays_what_it_is) {
  Bed bed;  // 512 members
  for (int s = 1; s <= 3; ++s) {
    auto f = row(tcp(fmt::format("10.96.0.{}:80", s)), {"10.1.0.1:80"});
    for (int b = 1; b <= 20; ++b)
      f.backends.push_back({.address = at(fmt::format("10.2.{}.{}:80", s, b)), .cluster = "west", .preferred = false});
    bed.update(f);
    bed.update(f);
    EXPECT_EQ(bed.last_writes, 0u);
  }
  EXPECT_EQ(bed.maps.members()->size(), 32u);
  for (int s = 1; s <= 3; ++s) bed.run(bed.state.plan_remove(tcp(fmt::format("10.96.0.{}:80", s))));
  bed.release();
  EXPECT_THAT(*bed.maps.members(), IsEmpty());
  EXPECT_EQ(bed.state.backends(), 0u);
}

TEST(LbPlan, adopting_nonsense_unbinds_it_and_keeps_the_rest) {
  Bed bed;
  bed.update(row(tcp("10.96.0.1:80"), {"10.1.0.1:80"}));
  const std::vector<LbWrite> nonsense = {Bind{tcp("10.96.0.9:80"), 7}, SetMember{9, 3, abi::LB_MEMBER_ACTIVE},
                                         SetService{8, tcp("10.96.0.8:80"), {4095, 100, false}, 0},
                                         Bind{tcp("10.96.0.8:80"), 8}, Bind{tcp("10.96.0.7:80"), 4'000'000}};
  ASSERT_TRUE(bed.maps.apply(nonsense));
  LbState restarted(bed.sizes);
  const auto repairs = restarted.adopt(bed.maps);
  ASSERT_TRUE(repairs);
  ASSERT_TRUE(bed.maps.apply(*repairs));
  EXPECT_EQ(bed.maps.bindings()->size(), 1u);
  EXPECT_THAT(*bed.maps.members(), IsEmpty());
  EXPECT_EQ(restarted.services().size(), 1u);
}

TEST(LbMaps, endpoints_survive_the_way_to_the_kernel_and_back) {
  for (const auto& e : {tcp("10.96.0.1:80"), udp("[fd00:96:1::a]:53"), tcp("255.255.255.255:65535"), udp("[::]:1")})
    EXPECT_EQ(from_abi(to_abi(e)), e);
  for (const LbChoice c : {LbChoice{}, LbChoice{5, 7, false}, LbChoice{UINT32_MAX, 0x7fffffff, true}})
    EXPECT_EQ(LbChoice::from_word(c.word()), c);
}

}  // namespace
}  // namespace weft
