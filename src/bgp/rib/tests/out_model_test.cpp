// Random days of a group: routes change, peers come, lag, move between groups, ask for everything again and go. Each
// peer is a strict receiver (receiver.h), and whoever has drained everything has exactly what the group says.
#include <gtest/gtest.h>

#include <random>

#include "bgp/rib/out_group.h"
#include "bgp/rib/tests/receiver.h"
#include "bgp/rib/tests/routes.h"

namespace weft::bgp {
namespace {

using test::Receiver;

struct Parameters {
  unsigned seed = 0;
  Family family = Family::v4;
  std::size_t chunk_routes = 0;
  std::size_t ring_chunks = 0;
  unsigned prefixes = 0;
};

class Day {
 public:
  explicit Day(const Parameters& p) : p_(p), random_(p.seed), table_(p.family) {
    ExportRules rules;
    rules.family = p.family;
    rules.local_as = 65001;
    rules.four_octet_asn = true;
    rules.next_hop = test::via(p.family == Family::v4 ? "192.0.2.1" : "fd00::1");
    ExportRules draining = rules;
    draining.graceful_shutdown = true;
    const OutLimits limits{.chunk_routes = p.chunk_routes, .ring_chunks = p.ring_chunks};
    groups_.push_back(std::make_unique<OutGroup>(rules, limits));
    groups_.push_back(std::make_unique<OutGroup>(draining, limits));
    for (unsigned n = p.prefixes / 2; n-- > 0;) change_route();
    tell_groups();
  }

  void run(int steps) {
    for (step_ = 0; step_ < steps && !::testing::Test::HasFailure(); ++step_) {
      const unsigned what = below(100);
      if (what < 30)
        change_some(1 + below(3));
      else if (what < 32)
        change_some(p_.prefixes);
      else if (what < 33)
        table_ = RouteTable(p_.family), tell_groups();
      else if (what < 38 && peers_.size() < 12)
        join();
      else if (what < 40 && !peers_.empty())
        leave(below(static_cast<unsigned>(peers_.size())));
      else if (what < 43 && !peers_.empty())
        refresh(any());
      else if (what < 45 && !peers_.empty())
        move(any());
      else if (what == 45 && step_ > steps / 4)
        complete_ = true, tell_groups();
      else if (!peers_.empty())
        write(any());
    }
    settle();
  }

 private:
  struct Peer {
    std::size_t group = 0;
    OutGroup::PeerId id = 0;
    unsigned patience = 0;  // writes one time in so many
    std::unique_ptr<Receiver> receiver;
    unsigned refreshes = 0;
  };

  unsigned below(unsigned n) { return std::uniform_int_distribution<unsigned>(0, n - 1)(random_); }
  Peer& any() { return peers_[below(static_cast<unsigned>(peers_.size()))]; }
  OutGroup& group(const Peer& p) { return *groups_[p.group]; }

  Prefix any_prefix() {
    const unsigned n = below(p_.prefixes);
    if (p_.family == Family::v4) return {Address::v4(0x0a000000 + n * 64), 26 + n % 3};
    return {test::address("fd00::").plus(std::uint64_t{n} * 8), 125 + n % 3};
  }

  // The version is told as MED, rounded so that several routes share attributes.
  void change_route() {
    ++version_;
    const Prefix p = any_prefix();
    if (below(10) < 4) {
      table_.remove(p);
      return;
    }
    RouteAttributes a = test::with_med(version_ / 8);
    if (below(12) == 0)  // cannot be sent
      a.next_hop = test::via(p_.family == Family::v4 ? "fd00::2" : "192.0.2.2");
    table_.set({p, a});
  }
  void change_some(unsigned n) {
    while (n-- > 0) change_route();
    tell_groups();
  }
  void tell_groups() {
    for (const auto& g : groups_) g->update(table_, complete_);
  }

  void join() {
    Peer p;
    p.group = below(2);
    p.id = group(p).join();
    p.patience = below(3) == 0 ? 40 : 1 + below(3);
    p.receiver = std::make_unique<Receiver>(group(p).rules());
    peers_.push_back(std::move(p));
  }
  void leave(unsigned i) {
    group(peers_[i]).leave(peers_[i].id);
    peers_.erase(peers_.begin() + i);
  }
  void refresh(Peer& p) {
    const bool enhanced = below(2) == 0;
    p.refreshes += enhanced;
    group(p).refresh(p.id, enhanced);
  }
  void move(Peer& p) {
    const OutGroup::Held held = group(p).leave(p.id);
    p.group = 1 - p.group;
    p.id = group(p).join(held, true);  // the other group has another community
  }

  void write(Peer& p) {
    if (below(p.patience) != 0) return;
    const unsigned before = p.receiver->end_of_ribs;
    for (unsigned chunks = 1 + below(4); chunks-- > 0;) {
      const OutChunkRef chunk = group(p).next(p.id);
      if (!chunk) {
        check_drained(p);
        break;
      }
      p.receiver->updates_said += chunk->updates;
      p.receiver->take(chunk->bytes);
      EXPECT_EQ(p.receiver->table.size(), group(p).advertised(p.id)) << "step " << step_;
    }
    if (p.receiver->end_of_ribs > before) {
      EXPECT_TRUE(complete_) << "End-of-RIB before the wanted set was complete";
    }
    EXPECT_EQ(p.receiver->end_of_ribs > 0, group(p).end_of_rib_sent(p.id));
    const Prefix q = any_prefix();
    const auto state = group(p).why(p.id, q).state;
    if (state == OutGroup::State::advertised || state == OutGroup::State::withdrawing) {
      EXPECT_TRUE(p.receiver->table.contains(q)) << q.to_string() << " step " << step_;
    } else if (state != OutGroup::State::announcing) {
      EXPECT_FALSE(p.receiver->table.contains(q)) << q.to_string() << " step " << step_;
    }
  }

  void check_drained(const Peer& p) {
    OutGroup& g = group(p);
    std::map<Prefix, Receiver::Has> expected;
    table_.for_each([&](const PrefixKey& key, const SharedAttributes& a) {
      if (const auto* out = std::get_if<Exported>(&g.exported(a)))
        expected.emplace(key.prefix(p_.family), Receiver::Has{out->path, out->next_hop});
    });
    EXPECT_TRUE(p.receiver->table == expected)
        << "step " << step_ << ": " << p.receiver->table.size() << " routes, not " << expected.size();
    EXPECT_EQ(g.pending(p.id), 0U);
    EXPECT_EQ(p.receiver->end_of_ribs, complete_ ? 1U : 0U) << "step " << step_;
    EXPECT_FALSE(p.receiver->refreshing);
    EXPECT_EQ(p.receiver->updates, p.receiver->updates_said);
    g.for_each(p.id, [&](const Prefix& q, const OutGroup::Answer& answer) {
      EXPECT_EQ(answer.state == OutGroup::State::advertised, expected.contains(q));
      EXPECT_EQ(answer.state == OutGroup::State::refused, !expected.contains(q));
    });
  }

  void settle() {
    complete_ = true;
    tell_groups();
    for (Peer& p : peers_) {
      p.receiver->drain(group(p), p.id);
      check_drained(p);
      EXPECT_LE(p.receiver->begins, p.refreshes);
    }
  }

  Parameters p_;
  std::mt19937 random_;
  RouteTable table_;
  bool complete_ = false;
  std::uint32_t version_ = 0;
  int step_ = 0;
  std::vector<std::unique_ptr<OutGroup>> groups_;
  std::vector<Peer> peers_;
};

TEST(OutModel, every_peer_ends_with_exactly_the_groups_table) {
  for (unsigned seed = 1; seed <= 15 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Parameters parameters{.seed = seed,
                                .family = seed % 3 == 0 ? Family::v6 : Family::v4,
                                .chunk_routes = std::size_t{1} << (seed % 7 + 1),
                                .ring_chunks = seed % 5 * 2 + 1,
                                .prefixes = seed % 4 == 0 ? 1200U : 100U};
    Day(parameters).run(600);
  }
}

}  // namespace
}  // namespace weft::bgp
