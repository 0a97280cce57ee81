#include "lab/node/lifecycle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/json/parse.hpp>

namespace weft::lab {
namespace {

using namespace std::chrono_literals;
using Phase = ContainerState::Phase;

TEST(Probe, a_verdict_needs_a_run_of_equal_answers) {
  ProbeTracker t(2, 3, false);
  EXPECT_FALSE(t.record(true));
  EXPECT_FALSE(t.decided());
  EXPECT_TRUE(t.record(true));
  EXPECT_TRUE(t.record(false));
  EXPECT_TRUE(t.record(false));
  EXPECT_TRUE(t.record(true)) << "a success in between starts the count of failures anew";
  EXPECT_TRUE(t.record(false));
  EXPECT_TRUE(t.record(false));
  EXPECT_FALSE(t.record(false));
}

TEST(Probe, liveness_begins_alive_and_readiness_unready) {
  ProbeTracker live(1, 1, true), ready(1, 1, false);
  EXPECT_TRUE(live.verdict());
  EXPECT_FALSE(ready.verdict());
  EXPECT_FALSE(live.record(false));
  EXPECT_TRUE(ready.record(true));
}

TEST(Restart, the_first_is_immediate_and_then_the_pause_doubles_to_a_minute) {
  RestartDelay d;
  EXPECT_EQ(d.next(1s), 0ms);
  EXPECT_EQ(d.next(1s), 1s);
  EXPECT_EQ(d.next(1s), 2s);
  for (int i = 0; i < 10; ++i) d.next(1s);
  EXPECT_EQ(d.next(1s), 60s);
  EXPECT_EQ(d.next(11min), 0ms) << "a long run is forgiven";
}

TEST(Restart, the_policy_decides_and_init_containers_succeed_once) {
  EXPECT_TRUE(restarts(RestartPolicy::always, false, false, 0));
  EXPECT_FALSE(restarts(RestartPolicy::on_failure, false, false, 0));
  EXPECT_TRUE(restarts(RestartPolicy::on_failure, false, false, 1));
  EXPECT_FALSE(restarts(RestartPolicy::never, false, false, 1));
  EXPECT_FALSE(restarts(RestartPolicy::always, true, false, 0));
  EXPECT_TRUE(restarts(RestartPolicy::always, true, false, 1));
  EXPECT_TRUE(restarts(RestartPolicy::never, true, true, 0)) << "a sidecar always runs";
}

struct World {
  Pod pod;
  ContainerSpec a, b;
  ContainerState sa, sb;
  PodView view() const {
    PodView v;
    v.pod = &pod;
    v.containers = {{&a, &sa}, {&b, &sb}};
    v.sandbox = v.initialized = true;
    v.pod_ips = {"10.1.0.5", "fd00::5"};
    v.host_ips = {"172.18.1.11"};
    v.start_time = "2026-01-01T00:00:00Z";
    return v;
  }
};

World world() {
  World w;
  w.a.name = "a";
  w.b.name = "b";
  w.pod.object = json::parse(R"({"status":{"conditions":[
    {"type":"PodScheduled","status":"True","lastTransitionTime":"2025-12-31T00:00:00Z"},
    {"type":"Ready","status":"True","lastTransitionTime":"2025-12-31T23:00:00Z"}]}})")
                     .as_object();
  return w;
}

ContainerState running(bool ready) {
  ContainerState s;
  s.phase = Phase::running;
  s.ready = ready;
  s.started = true;
  return s;
}

ContainerState ended(int code) {
  ContainerState s;
  s.phase = Phase::ended;
  s.ended.code = code;
  s.ended.reason = code == 0 ? "Completed" : "Error";
  return s;
}

TEST(Status, phase_follows_containers_and_policy) {
  World w = world();
  EXPECT_EQ(pod_phase(w.view()), "Pending");
  w.sa = running(true);
  EXPECT_EQ(pod_phase(w.view()), "Running");
  w.sa = ended(0), w.sb = ended(1);
  EXPECT_EQ(pod_phase(w.view()), "Running") << "restartPolicy Always starts them again";
  w.pod.restart = RestartPolicy::never;
  EXPECT_EQ(pod_phase(w.view()), "Failed");
  w.sb = ended(0);
  EXPECT_EQ(pod_phase(w.view()), "Succeeded");
}

TEST(Status, a_pod_is_ready_when_every_container_is) {
  World w = world();
  w.sa = running(true), w.sb = running(false);
  const auto find_ready = [](const json::object& status) {
    for (const auto& c : status.at("conditions").as_array())
      if (c.at("type").as_string() == "Ready") return c.as_object();
    return json::object{};
  };
  const auto now = parse_rfc3339("2026-01-01T01:00:00Z");
  const auto unready = find_ready(pod_status(w.view(), now));
  EXPECT_EQ(unready.at("status").as_string(), "False");
  EXPECT_EQ(unready.at("message").as_string(), "containers with unready status: [b]");
  EXPECT_EQ(unready.at("lastTransitionTime").as_string(), "2026-01-01T01:00:00Z");
  w.sb.ready = true;
  const auto ready = find_ready(pod_status(w.view(), now));
  EXPECT_EQ(ready.at("status").as_string(), "True");
  EXPECT_EQ(ready.at("lastTransitionTime").as_string(), "2025-12-31T23:00:00Z") << "it was True before: no transition";
}

TEST(Status, conditions_of_others_stay) {
  World w = world();
  const auto status = pod_status(w.view(), Wall::now());
  int scheduled = 0;
  for (const auto& c : status.at("conditions").as_array())
    scheduled += c.at("type").as_string() == "PodScheduled" ? 1 : 0;
  EXPECT_EQ(scheduled, 1);
}

TEST(Status, both_families_are_shown) {
  World w = world();
  const auto status = pod_status(w.view(), Wall::now());
  EXPECT_EQ(status.at("podIP").as_string(), "10.1.0.5");
  EXPECT_EQ(status.at("podIPs").as_array().size(), 2u);
  EXPECT_EQ(status.at("hostIP").as_string(), "172.18.1.11");
}

}  // namespace
}  // namespace weft::lab
