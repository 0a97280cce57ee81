// The other end of a session: decodes what it is sent and is strict about it.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "bgp/rib/out_group.h"

namespace weft::bgp::test {

class Receiver {
 public:
  struct Has {
    PathAttributes path;
    NextHop next_hop;
    bool operator==(const Has&) const = default;
  };

  explicit Receiver(const ExportRules& rules) : context_(session_context(rules)), family_(rules.family) {}

  /// A chunk, which must be whole messages.
  void take(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
      const auto length = message_length(bytes, context_);
      ASSERT_TRUE(length && *length <= bytes.size()) << "a chunk ends inside a message";
      auto decoded = decode(bytes.first(*length), context_);
      ASSERT_TRUE(decoded) << decoded.error().to_string();
      ASSERT_TRUE(decoded->faults.empty()) << decoded->faults.front().why;
      bytes = bytes.subspan(*length);
      ++messages;
      if (const auto* update = std::get_if<Update>(&decoded->message))
        on(*update);
      else if (const auto* refresh = std::get_if<RouteRefresh>(&decoded->message))
        on(*refresh);
      else
        FAIL() << "neither UPDATE nor ROUTE-REFRESH";
    }
  }

  /// Takes everything there is.
  void drain(OutGroup& group, OutGroup::PeerId id) {
    while (const OutChunkRef chunk = group.next(id)) {
      updates_said += chunk->updates;
      take(chunk->bytes);
    }
    EXPECT_FALSE(group.has_output(id));
  }

  std::map<Prefix, Has> table;
  std::set<Prefix> announced;  // since the test last cleared it
  std::set<Prefix> withdrawn;
  std::size_t messages = 0;
  std::size_t updates = 0;
  std::uint64_t updates_said = 0;
  unsigned end_of_ribs = 0;
  unsigned begins = 0;
  unsigned ends = 0;
  bool refreshing = false;  // between BoRR and EoRR
  /// Newest version of each prefix that was seen, if versions are told as MED: an older one must never come.
  std::map<Prefix, std::uint32_t> newest;

 private:
  void on(const Update& update) {
    ++updates;
    if (update.end_of_rib) {
      EXPECT_EQ(*update.end_of_rib, unicast(family_));
      ++end_of_ribs;
    }
    for (const Prefix& p : update.withdrawn) {
      EXPECT_EQ(table.erase(p), 1U) << p.to_string() << " withdrawn, and it never was there";
      withdrawn.insert(p);
    }
    for (const Reach& reach : update.announced)
      for (const Prefix& p : reach.prefixes) {
        EXPECT_EQ(p.family(), family_);
        const std::uint32_t version = update.attributes->med.value_or(0);
        std::uint32_t& last = newest[p];
        EXPECT_GE(version, last) << p.to_string() << ": an older version after a newer one";
        last = version;
        table.insert_or_assign(p, Has{*update.attributes, reach.next_hop});
        announced.insert(p);
        stale_.erase(p);
      }
  }

  void on(const RouteRefresh& refresh) {
    EXPECT_EQ(refresh.family, unicast(family_));
    if (refresh.subtype == RouteRefresh::Subtype::begin) {
      EXPECT_GT(end_of_ribs, 0U) << "BoRR before End-of-RIB (RFC 7313 section 4)";
      ++begins;
      refreshing = true;
      stale_.clear();
      for (const auto& [p, has] : table) stale_.insert(p);
    } else {
      ++ends;
      EXPECT_TRUE(refreshing) << "EoRR without BoRR";
      refreshing = false;
      for (const Prefix& p : stale_) EXPECT_FALSE(table.contains(p)) << p.to_string() << " was not sent again";
      stale_.clear();
    }
  }

  Context context_;
  Family family_;
  std::set<Prefix> stale_;
};

}  // namespace weft::bgp::test
