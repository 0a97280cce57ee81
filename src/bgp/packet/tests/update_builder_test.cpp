// Packing: as few messages as the routes need, none longer than it may be, nothing lost.
#include "bgp/packet/update_builder.h"

#include <algorithm>

#include "bgp/packet/tests/sessions.h"

namespace weft::bgp {
namespace {

std::vector<Prefix> v4_prefixes(std::uint32_t count) {
  std::vector<Prefix> out;
  for (std::uint32_t i = 0; i < count; ++i) out.emplace_back(Address::v4(0x0a000000 + (i << 4)), 20 + i % 13);
  return out;
}

std::vector<Prefix> v6_prefixes(unsigned count) {
  std::vector<Prefix> out;
  for (unsigned i = 0; i < count; ++i) out.emplace_back(addr("2001:db8::").plus(std::uint64_t{i} << 32), 48 + i % 81);
  return out;
}

PathAttributes some_attributes() {
  PathAttributes a;
  a.as_path.prepend(65001);
  a.local_pref = 100;
  a.communities = {kNoExport};
  return a;
}

/// Every message of `stream`, whole and within bounds.
std::vector<Update> split(std::span<const std::uint8_t> stream, const Context& context) {
  std::vector<Update> out;
  while (!stream.empty()) {
    const auto length = message_length(stream, context);
    if (!length || *length > stream.size()) {
      ADD_FAILURE() << "no whole message with " << stream.size() << " octets left";
      break;
    }
    const auto one = stream.first(*length);
    out.push_back(update_of(craft::Bytes(one.begin(), one.end()), context));
    stream = stream.subspan(*length);
  }
  return out;
}

void announce_and_compare(const std::vector<Prefix>& prefixes, const NextHop& hop, const Context& context,
                          std::size_t most_messages) {
  const auto attributes = some_attributes();
  std::vector<std::uint8_t> out{1, 2, 3};  // something of others that stays
  const auto messages = append_announcements(out, prefixes, hop, encode_attributes(attributes, context), context);
  EXPECT_EQ((std::vector<std::uint8_t>{out.begin(), out.begin() + 3}), (std::vector<std::uint8_t>{1, 2, 3}));
  const auto updates = split(std::span(out).subspan(3), context);
  EXPECT_EQ(updates.size(), messages);
  EXPECT_LE(messages, most_messages);
  std::vector<Prefix> seen;
  auto expected = attributes;
  if (!context.ibgp) expected.local_pref.reset();
  for (const Update& u : updates) {
    ASSERT_EQ(u.announced.size(), 1u);
    EXPECT_EQ(u.announced[0].next_hop, hop);
    EXPECT_EQ(u.attributes, expected);
    seen.insert(seen.end(), u.announced[0].prefixes.begin(), u.announced[0].prefixes.end());
  }
  EXPECT_EQ(seen, prefixes);
}

TEST(Announcements, of_ipv4_are_packed_in_classic_fields) {
  // A message has room for 4096 - 23 - 31 octets of prefixes of at most five.
  announce_and_compare(v4_prefixes(10000), {addr("192.0.2.1"), {}}, session(), 13);
  announce_and_compare(v4_prefixes(10000), {addr("192.0.2.1"), {}}, internal(), 13);
  announce_and_compare(v4_prefixes(1), {addr("192.0.2.1"), {}}, session(), 1);
}

TEST(Announcements, of_ipv4_over_ipv6_take_mp_reach) {
  announce_and_compare(v4_prefixes(5000), {addr("fe80::1"), {}}, unnumbered(), 7);
  announce_and_compare(v4_prefixes(5000), {addr("2001:db8::1"), addr("fe80::1")}, unnumbered(), 7);
}

TEST(Announcements, of_ipv6_take_mp_reach) {
  announce_and_compare(v6_prefixes(5000), {addr("2001:db8::1"), addr("fe80::1")}, session(), 18);
  announce_and_compare(v6_prefixes(1), {addr("2001:db8::1"), {}}, session(), 1);
}

TEST(Announcements, fill_extended_messages) {
  Context context = session();
  context.extended_message = true;
  announce_and_compare(v4_prefixes(100000), {addr("192.0.2.1"), {}}, context, 8);
  announce_and_compare(v6_prefixes(20000), {addr("2001:db8::1"), {}}, context, 5);
}

TEST(Announcements, fill_a_message_to_its_last_octet) {
  PathAttributes a;
  a.as_path.prepend(65001);
  const auto encoded = encode_attributes(a, session());
  // Classic: header 19, lengths 4, ORIGIN 4, AS_PATH 9, NEXT_HOP 7 leave 4053 octets: 810 host prefixes and 3 octets.
  std::vector<Prefix> prefixes;
  for (std::uint32_t i = 0; i < 810; ++i) prefixes.push_back(Prefix::host(Address::v4(0x0a000000 + i)));
  prefixes.push_back(pfx("172.16.0.0/16"));
  std::vector<std::uint8_t> out;
  EXPECT_EQ(append_announcements(out, prefixes, {addr("192.0.2.1"), {}}, encoded, session()), 1u);
  EXPECT_EQ(out.size(), kMaxMessage);
  prefixes.push_back(pfx("0.0.0.0/0"));
  out.clear();
  EXPECT_EQ(append_announcements(out, prefixes, {addr("192.0.2.1"), {}}, encoded, session()), 2u);
  EXPECT_EQ(split(out, session()).at(1).announced.at(0).prefixes, std::vector{pfx("0.0.0.0/0")});
}

TEST(Announcements, put_next_hop_between_as_path_and_what_follows) {
  auto a = some_attributes();
  std::vector<std::uint8_t> out;
  append_announcements(out, std::vector{pfx("10.0.0.0/8")}, {addr("192.0.2.1"), {}}, encode_attributes(a, internal()),
                       internal());
  const Update same{{}, a, {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}, {}};
  EXPECT_EQ(out, encode(same, internal()));
}

TEST(Announcements, whose_attributes_leave_no_room_are_not_made) {
  PathAttributes a;
  a.communities.resize(1100);  // 4400 octets
  const auto encoded = encode_attributes(a, session());
  std::vector<std::uint8_t> out{7};
  EXPECT_EQ(append_announcements(out, v4_prefixes(3), {addr("192.0.2.1"), {}}, encoded, session()), 0u);
  EXPECT_EQ(append_announcements(out, v6_prefixes(3), {addr("2001:db8::1"), {}}, encoded, session()), 0u);
  EXPECT_EQ(out, std::vector<std::uint8_t>{7});
  Context context = session();
  context.extended_message = true;
  EXPECT_EQ(append_announcements(out, v4_prefixes(3), {addr("192.0.2.1"), {}}, encoded, context), 1u);
}

TEST(Announcements, of_nothing_are_nothing) {
  std::vector<std::uint8_t> out;
  EXPECT_EQ(append_announcements(out, {}, {addr("192.0.2.1"), {}}, encode_attributes({}, session()), session()), 0u);
  EXPECT_EQ(append_withdrawals(out, {}, session()), 0u);
  EXPECT_TRUE(out.empty());
}

TEST(Withdrawals, are_packed_in_both_families) {
  for (const auto& prefixes : {v4_prefixes(10000), v6_prefixes(5000), v4_prefixes(1), v6_prefixes(1)}) {
    std::vector<std::uint8_t> out;
    const auto messages = append_withdrawals(out, prefixes, session());
    std::vector<Prefix> seen;
    const auto updates = split(out, session());
    EXPECT_EQ(updates.size(), messages);
    EXPECT_LE(messages, 18u);
    for (const Update& u : updates) {
      EXPECT_TRUE(u.announced.empty());
      EXPECT_FALSE(u.end_of_rib);
      seen.insert(seen.end(), u.withdrawn.begin(), u.withdrawn.end());
    }
    EXPECT_EQ(seen, prefixes);
  }
}

}  // namespace
}  // namespace weft::bgp
