// The client against a real API: etcd and the lab's API server, or a kube-apiserver named by WEFT_TEST_KUBECONFIG.
#include <gtest/gtest.h>

#include "async/tests/run.h"
#include "base/encoding.h"
#include "kube/client.h"
#include "kube/events.h"
#include "kube/json.h"
#include "kube/leader_election.h"
#include "kube/reflector.h"
#include "kube/tests/lab_server.h"
#include "kube/types/core.h"
#include "kube/types/service.h"

namespace weft::kube {
namespace {

using weft::testing::LabServer;
using weft::testing::run;
using weft::testing::until;

// One server for all tests of this file; each takes a namespace of its own.
class ApiServer : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { server = new LabServer; }
  static void TearDownTestSuite() {
    delete server;
    server = nullptr;
  }
  static LabServer* server;
  asio::io_context io;
  Client client{io, server->config()};
  std::string ns = "weft-test-" + hex_encode(random_bytes(4));
};
LabServer* ApiServer::server = nullptr;

json::object named(const std::string& name) {
  json::object o;
  metadata_of(o)["name"] = name;
  return o;
}
json::object config_map(const std::string& name, const std::string& value) {
  json::object o = named(name);
  o["data"] = json::object{{"v", value}};
  return o;
}

Task<> make_namespace(Client& client, std::string ns) {
  const auto object = named(ns);
  auto r = co_await client.create(kNamespaces, "", object);
  EXPECT_TRUE(r) << r.error().message;
}

Task<> acting_as(asio::io_context& io, Config config, bool external) {
  config.act_as.user = "jane@weft.test";
  Client client(io, config);
  auto r = co_await client.get(kSecrets, "kube-system", "cilium-ca");
  EXPECT_FALSE(r) << "the administrator's rights were used, or nobody was asked";
  if (r) co_return;
  if (external) {
    EXPECT_EQ(r.error().code, Errc::unauthorized);
    EXPECT_NE(r.error().message.find("jane@weft.test"), std::string::npos) << r.error().message;
  } else {
    // The lab's server does not take anybody for somebody else, and says so.
    EXPECT_NE(r.error().message.find("impersonation"), std::string::npos) << r.error().message;
  }
}
TEST_F(ApiServer, who_acts_as_another_never_has_its_own_rights) {
  run(io, acting_as(io, server->config(), server->external()));
}

Task<> crud(Client& client, std::string ns) {
  co_await make_namespace(client, ns);
  auto object = config_map("a", "1");
  auto r = co_await client.create(kConfigMaps, ns, object);
  EXPECT_TRUE(r) << r.error().message;
  const auto first = r.value_or(json::object());
  EXPECT_FALSE(uid_of(first).empty());
  r = co_await client.create(kConfigMaps, ns, object);
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::exists) << r.error().message;
  auto next = first;
  next["data"] = json::object{{"v", "2"}};
  r = co_await client.update(kConfigMaps, ns, next);
  EXPECT_TRUE(r) << r.error().message;
  r = co_await client.update(kConfigMaps, ns, next);
  EXPECT_FALSE(r) << "the second update carries an old version";
  EXPECT_EQ(r.error().code, Errc::conflict);
  json::object patch{{"data", {{"w", "3"}}}};
  r = co_await client.patch(kConfigMaps, ns, "a", PatchType::merge, patch);
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(labels_at(*r, "data"), (Labels{{"v", "2"}, {"w", "3"}}));
  r = co_await client.patch(kConfigMaps, ns, "a", PatchType::strategic, patch);
  EXPECT_TRUE(r) << r.error().message;
  const auto operations = json::parse(R"([{"op":"remove","path":"/data/w"}])");
  r = co_await client.patch(kConfigMaps, ns, "a", PatchType::json, operations);
  EXPECT_TRUE(r) << r.error().message;
  EXPECT_EQ(labels_at(*r, "data"), (Labels{{"v", "2"}}));
  DeleteOptions other;
  other.uid = "somebody else";
  r = co_await client.remove(kConfigMaps, ns, "a", other);
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::conflict);
  DeleteOptions stale;
  stale.resource_version = version_of(first);
  r = co_await client.remove(kConfigMaps, ns, "a", stale);
  EXPECT_FALSE(r) << "a delete bound to an old version must fail";
  EXPECT_EQ(r.error().code, Errc::conflict);
  r = co_await client.remove(kConfigMaps, ns, "a");
  EXPECT_TRUE(r) << r.error().message;
  r = co_await client.get(kConfigMaps, ns, "a");
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::not_found);
  EXPECT_NE(r.error().message.find("\"a\" not found"), std::string::npos) << r.error().message;
  auto bad = named("Bad_Name");
  r = co_await client.create(kConfigMaps, ns, bad);
  EXPECT_FALSE(r);
  EXPECT_EQ(r.error().code, Errc::invalid) << r.error().message;
  auto version = co_await client.request("GET", "/version");
  EXPECT_TRUE(version && version->status == 200);
}
TEST_F(ApiServer, objects_are_made_changed_and_removed_and_refusals_have_their_code) { run(io, crud(client, ns)); }

Task<> selects(Client& client, std::string ns) {
  co_await make_namespace(client, ns);
  for (int i = 0; i < 7; ++i) {
    auto object = config_map("c" + std::to_string(i), "x");
    metadata_of(object)["labels"] = json::object{{"parity", i % 2 ? "odd" : "even"}};
    auto r = co_await client.create(kConfigMaps, ns, object);
    EXPECT_TRUE(r) << r.error().message;
  }
  ListOptions o;
  o.ns = ns;
  o.limit = 2;
  o.label_selector = "parity=odd";
  auto all = co_await client.list_all(kConfigMaps, o);
  EXPECT_TRUE(all) << all.error().message;
  EXPECT_EQ(all->size(), 3u);
  o.label_selector = "parity in (odd,even),!other";
  o.field_selector = "metadata.name!=c0";
  all = co_await client.list_all(kConfigMaps, o);
  EXPECT_TRUE(all) << all.error().message;
  std::size_t ours = 0;
  for (const auto& i : *all) ours += name_of(i).name.starts_with("c");
  EXPECT_EQ(ours, 6u);
}
TEST_F(ApiServer, selectors_and_pages_work_together) { run(io, selects(client, ns)); }

struct Row {
  using Key = std::string;
  std::string name, value;
  Key key() const { return name; }
  bool operator==(const Row&) const = default;
};
Result<std::optional<Row>> parse_row(const json::object& o) {
  return Row{name_of(o).name, text_at(object_at(o, "data"), "v")};
}

Task<> reflects(Client& client, std::string ns, LabServer& server) {
  co_await make_namespace(client, ns);
  for (int i = 0; i < 10; ++i) {
    const auto object = config_map("c" + std::to_string(i), "0");
    auto r = co_await client.create(kConfigMaps, ns, object);
    EXPECT_TRUE(r) << r.error().message;
  }
  Table<Row> table(client.io(), "rows");
  ReflectorOptions options;
  options.ns = ns;
  options.page = 3;
  options.retry_first = std::chrono::milliseconds(50);
  Reflector<Row> reflector(client, kConfigMaps, table, parse_row, options);
  Scope scope(client.io(), "test");
  scope.spawn("reflector", reflector.run());
  const auto value = [&](const char* name) {
    const auto r = table.get(name);
    return r ? r->value : std::string();
  };
  co_await until([&] { return table.initialized() && reflector.health().watching; });
  EXPECT_GE(table.size(), 10u);
  auto change = config_map("c3", "1");
  auto r = co_await client.update(kConfigMaps, ns, change);
  EXPECT_TRUE(r) << r.error().message;
  r = co_await client.remove(kConfigMaps, ns, "c4");
  co_await until([&] { return value("c3") == "1" && !table.contains("c4"); });
  EXPECT_EQ(reflector.health().lists, 1u);

  if (!server.external()) {
    // The server dies and comes back: rows stay, the watch resumes.
    Table<Row>::Stream stream(table);
    stream.next();
    server.kill_server();
    co_await until([&] { return !reflector.health().watching; });
    EXPECT_GE(table.size(), 9u);
    server.start_server();
    change = config_map("c5", "2");
    for (int tries = 0; tries < 50; ++tries) {
      r = co_await client.update(kConfigMaps, ns, change);
      if (r) break;
      co_await sleep_for(std::chrono::milliseconds(100));
    }
    EXPECT_TRUE(r) << r.error().message;
    co_await until([&] { return value("c5") == "2"; }, [&] { return reflector.health().error; },
                   std::chrono::seconds(15));
    std::string changes;
    for (const auto& c : stream.next()) changes += c.key + " ";
    EXPECT_EQ(changes, "c5 ") << "unchanged rows must not flicker";

    // More changes than the server remembers, while we do not look: 410, and a list that loses nothing.
    const auto lists = reflector.health().lists;
    co_await scope.stop();
    for (int i = 0; i < 120; ++i) {
      change = config_map("c6", std::to_string(i));
      r = co_await client.update(kConfigMaps, ns, change);
      EXPECT_TRUE(r) << r.error().message;
    }
    r = co_await client.remove(kConfigMaps, ns, "c7");
    WatchOptions old;
    old.ns = ns;
    old.resource_version = reflector.health().resource_version;
    auto w = co_await client.watch(kConfigMaps, old);
    std::string outcome = w ? "" : w.error().message;
    Errc code = w ? Errc::internal : w.error().code;
    if (w) {
      auto e = co_await w->next();
      if (!e) code = e.error().code;
      outcome = e ? "an event" : e.error().message;
    }
    // A server with a longer memory may serve it; both are right, but ours was told to remember 50.
    EXPECT_EQ(code, Errc::expired) << outcome;
    Reflector<Row> again(client, kConfigMaps, table, parse_row, options);
    scope.spawn("reflector", again.run());
    co_await until([&] { return value("c6") == "119"; });
    EXPECT_GE(again.health().lists + lists, 2u);
  }
  co_await scope.stop();
}
TEST_F(ApiServer, reflector_survives_the_server_and_its_forgetting) {
  run(io, reflects(client, ns, *server), std::chrono::seconds(60));
}

Task<> expired_in_place(Client& client, std::string ns, LabServer& server) {
  co_await make_namespace(client, ns);
  Table<Row> table(client.io(), "rows");
  ReflectorOptions options;
  options.ns = ns;
  options.retry_first = std::chrono::milliseconds(1500);
  options.retry_max = std::chrono::milliseconds(1500);
  Reflector<Row> reflector(client, kConfigMaps, table, parse_row, options);
  Scope scope(client.io(), "test");
  const auto kept = config_map("kept", "1"), gone = config_map("gone", "1");
  auto r = co_await client.create(kConfigMaps, ns, kept);
  r = co_await client.create(kConfigMaps, ns, gone);
  scope.spawn("reflector", reflector.run());
  co_await until([&] { return table.contains("gone") && reflector.health().watching; });
  // While it waits to reconnect, the server forgets.
  server.kill_server();
  co_await until([&] { return !reflector.health().watching; });
  server.start_server();
  for (int i = 0; i < 120; ++i) {
    const auto filler = config_map("filler", std::to_string(i));
    if (i == 0) {
      r = co_await client.create(kConfigMaps, ns, filler);
    } else {
      r = co_await client.update(kConfigMaps, ns, filler);
    }
    EXPECT_TRUE(r) << r.error().message;
  }
  r = co_await client.remove(kConfigMaps, ns, "gone");
  co_await until([&] { return !table.contains("gone") && table.contains("filler"); },
                 [&] { return "rows " + std::to_string(table.size()) + ", " + reflector.health().error; },
                 std::chrono::seconds(15));
  EXPECT_TRUE(table.contains("kept"));
  EXPECT_EQ(reflector.health().lists, 2u);
  co_await scope.stop();
}
TEST_F(ApiServer, reflector_lists_again_when_its_revision_is_gone) {
  if (server->external()) GTEST_SKIP() << "needs to stop the server";
  run(io, expired_in_place(client, ns, *server), std::chrono::seconds(60));
}

Task<> leads(Client& client, std::string ns) {
  co_await make_namespace(client, ns);
  LeaderElection::Options o;
  o.ns = ns;
  o.name = "lock";
  o.duration = std::chrono::seconds(2);
  o.renew_deadline = std::chrono::milliseconds(1000);
  o.retry = std::chrono::milliseconds(100);
  o.identity = "a";
  LeaderElection a(client, o);
  o.identity = "b";
  LeaderElection b(client, o);
  Scope sa(client.io(), "a"), sb(client.io(), "b");
  int terms = 0;
  const auto work = [](int& n) -> Task<> {
    ++n;
    co_await sleep_for(std::chrono::hours(1));
  };
  sa.spawn("a", a.run([&] { return work(terms); }));
  co_await until([&] { return a.leading(); });
  sb.spawn("b", b.run([&] { return work(terms); }));
  co_await until([&] { return b.holder() == "a"; });
  EXPECT_FALSE(b.leading());
  co_await sa.stop();
  co_await a.release();
  co_await until([&] { return b.leading(); });
  EXPECT_EQ(terms, 2);
  auto lease = co_await client.get(kLeases, ns, "lock");
  EXPECT_TRUE(lease) << lease.error().message;
  EXPECT_EQ(parse_lease(*lease).holder, "b");
  co_await sb.stop();
  co_await b.release();
}
TEST_F(ApiServer, lease_has_one_holder_and_passes_on) { run(io, leads(client, ns)); }

Task<> typed(Client& client, std::string ns) {
  co_await make_namespace(client, ns);
  json::object port{{"port", 80}, {"targetPort", "http"}};
  json::object service = named("api");
  metadata_of(service)["annotations"] = json::object{{"service.cilium.io/global", "true"}};
  json::object spec;
  spec["selector"] = json::object{{"app", "api"}};
  spec["ports"] = json::array(1, port);
  service["spec"] = spec;
  auto r = co_await client.create(kServices, ns, service);
  EXPECT_TRUE(r) << r.error().message;
  const auto parsed = parse_service(*r);
  EXPECT_TRUE(parsed && *parsed) << parsed.error().message;
  EXPECT_EQ((*parsed)->cluster_ips.size(), 1u) << json::serialize(*r);
  EXPECT_TRUE((*parsed)->global);
  Scope scope(client.io(), "events");
  EventRecorder recorder(client, scope, "weft-test", "here");
  const auto about = reference_to(*r);
  recorder.record(about, EventRecorder::Type::normal, "Tested", "by the test");
  recorder.record(about, EventRecorder::Type::normal, "Tested", "by the test");
  co_await until([&] { return scope.running() == 0; });
  ListOptions o;
  o.ns = ns;
  auto events = co_await client.list_all(kEvents, o);
  EXPECT_TRUE(events) << events.error().message;
  EXPECT_EQ(events->size(), 1u);
}
TEST_F(ApiServer, service_gets_its_address_and_an_event_can_be_recorded_on_it) { run(io, typed(client, ns)); }

}  // namespace
}  // namespace weft::kube
