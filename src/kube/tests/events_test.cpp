#include <gtest/gtest.h>

#include "async/tests/run.h"
#include "kube/events.h"
#include "kube/fake.h"
#include "kube/json.h"
#include "kube/status.h"

namespace weft::kube {
namespace {

using weft::testing::run;
using weft::testing::until;

Task<> counted(asio::io_context& io, FakeServer& server) {
  Client client(io, FakeServer::config(), server.transport());
  Scope scope(io, "events");
  EventRecorder recorder(client, scope, "weft-operator", "node-1");
  const ObjectReference about{"v1", "Node", "", "node-1", "u1"};
  recorder.record(about, EventRecorder::Type::warning, "Refused", "because");
  co_await until([&] { return server.all(kEvents).size() == 1; });
  recorder.record(about, EventRecorder::Type::warning, "Refused", "because");
  co_await until([&] { return number_at(server.all(kEvents)[0], "count") == 2; });
  recorder.record(about, EventRecorder::Type::normal, "Joined", "well");
  co_await until([&] { return server.all(kEvents).size() == 2; });
  EXPECT_EQ(name_of(server.all(kEvents)[0]).ns, "default");
  for (int i = 0; i < 100; ++i) recorder.record(about, EventRecorder::Type::normal, "Noise", std::to_string(i));
  co_await until([&] { return scope.running() == 0; });
  EXPECT_LE(server.all(kEvents).size(), 25u) << "one object must not flood the API server";
  co_await scope.stop();
}
TEST(Events, repeated_event_counts_up_and_a_flood_is_cut) {
  asio::io_context io;
  FakeServer server(io);
  run(io, counted(io, server));
}

TEST(Conditions, transition_time_moves_only_with_the_status) {
  json::array list;
  const auto t1 = parse_rfc3339("2026-01-01T00:00:00Z"), t2 = parse_rfc3339("2026-01-01T01:00:00Z");
  EXPECT_TRUE(set_condition(list, {"Ready", true, "Fine", "ok"}, t1));
  EXPECT_FALSE(set_condition(list, {"Ready", true, "Fine", "ok"}, t2));
  EXPECT_TRUE(set_condition(list, {"Ready", true, "Fine", "still ok"}, t2));
  EXPECT_EQ(text_at(list[0].get_object(), "lastTransitionTime"), "2026-01-01T00:00:00Z");
  EXPECT_TRUE(set_condition(list, {"Ready", false, "Broken", "no"}, t2));
  EXPECT_EQ(text_at(list[0].get_object(), "lastTransitionTime"), "2026-01-01T01:00:00Z");
  EXPECT_TRUE(set_condition(list, {"Other", true, "Fine", ""}, t2));
  EXPECT_EQ(list.size(), 2u);
}

Task<> status_patched(asio::io_context& io, FakeServer& server) {
  server.status_subresource.insert("ciliumnodes");
  server.put(kCiliumNodes, json::object{{"metadata", {{"name", "n"}}}, {"spec", {{"a", 1}}}});
  Client client(io, FakeServer::config(), server.transport());
  json::object status{{"ok", true}};
  auto r = co_await patch_status(client, kCiliumNodes, "", "n", status);
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(bool_at(object_at(*server.get(kCiliumNodes, "", "n"), "status"), "ok"), true);
  const std::string old = "1";
  r = co_await patch_status(client, kCiliumNodes, "", "n", status, old);
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::conflict);
}
TEST(Status, patch_touches_only_the_status_and_respects_the_version) {
  asio::io_context io;
  FakeServer server(io);
  run(io, status_patched(io, server));
}

}  // namespace
}  // namespace weft::kube
