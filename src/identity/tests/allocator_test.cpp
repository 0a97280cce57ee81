#include <gtest/gtest.h>

#include "async/tests/run.h"
#include "identity/allocator.h"
#include "identity/pod_labels.h"
#include "kube/fake.h"
#include "kube/json.h"
#include "kube/reflector.h"
#include "kube/types/cilium.h"

namespace weft::identity {
namespace {

namespace json = boost::json;
using kube::kCiliumIdentities;
using weft::testing::run;
using weft::testing::until;

Labels app(const std::string& name) { return {{"k8s:app", name}, {"k8s:io.kubernetes.pod.namespace", "shop"}}; }

const std::string kcart = "cart", kweb = "web";
constexpr IdentityRange kSmall{65536, 65536 + 7};

TEST(IdentityCandidate, every_number_of_the_range_comes_once_and_the_first_follows_from_the_labels) {
  std::set<NumericIdentity> seen;
  for (std::uint32_t k = 0; k < 8; ++k) seen.insert(identity_candidate(app("a"), kSmall, k));
  EXPECT_EQ(seen.size(), 8u);
  EXPECT_EQ(*seen.begin(), kSmall.first);
  EXPECT_EQ(*seen.rbegin(), kSmall.last);
  const auto range = identity_range(1, 255);
  EXPECT_EQ(identity_candidate(app("a"), range, 0), identity_candidate(app("a"), range, 0));
  std::set<NumericIdentity> firsts;
  for (int i = 0; i < 100; ++i) firsts.insert(identity_candidate(app(std::to_string(i)), range, 0));
  EXPECT_GT(firsts.size(), 95u) << "label sets spread over the range";
}

// One agent: its own client, table and reflector.
struct Agent {
  kube::Client client;
  Table<Identity> table;
  kube::Reflector<Identity> reflector;
  IdentityAllocator allocator;
  Scope scope;
  Agent(asio::io_context& io, kube::FakeServer& server, IdentityRange range = identity_range(1, 255))
      : client(io, kube::FakeServer::config(), server.transport()),
        table(io, "identities"),
        reflector(client, kCiliumIdentities, table,
                  [](const json::object& o) { return kube::parse_cilium_identity(o, {"cluster1", 1}); }),
        allocator(client, table, "cluster1", range),
        scope(io, "agent") {
    scope.spawn("identities", reflector.run());
  }
};

struct Agents {
  asio::io_context io;
  kube::FakeServer server{io};
  std::vector<std::unique_ptr<Agent>> agents;
  explicit Agents(int n, IdentityRange range = identity_range(1, 255)) {
    for (int i = 0; i < n; ++i) agents.push_back(std::make_unique<Agent>(io, server, range));
  }
  Task<> stop() {
    for (auto& a : agents) co_await a->scope.stop();
  }
  // How many objects carry these labels.
  std::size_t copies(const Labels& labels) const {
    std::size_t n = 0;
    for (const auto& o : server.all(kCiliumIdentities)) n += kube::labels_at(o, "security-labels") == labels;
    return n;
  }
  void put(NumericIdentity id, const Labels& labels) {
    Identity i;
    i.id = id;
    i.labels = labels;
    server.put(kCiliumIdentities, kube::to_cilium_identity(i));
  }
};

// Takes the name alone: GCC 12 breaks a map that is a temporary inside a co_await.
Task<> ask(Agent& agent, std::string name, std::vector<NumericIdentity>& answers) {
  const Labels labels = app(name);
  auto id = co_await agent.allocator.allocate(labels);
  EXPECT_TRUE(id) << id.error().message;
  answers.push_back(id.value_or(0));
}

Task<> once(Agents& w) {
  std::vector<NumericIdentity> answers;
  co_await ask(*w.agents[0], kcart, answers);
  co_await ask(*w.agents[0], kcart, answers);
  co_await ask(*w.agents[0], kweb, answers);
  EXPECT_EQ(answers[0], answers[1]);
  EXPECT_NE(answers[0], answers[2]);
  EXPECT_TRUE(identity_range(1, 255).contains(answers[0]));
  EXPECT_EQ(w.server.all(kCiliumIdentities).size(), 2u);
  const auto object = w.server.get(kCiliumIdentities, "", std::to_string(answers[0]));
  EXPECT_TRUE(object);
  EXPECT_EQ(kube::labels_at(*object, "security-labels"), app("cart"));
  co_await w.stop();
}
TEST(IdentityAllocator, same_labels_give_the_same_number_from_the_range_of_the_cluster) {
  Agents w(1);
  run(w.io, once(w));
}

TEST(IdentityAllocator, a_remote_cluster_that_has_not_answered_holds_up_nobody) {
  Agents w(1);
  w.agents[0]->table.expect("remote cluster east");
  run(w.io, once(w));
  EXPECT_FALSE(w.agents[0]->table.initialized());
}

Task<> race(Agents& w) {
  w.server.reorder = true;
  Scope scope(w.io, "racers");
  std::map<std::string, std::vector<NumericIdentity>> answers;
  for (int round = 0; round < 40; ++round) {
    const std::string name = "app-" + std::to_string(round);
    for (auto& agent : w.agents) scope.spawn(name, ask(*agent, name, answers[name]));
    if (round % 4 == 3) co_await until([&] { return scope.running() == 0; });
  }
  co_await until([&] { return scope.running() == 0; });
  for (const auto& [name, ids] : answers) {
    EXPECT_EQ(ids.size(), w.agents.size());
    EXPECT_EQ(std::set(ids.begin(), ids.end()).size(), 1u) << name;
    EXPECT_EQ(w.copies(app(name)), 1u) << name;
  }
  std::set<NumericIdentity> all;
  for (const auto& [name, ids] : answers) all.insert(ids.begin(), ids.end());
  EXPECT_EQ(all.size(), 40u) << "no number stands for two label sets";
  co_await w.stop();
}
TEST(IdentityAllocator, eight_agents_that_meet_the_same_labels_at_once_make_one_identity) {
  Agents w(8);
  run(w.io, race(w));
}
TEST(IdentityAllocator, eight_agents_in_a_nearly_full_range_still_agree) {
  Agents w(8, {65536, 65536 + 41});
  run(w.io, race(w));
}

Task<> full(Agents& w) {
  std::vector<NumericIdentity> answers;
  for (int i = 0; i < 8; ++i) {
    const std::string name = std::to_string(i);
    co_await ask(*w.agents[0], name, answers);
  }
  EXPECT_EQ(std::set(answers.begin(), answers.end()).size(), 8u);
  Labels labels = app("one more");
  auto id = co_await w.agents[0]->allocator.allocate(labels);
  EXPECT_FALSE(id);
  EXPECT_EQ(id.error().code, Errc::exhausted);
  co_await w.stop();
}
TEST(IdentityAllocator, full_range_is_refused_and_says_what_to_do) {
  Agents w(1, kSmall);
  run(w.io, full(w));
}

Task<> duplicate(Agents& w) {
  // Two objects for one label set, as an allocator of another kind may leave them.
  w.put(65600, app("cart"));
  w.put(65590, app("cart"));
  w.put(70000, app("cart"));
  std::vector<NumericIdentity> answers;
  for (auto& a : w.agents) {
    co_await until([&] { return a->table.size() == 3; });
    co_await ask(*a, kcart, answers);
  }
  EXPECT_EQ(answers, (std::vector<NumericIdentity>{65590, 65590, 65590}));
  w.put(65580, app("cart"));
  co_await until([&] { return w.agents[0]->table.contains(65580); });
  co_await ask(*w.agents[0], kcart, answers);
  EXPECT_EQ(answers.back(), 65580u);
  co_await w.stop();
}
Task<> late(Agents& w) {
  // Made under a number that the labels do not point to, and our watch has not told us yet.
  w.put(65590, app("cart"));
  std::vector<NumericIdentity> answers;
  co_await ask(*w.agents[0], kcart, answers);
  co_await until([&] { return w.agents[0]->table.contains(65590); });
  co_await ask(*w.agents[0], kcart, answers);
  EXPECT_EQ(answers.back(), 65590u) << "once both are known, all agree on the lowest";
  co_await w.stop();
}
TEST(IdentityAllocator, identity_that_shows_up_late_with_a_lower_number_takes_over) {
  Agents w(1);
  run(w.io, late(w));
}
TEST(IdentityAllocator, of_two_identities_for_the_same_labels_the_lowest_wins_everywhere) {
  Agents w(3);
  run(w.io, duplicate(w));
}

Task<> deleted(Agents& w) {
  std::vector<NumericIdentity> answers;
  co_await ask(*w.agents[0], kcart, answers);
  co_await until([&] { return w.agents[0]->table.contains(answers[0]); });
  w.server.erase(kCiliumIdentities, "", std::to_string(answers[0]));
  co_await until([&] { return !w.agents[0]->table.contains(answers[0]); });
  EXPECT_FALSE(w.agents[0]->allocator.known(app("cart")));
  co_await ask(*w.agents[0], kcart, answers);
  EXPECT_EQ(answers[0], answers[1]) << "made anew under the same number";
  EXPECT_EQ(w.copies(app("cart")), 1u);
  co_await w.stop();
}
TEST(IdentityAllocator, deleted_identity_is_made_anew) {
  Agents w(1);
  run(w.io, deleted(w));
}

Task<> stale(Agents& w) {
  // The table says it is there, the API server has deleted it meanwhile and the watch lags.
  w.put(65600, app("cart"));
  co_await until([&] { return w.agents[0]->table.contains(65600); });
  bool dropped = false;
  w.server.intercept = [&](const kube::Request& r) -> std::optional<kube::Response> {
    if (!dropped && r.method == "GET" && r.target.ends_with("/65600")) {
      dropped = true;
      w.server.erase(kCiliumIdentities, "", "65600");
    }
    return std::nullopt;
  };
  std::vector<NumericIdentity> answers;
  co_await ask(*w.agents[0], kcart, answers);
  EXPECT_TRUE(dropped);
  EXPECT_EQ(w.copies(app("cart")), 1u);
  EXPECT_TRUE(w.server.get(kCiliumIdentities, "", std::to_string(answers[0])));
  w.server.intercept = nullptr;
  co_await w.stop();
}
TEST(IdentityAllocator, identity_that_vanished_under_our_hands_is_not_used_blindly) {
  Agents w(1);
  run(w.io, stale(w));
}

Task<> marked(Agents& w) {
  Identity i;
  i.id = 65600;
  i.labels = app("cart");
  auto object = kube::to_cilium_identity(i);
  object["metadata"].get_object()["annotations"] = json::object{{kHeartbeatAnnotation, "2026-01-01T00:00:00Z"}};
  w.server.put(kCiliumIdentities, object);
  const auto version = kube::version_of(*w.server.get(kCiliumIdentities, "", "65600"));
  co_await until([&] { return w.agents[0]->table.contains(65600); });
  std::vector<NumericIdentity> answers;
  co_await ask(*w.agents[0], kcart, answers);
  EXPECT_EQ(answers[0], 65600u);
  const auto now = w.server.get(kCiliumIdentities, "", "65600");
  EXPECT_TRUE(kube::object_at(kube::metadata(*now), "annotations").empty());
  EXPECT_NE(kube::version_of(*now), version) << "the operator's delete, bound to the old version, must fail";
  co_await w.stop();
}
TEST(IdentityAllocator, picking_up_an_identity_removes_the_mark_for_deletion) {
  Agents w(1);
  run(w.io, marked(w));
}

Task<> collision(Agents& w) {
  // Somebody else holds the number that our labels point to, and our table does not know yet.
  const auto first = identity_candidate(app("cart"), identity_range(1, 255), 0);
  bool once = true;
  w.server.intercept = [&](const kube::Request& r) -> std::optional<kube::Response> {
    if (once && r.method == "POST") {
      once = false;
      w.put(first, app("other"));
    }
    return std::nullopt;
  };
  std::vector<NumericIdentity> answers;
  co_await ask(*w.agents[0], kcart, answers);
  EXPECT_NE(answers[0], first);
  EXPECT_EQ(w.copies(app("cart")), 1u);
  EXPECT_EQ(w.copies(app("other")), 1u);
  w.server.intercept = nullptr;
  co_await w.stop();
}
TEST(IdentityAllocator, number_taken_by_other_labels_leads_to_the_next) {
  Agents w(1);
  run(w.io, collision(w));
}

}  // namespace
}  // namespace weft::identity
