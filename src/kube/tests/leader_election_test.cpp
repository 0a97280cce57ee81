#include <gtest/gtest.h>

#include "async/tests/run.h"
#include "kube/fake.h"
#include "kube/json.h"
#include "kube/leader_election.h"

namespace weft::kube {
namespace {

using std::chrono::seconds;
using weft::testing::run;
using weft::testing::until;

TEST(LeaseMove, absent_lease_is_created_and_own_lease_is_renewed) {
  const Steady::time_point t{};
  EXPECT_EQ(next_lease_move(std::nullopt, t, t, "me"), LeaseMove::create);
  LeaseSpec mine;
  mine.holder = "me";
  EXPECT_EQ(next_lease_move(mine, t, t + seconds(100), "me"), LeaseMove::renew);
}

TEST(LeaseMove, foreign_lease_is_taken_only_when_it_stood_still_for_its_duration) {
  const Steady::time_point t{};
  LeaseSpec other;
  other.holder = "other";
  other.renewed = Wall::time_point{};  // by the other's clock, which counts for nothing
  EXPECT_EQ(next_lease_move(other, t, t + seconds(15), "me"), LeaseMove::wait);
  EXPECT_EQ(next_lease_move(other, t, t + seconds(16), "me"), LeaseMove::take);
  other.holder.clear();
  EXPECT_EQ(next_lease_move(other, t, t, "me"), LeaseMove::take);
}

struct Candidate {
  Client client;
  LeaderElection election;
  Scope scope;
  int terms = 0;
  bool working = false;
  Candidate(asio::io_context& io, FakeServer& server, const std::string& name)
      : client(io, FakeServer::config(), server.transport()), election(client, options(name)), scope(io, name) {}
  static LeaderElection::Options options(const std::string& name) {
    LeaderElection::Options o;
    o.ns = "kube-system";
    o.name = "weft-operator";
    o.identity = name;
    o.duration = seconds(1);
    o.renew_deadline = std::chrono::milliseconds(200);
    o.retry = std::chrono::milliseconds(20);
    return o;
  }
  static Task<> lead(Candidate& c) {
    ++c.terms;
    c.working = true;
    struct Done {
      explicit Done(bool& f) : flag(f) {}
      ~Done() { flag = false; }
      bool& flag;
    } done(c.working);
    co_await sleep_for(std::chrono::hours(1));
  }
  void start() {
    scope.spawn("election", election.run([this] { return lead(*this); }));
  }
};

Task<> one_leads(FakeServer& server, Candidate& a, Candidate& b) {
  a.start();
  b.start();
  co_await until([&] { return a.working || b.working; });
  Candidate& first = a.working ? a : b;
  Candidate& second = a.working ? b : a;
  co_await sleep_for(std::chrono::milliseconds(100));
  EXPECT_FALSE(second.working);
  EXPECT_EQ(second.election.holder(), first.scope.running() ? first.election.holder() : "");

  // Released, the other leads long before the lease would have expired.
  const auto before = Steady::now();
  co_await first.scope.stop();
  co_await first.election.release();
  EXPECT_FALSE(first.working);
  co_await until([&] { return second.working; });
  EXPECT_LT(Steady::now() - before, std::chrono::milliseconds(500));
  const auto lease = parse_lease(*server.get(kLeases, "kube-system", "weft-operator"));
  EXPECT_EQ(lease.holder, second.election.holder());
  EXPECT_GE(lease.transitions, 1);
  co_await second.scope.stop();
}
TEST(LeaderElection, one_leads_and_the_other_follows_at_once_when_it_goes) {
  asio::io_context io;
  FakeServer server(io);
  server.reorder = true;
  Candidate a(io, server, "a"), b(io, server, "b");
  run(io, one_leads(server, a, b));
}

Task<> loses(FakeServer& server, Candidate& a) {
  a.start();
  co_await until([&] { return a.working; });
  server.set_down(true);
  co_await until([&] { return !a.working; });
  EXPECT_FALSE(a.election.leading());
  server.set_down(false);
  co_await until([&] { return a.working; });
  EXPECT_EQ(a.terms, 2);
  co_await a.scope.stop();
}
TEST(LeaderElection, work_stops_when_the_lease_cannot_be_renewed_in_time) {
  asio::io_context io;
  FakeServer server(io);
  Candidate a(io, server, "a");
  run(io, loses(server, a));
}

Task<> dies(Candidate& a, Candidate& b) {
  a.start();
  co_await until([&] { return a.working; });
  co_await a.scope.stop();  // without release, as if killed
  const auto before = Steady::now();
  b.start();
  co_await until([&] { return b.working; });
  EXPECT_GE(Steady::now() - before, std::chrono::milliseconds(950));
  co_await b.scope.stop();
}
TEST(LeaderElection, dead_holder_is_replaced_after_the_lease_ran_out) {
  asio::io_context io;
  FakeServer server(io);
  Candidate a(io, server, "a"), b(io, server, "b");
  run(io, dies(a, b));
}

}  // namespace
}  // namespace weft::kube
