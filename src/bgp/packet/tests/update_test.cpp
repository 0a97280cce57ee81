// UPDATE as it should be: RFC 4271 §4.3, 4760, 2545, 8950, 4724 §2. What goes wrong: update_error_test.cpp.
#include <algorithm>

#include "bgp/packet/tests/sessions.h"

namespace weft::bgp {
namespace {

using craft::hex;

PathAttributes everything() {
  PathAttributes a;
  a.origin = Origin::incomplete;
  a.as_path = AsPath{{{AsPathSegment::Type::sequence, {65001, 4200000001}}, {AsPathSegment::Type::set, {7, 8}}}};
  a.med = 0;
  a.local_pref = 200;
  a.atomic_aggregate = true;
  a.aggregator = Aggregator{4200000001, addr("192.0.2.9")};
  a.communities = {65000u << 16 | 1, kNoExport};
  a.extended_communities = {parse_extended_community("rt:65000:1").value()};
  a.large_communities = {{1, 2, 3}, {4200000001, 0, 0}};
  a.originator_id = RouterId{0xc0000207};
  a.cluster_list = {RouterId{2}, RouterId{1}};
  a.unknown = {{0xe0, 40, {1, 2, 3}}, {0xe0, 99, {}}};
  return a;
}

// | withdrawn length | withdrawn | attributes length | attributes | prefixes |
TEST(Update, announces_ipv4_in_its_classic_fields) {
  PathAttributes a;
  a.as_path.prepend(65001);
  const Update update{
      {pfx("172.16.0.0/12")}, a, {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8"), pfx("10.1.128.0/17")}}}, {}};
  const auto bytes = craft::message(2, hex("0003 0c ac10"
                                           "0014 40 01 01 00  40 02 06 02 01 0000fde9  40 03 04 c0000201"
                                           "08 0a  11 0a0180"));
  EXPECT_EQ(encode(update, session()), bytes);
  const auto decoded = received(bytes);
  EXPECT_EQ(update_of(decoded), update);
  EXPECT_EQ(actions(decoded), "");
}

// | AFI | SAFI | length | next hop | 0 | prefixes |   RFC 4760 §3; first of the attributes: RFC 7606 §5.1
TEST(Update, announces_ipv6_in_mp_reach_before_all_other_attributes) {
  PathAttributes a;
  a.as_path.prepend(65001);
  const Update update{{}, a, {{{addr("2001:db8::1"), {}}, {pfx("fd00::/8")}}}, {}};
  const auto bytes = craft::message(2, hex("0000 0027"
                                           "80 0e 17 0002 01 10 20010db8000000000000000000000001 00 08 fd"
                                           "40 01 01 00  40 02 06 02 01 0000fde9"));
  EXPECT_EQ(encode(update, session()), bytes);
  EXPECT_EQ(update_of(bytes), update);
}

TEST(Update, withdraws_ipv6_in_mp_unreach) {
  const Update update{{pfx("fd00::/8"), pfx("2001:db8::1/128")}, {}, {}, {}};
  const auto bytes = craft::message(2, hex("0000 0019 80 0f 16 0002 01 08 fd 80 20010db8000000000000000000000001"));
  EXPECT_EQ(encode(update, session()), bytes);
  EXPECT_EQ(update_of(bytes), update);
}

TEST(Update, with_every_attribute_comes_back_as_it_went) {
  for (const bool old : {false, true}) {
    Context context = internal();
    context.four_octet_asn = !old;
    const Update update{
        {pfx("172.16.0.0/12"), pfx("fd01::/16")},
        everything(),
        {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}, {{addr("2001:db8::1"), addr("fe80::1")}, {pfx("fd00::/8")}}},
        {}};
    const auto decoded = received(encode(update, context), context);
    EXPECT_EQ(update_of(decoded), update) << (old ? "two" : "four") << " octets";
    EXPECT_EQ(actions(decoded), "");
  }
}

TEST(Update, tells_an_external_peer_nothing_that_is_internal) {
  Update update{{}, everything(), {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}, {}};
  const auto decoded = received(encode(update, session()));
  update.attributes->local_pref.reset();
  update.attributes->originator_id.reset();
  update.attributes->cluster_list.clear();
  EXPECT_EQ(update_of(decoded), update);
  EXPECT_EQ(actions(decoded), "");
}

TEST(Update, has_prefixes_of_every_length) {
  for (unsigned length = 0; length <= 128; ++length) {
    Update update{{}, PathAttributes{}, {}, {}};
    update.announced.push_back(
        {{addr("2001:db8::1"), {}}, {Prefix(addr("3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), length)}});
    EXPECT_EQ(update_of(encode(update, session()), session()), update) << length;
    if (length > 32) continue;
    update.announced[0] = {{addr("192.0.2.1"), {}}, {Prefix(addr("95.255.255.255"), length)}};
    EXPECT_EQ(update_of(encode(update, session()), session()), update) << length;
  }
}

TEST(Update, clears_host_bits_of_prefixes) {
  EXPECT_EQ(update_of(craft::update({.withdrawn = hex("09 0aff")})).withdrawn, std::vector{pfx("10.128.0.0/9")});
}

TEST(Update, sorts_communities_and_drops_doubles) {
  const auto a = update_of(with(craft::attribute(0xc0, 8, hex("ffffff01 00010001 ffffff01")))).attributes;
  EXPECT_EQ(a->communities, (std::vector<Community>{0x00010001, kNoExport}));
}

TEST(Update, ignores_the_partial_bit_and_the_unused_ones) {
  const auto decoded = received(
      craft::update({.attributes = craft::join({craft::attribute(0x6f & ~0x10, 1, {0}), craft::as_path({65001}),
                                                craft::next_hop(), craft::attribute(0xe0, 8, hex("00010001"))}),
                     .nlri = craft::prefix("10.0.0.0/8")}));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "");
}

TEST(Update, takes_attributes_in_any_order_and_with_long_lengths) {
  const auto decoded = received(
      craft::update({.attributes = craft::join({craft::next_hop(), craft::attribute(0x50, 2, hex("0201 0000fde9")),
                                                craft::attribute(0x50, 1, {1})}),
                     .nlri = craft::prefix("10.0.0.0/8")}));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(update_of(decoded).attributes->origin, Origin::egp);
}

TEST(Update, takes_mp_reach_anywhere_and_beside_classic_prefixes) {
  const auto v6 = craft::attribute(
      0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")));
  const auto update = update_of(with(v6));
  ASSERT_EQ(update.announced.size(), 2u);
  EXPECT_EQ(update.announced[0], (Reach{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}));
  EXPECT_EQ(update.announced[1], (Reach{{addr("2001:db8::1"), {}}, {pfx("fd00::/8")}}));
}

TEST(Update, takes_ipv4_in_mp_attributes) {
  const auto bytes = craft::update(
      {.attributes = craft::join(
           {craft::attribute(0x80, 14,
                             craft::mp_reach(kIpv4Unicast, craft::address("192.0.2.1"), craft::prefix("10.0.0.0/8"))),
            craft::attribute(0x80, 15, craft::mp_unreach(kIpv4Unicast, craft::prefix("172.16.0.0/12"))),
            craft::origin(), craft::as_path({65001})})});
  const auto update = update_of(bytes);
  EXPECT_EQ(update.withdrawn, std::vector{pfx("172.16.0.0/12")});
  EXPECT_EQ(update.announced, (std::vector<Reach>{{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}));
}

TEST(Update, that_names_a_prefix_in_both_lists_says_both) {
  const auto update = update_of(craft::update({.withdrawn = craft::prefix("10.0.0.0/8"),
                                               .attributes = craft::mandatory(),
                                               .nlri = craft::prefix("10.0.0.0/8")}));
  EXPECT_EQ(update.withdrawn, std::vector{pfx("10.0.0.0/8")});
  EXPECT_EQ(update.announced.at(0).prefixes, std::vector{pfx("10.0.0.0/8")});
}

TEST(Update, with_attributes_and_no_prefixes_says_nothing) {
  const auto decoded = received(craft::update({.attributes = craft::mandatory()}));
  EXPECT_EQ(update_of(decoded), Update{});
  EXPECT_EQ(actions(decoded), "");
}

NextHop hop_of(const craft::Bytes& next_hop) {
  const auto u = update_of(craft::update(
      {.attributes =
           craft::join({craft::attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, next_hop, craft::prefix("fd00::/8"))),
                        craft::origin(), craft::as_path({65001})})}));
  return u.announced.empty() ? NextHop{} : u.announced[0].next_hop;
}

TEST(NextHopV6, has_a_link_local_companion_in_32_octets) {
  EXPECT_EQ(hop_of(craft::join({craft::address("2001:db8::1"), craft::address("fe80::1")})),
            (NextHop{addr("2001:db8::1"), addr("fe80::1")}));
  EXPECT_EQ(hop_of(craft::address("2001:db8::1")), (NextHop{addr("2001:db8::1"), {}}));
}

TEST(NextHopV6, of_a_link_local_address_alone_stands_as_the_address) {
  const NextHop alone{addr("fe80::1"), {}};
  EXPECT_EQ(hop_of(craft::address("fe80::1")), alone);
  EXPECT_EQ(hop_of(craft::join({craft::address("fe80::1"), craft::address("fe80::1")})), alone);
  EXPECT_EQ(hop_of(craft::join({craft::address("::"), craft::address("fe80::1")})), alone);
}

TEST(NextHopV6, whose_companion_is_not_link_local_has_none) {
  EXPECT_EQ(hop_of(craft::join({craft::address("2001:db8::1"), craft::address("2001:db8::2")})),
            (NextHop{addr("2001:db8::1"), {}}));
  EXPECT_EQ(hop_of(craft::join({craft::address("2001:db8::1"), craft::address("::")})),
            (NextHop{addr("2001:db8::1"), {}}));
}

TEST(NextHopV6, carries_ipv4_prefixes_when_that_was_agreed_on) {
  for (const auto& hop : {NextHop{addr("fe80::1"), {}}, NextHop{addr("2001:db8::1"), addr("fe80::1")}}) {
    const Update update{{}, PathAttributes{}, {{hop, {pfx("10.0.0.0/8")}}}, {}};
    const auto bytes = encode(update, unnumbered());
    EXPECT_EQ(update_of(bytes, unnumbered()), update);
    EXPECT_EQ(reset_by(bytes).subcode, update_error::kOptionalAttribute) << "without agreement its length is wrong";
  }
}

TEST(NextHopV6, of_ipv4_for_ipv6_prefixes_is_written_as_mapped) {
  const Update update{{}, PathAttributes{}, {{{addr("192.0.2.1"), {}}, {pfx("fd00::/8")}}}, {}};
  EXPECT_EQ(update_of(encode(update, session())).announced.at(0).next_hop.address, addr("::ffff:192.0.2.1"));
}

TEST(EndOfRib, of_ipv4_is_an_empty_update) {
  const Update update{{}, {}, {}, kIpv4Unicast};
  EXPECT_EQ(encode(update, session()), craft::message(2, hex("0000 0000")));
  EXPECT_EQ(update_of(encode(update, session())), update);
}

TEST(EndOfRib, of_other_families_is_an_mp_unreach_without_prefixes) {
  const Update update{{}, {}, {}, kIpv6Unicast};
  EXPECT_EQ(encode(update, session()), craft::message(2, hex("0000 0006 80 0f 03 0002 01")));
  EXPECT_EQ(update_of(encode(update, session())), update);
  EXPECT_EQ(update_of(craft::update({.attributes = craft::attribute(0x80, 15, hex("0001 01"))})).end_of_rib,
            kIpv4Unicast);
}

TEST(EndOfRib, is_not_an_mp_unreach_beside_something_else) {
  const auto empty = craft::attribute(0x80, 15, hex("0002 01"));
  EXPECT_EQ(update_of(craft::update({.attributes = craft::join({empty, craft::origin()})})).end_of_rib, std::nullopt);
  EXPECT_EQ(update_of(craft::update({.withdrawn = craft::prefix("10.0.0.0/8"), .attributes = empty})).end_of_rib,
            std::nullopt);
}

TEST(UnknownAttribute, that_is_transitive_is_kept_and_marked_partial) {
  const auto a =
      update_of(with(craft::join({craft::attribute(0xc0, 99, {9}), craft::attribute(0xd0, 40, {1, 2})}))).attributes;
  EXPECT_EQ(a->unknown, (std::vector<UnknownAttribute>{{0xe0, 40, {1, 2}}, {0xe0, 99, {9}}}));
}

TEST(UnknownAttribute, that_is_not_transitive_ends_here) {
  const auto decoded = received(with(craft::attribute(0x80, 99, {9})));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_TRUE(update_of(decoded).attributes->unknown.empty());
  EXPECT_EQ(actions(decoded), "");
}

TEST(ExtendedMessage, carries_what_4096_octets_cannot) {
  Context context = session();
  context.extended_message = true;
  Update update{{}, PathAttributes{}, {{{addr("192.0.2.1"), {}}, {}}}, {}};
  for (std::uint32_t i = 0; i < 3000; ++i)
    update.announced[0].prefixes.push_back(Prefix::host(Address::v4(0x0a000000 + i)));
  update.attributes->communities.resize(2000);
  for (std::uint32_t i = 0; i < 2000; ++i) update.attributes->communities[i] = i;
  const auto bytes = encode(update, context);
  EXPECT_GT(bytes.size(), 20000u);
  EXPECT_EQ(update_of(bytes, context), update);
  EXPECT_EQ(reset_by(bytes).code, ErrorCode::message_header);
}

}  // namespace
}  // namespace weft::bgp
