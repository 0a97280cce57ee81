// Values as people read and write them.
#include <gtest/gtest.h>

#include <set>

#include "bgp/packet/attributes.h"
#include "bgp/packet/keyed_hash.h"
#include "bgp/packet/types.h"

namespace weft::bgp {
namespace {

TEST(RouterIds, are_four_numbers_with_dots) {
  EXPECT_EQ(RouterId::parse("192.0.2.1").value().value, 0xc0000201u);
  EXPECT_EQ(RouterId{0xc0000201}.to_string(), "192.0.2.1");
}

TEST(RouterIds, of_zeros_or_of_other_forms_are_refused_with_the_mend) {
  for (const char* wrong : {"0.0.0.0", "", "1", "fd00::1", "192.0.2.256", "192.0.2.1 "}) {
    const auto id = RouterId::parse(wrong);
    ASSERT_FALSE(id) << wrong;
    EXPECT_NE(id.error().message.find("as 192.0.2.1"), std::string::npos) << id.error().message;
  }
}

TEST(Families, have_names_or_numbers) {
  EXPECT_EQ(kIpv4Unicast.to_string(), "ipv4/unicast");
  EXPECT_EQ(kIpv6Unicast.to_string(), "ipv6/unicast");
  EXPECT_EQ((AfiSafi{25, 65}).to_string(), "afi 25/safi 65");
}

TEST(Communities, are_two_halves_or_one_number) {
  EXPECT_EQ(parse_community("65000:100").value(), 65000u << 16 | 100);
  EXPECT_EQ(parse_community("65535:65281").value(), kNoExport);
  EXPECT_EQ(parse_community("4294967041").value(), kNoExport);
  EXPECT_EQ(parse_community("0").value(), 0u);
  EXPECT_EQ(community_text(65000u << 16 | 100), "65000:100");
}

TEST(Communities, of_other_forms_are_refused) {
  for (const char* wrong :
       {"", ":", "1:", ":1", "65536:1", "1:65536", "-1:1", "1:2:3", "4294967296", " 1:1", "0x10:1", "no-export"})
    EXPECT_FALSE(parse_community(wrong)) << wrong;
}

TEST(LargeCommunities, are_three_numbers) {
  EXPECT_EQ(parse_large_community("4294967295:0:7").value(), (LargeCommunity{4294967295u, 0, 7}));
  EXPECT_EQ(to_string(LargeCommunity{1, 2, 3}), "1:2:3");
  for (const char* wrong : {"", "1", "1:2", "1:2:", "1:2:3:4", "4294967296:1:1", "1::3", "a:b:c"})
    EXPECT_FALSE(parse_large_community(wrong)) << wrong;
}

TEST(ExtendedCommunities, choose_the_type_that_fits_their_administrator) {
  EXPECT_EQ(parse_extended_community("rt:65000:1").value(), 0x0002fde800000001u);
  EXPECT_EQ(parse_extended_community("rt:4200000000:1").value(), 0x0202fa56ea000001u);
  EXPECT_EQ(parse_extended_community("soo:192.0.2.1:7").value(), 0x0103c00002010007u);
  EXPECT_EQ(parse_extended_community("0x4004000000000001").value(), 0x4004000000000001u);
}

TEST(ExtendedCommunities, print_what_parses_to_the_same) {
  for (const char* text :
       {"rt:65000:4294967295", "rt:4200000000:65535", "soo:192.0.2.1:7", "soo:1:0", "0x4004000000000001"}) {
    const auto c = parse_extended_community(text);
    ASSERT_TRUE(c) << text;
    EXPECT_EQ(extended_community_text(*c), text);
  }
  // A small AS number in the four-octet type has no short name that would bring it back.
  EXPECT_EQ(extended_community_text(0x02020000fde80001u), "0x02020000fde80001");
}

TEST(ExtendedCommunities, of_other_forms_are_refused) {
  for (const char* wrong :
       {"", "rt", "rt:", "rt:1", "rt:1:", "rt::1", "65000:1", "rt:4200000000:65536", "rt:192.0.2.1:65536",
        "rt:fd00::1:1", "0x1", "0x40040000000000zz", "color:1:1", "rt:1:4294967296"})
    EXPECT_FALSE(parse_extended_community(wrong)) << wrong;
}

using Type = AsPathSegment::Type;

TEST(AsPaths, count_a_set_as_one_hop_and_confederations_as_none) {
  const AsPath path{{{Type::confed_sequence, {64512, 64513}},
                     {Type::sequence, {1, 2, 3}},
                     {Type::set, {4, 5}},
                     {Type::confed_set, {6}}}};
  EXPECT_EQ(path.length(), 4u);
  EXPECT_EQ(path.to_string(), "(64512 64513) 1 2 3 {4,5} [6]");
  EXPECT_TRUE(path.contains(5));
  EXPECT_TRUE(path.contains(64513));
  EXPECT_FALSE(path.contains(7));
}

TEST(AsPaths, know_their_neighbour_when_there_is_one) {
  EXPECT_EQ(AsPath{}.first(), std::nullopt);
  EXPECT_EQ((AsPath{{{Type::sequence, {7, 8}}}}.first()), 7u);
  EXPECT_EQ((AsPath{{{Type::confed_sequence, {1}}, {Type::sequence, {7}}}}.first()), 7u);
  EXPECT_EQ((AsPath{{{Type::set, {7, 8}}, {Type::sequence, {9}}}}.first()), std::nullopt);
}

TEST(AsPaths, are_prepended_in_their_leading_sequence) {
  AsPath path{{{Type::sequence, {2}}}};
  path.prepend(1, 2);
  EXPECT_EQ(path, (AsPath{{{Type::sequence, {1, 1, 2}}}}));
  AsPath empty;
  empty.prepend(1);
  EXPECT_EQ(empty, (AsPath{{{Type::sequence, {1}}}}));
  AsPath set{{{Type::set, {2, 3}}}};
  set.prepend(1);
  EXPECT_EQ(set.to_string(), "1 {2,3}");
  set.prepend(1, 0);
  EXPECT_EQ(set.to_string(), "1 {2,3}");
}

TEST(AsPaths, open_another_segment_when_one_is_full) {
  AsPath path{{{Type::sequence, std::vector<Asn>(254, 9)}}};
  path.prepend(1, 3);
  ASSERT_EQ(path.segments.size(), 2u);
  EXPECT_EQ(path.segments[0].asns, (std::vector<Asn>{1, 1}));
  EXPECT_EQ(path.segments[1].asns.size(), 255u);
  EXPECT_EQ(path.length(), 257u);
}

TEST(Attributes, hash_alike_when_equal_and_apart_when_not) {
  PathAttributes a;
  a.as_path.prepend(65001);
  a.communities = {kNoExport};
  PathAttributes b = a;
  EXPECT_EQ(hash_value(a), hash_value(b));
  b.med = 0;  // present and zero is not absent
  EXPECT_NE(a, b);
  EXPECT_NE(hash_value(a), hash_value(b));
  b = a;
  b.cluster_list = {RouterId{1}};
  EXPECT_NE(hash_value(a), hash_value(b));
  EXPECT_TRUE(a.has_community(kNoExport));
  EXPECT_FALSE(a.has_community(kNoAdvertise));
}

// The steps of a hash without a secret can be inverted: whatever a first large community made of its state, a second
// one (64 bits of choice) brings it back to one and the same number. This is FNV-1a, 64 bits at a time, with a shift.
TEST(Attributes, that_a_peer_chose_to_collide_do_not) {
  const auto step = [](std::uint64_t state, std::uint64_t value) {
    state = (state ^ value) * 0x100000001b3u;
    return state ^ state >> 29;
  };
  const auto state_of = [&](const PathAttributes& a) {
    std::uint64_t s = 0xcbf29ce484222325u;
    for (const std::uint64_t v : {0, 0, 0, 0, 0, 0, 0, 2}) s = step(s, v);  // all that stands before, none there
    s = step(s, std::uint64_t{a.large_communities[0].global} << 32 | a.large_communities[0].local1);
    return step(s, a.large_communities[0].local2);
  };
  constexpr std::uint64_t kAim = ~std::uint64_t{0};
  std::set<std::size_t> hashes, low_bits;
  constexpr std::uint32_t kSets = 10'000;
  for (std::uint32_t i = 0; i < kSets; ++i) {
    PathAttributes a;
    a.large_communities = {{0, 0, i}, {}};
    const std::uint64_t second = state_of(a) ^ kAim;
    a.large_communities[1] = {static_cast<std::uint32_t>(second >> 32), static_cast<std::uint32_t>(second), 7};
    hashes.insert(hash_value(a));
    low_bits.insert(hash_value(a) % 16384);
  }
  EXPECT_EQ(hashes.size(), kSets);
  EXPECT_GT(low_bits.size(), 5'000u) << "of 16384 buckets";  // 7480 are expected of a fair hash
}

TEST(Attributes, have_another_hash_in_another_process) {
  const HashSecret one{1, 0x9e3779b97f4a7c15u}, other{2, 0xd6e8feb86659fd93u};
  KeyedHash a(one), b(other), c(one);
  for (KeyedHash* h : {&a, &b, &c}) h->add(Address::parse("fe80::1").value());
  EXPECT_EQ(a.value(), c.value());
  EXPECT_NE(a.value(), b.value());
  EXPECT_NE(hash_secret().start, 0u);
  EXPECT_EQ(hash_secret().multiplier % 2, 1u);
}

// What ends one list and begins the next: ids of clusters that look like the header of an unknown attribute.
TEST(Attributes, hash_apart_when_only_the_border_of_two_lists_differs) {
  PathAttributes a, b;
  a.cluster_list = {RouterId{0xe063}, RouterId{0xe064}};
  b.cluster_list = {RouterId{0xe063}};
  b.unknown = {{0xe0, 0x64, {}}};
  EXPECT_NE(hash_value(a), hash_value(b));
}

TEST(Attributes, have_the_names_of_the_rfcs) {
  EXPECT_EQ(attribute_name(5), "LOCAL_PREF");
  EXPECT_EQ(attribute_name(23), "attribute 23");
  EXPECT_EQ(attribute_name(0), "NLRI");
  EXPECT_EQ(to_string(Origin::incomplete), "incomplete");
}

TEST(NextHops, print_both_addresses) {
  const auto global = Address::parse("2001:db8::1").value(), local = Address::parse("fe80::1").value();
  EXPECT_EQ((NextHop{global, local}).to_string(), "2001:db8::1 (fe80::1)");
  EXPECT_EQ((NextHop{local, std::nullopt}).to_string(), "fe80::1");
}

}  // namespace
}  // namespace weft::bgp
