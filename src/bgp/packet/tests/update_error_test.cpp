// What is done about a malformed UPDATE: RFC 7606 first, then RFC 4271 §6.3 for what ends the session.
#include <algorithm>

#include "bgp/packet/tests/sessions.h"

namespace weft::bgp {
namespace {

using craft::attribute;
using craft::hex;

// ---- The fields of the message (RFC 7606 §3 a, i; §5.3) ----

TEST(UpdateFields, that_exceed_the_message_reset_the_session) {
  const auto malformed = update_error_with(update_error::kMalformedAttributes);
  EXPECT_EQ(reset_by(craft::update({.withdrawn_length = 1})), malformed);
  EXPECT_EQ(reset_by(craft::update({.withdrawn_length = 65535})), malformed);
  EXPECT_EQ(reset_by(craft::update({.attributes = craft::mandatory(), .attributes_length = 100})), malformed);
  EXPECT_EQ(reset_by(craft::update({.withdrawn = craft::prefix("10.0.0.0/8"), .withdrawn_length = 4})), malformed)
      << "the length of the attributes was taken for prefixes";
}

TEST(UpdateFields, with_a_prefix_longer_than_the_family_reset_the_session) {
  EXPECT_EQ(reset_by(craft::update({.withdrawn = hex("21 0a00000000")})),
            update_error_with(update_error::kInvalidNetwork));
  EXPECT_EQ(reset_by(craft::update({.attributes = craft::mandatory(), .nlri = hex("21 0a00000000")})),
            update_error_with(update_error::kInvalidNetwork));
  EXPECT_EQ(reset_by(craft::update({.attributes = craft::mandatory(), .nlri = hex("ff")})),
            update_error_with(update_error::kInvalidNetwork));
}

TEST(UpdateFields, whose_last_prefix_overruns_reset_the_session) {
  EXPECT_EQ(reset_by(craft::update({.withdrawn = hex("08 0a 10 ac")})),
            update_error_with(update_error::kInvalidNetwork));
  EXPECT_EQ(reset_by(craft::update({.attributes = craft::mandatory(), .nlri = hex("08 0a 20 0a0000")})),
            update_error_with(update_error::kInvalidNetwork));
}

TEST(UpdateFields, ignore_a_multicast_prefix_and_keep_its_neighbours) {
  const auto decoded =
      received(craft::update({.attributes = craft::mandatory(), .nlri = hex("04 e0  08 0a  18 ef0102")}));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "discard 0");
  // 0.0.0.0/0 and 192.0.0.0/3 contain more than multicast.
  EXPECT_EQ(update_of(craft::update({.attributes = craft::mandatory(), .nlri = hex("00  03 e0")}))
                .announced.at(0)
                .prefixes.size(),
            2u);
}

// ---- Attribute headers and lengths (RFC 7606 §4) ----

TEST(AttributeLengths, that_overrun_the_attributes_withdraw_the_prefixes_behind) {
  const auto decoded = received(with(attribute(0xc0, 8, hex("00010001"), 5)));
  EXPECT_TRUE(withdraws_10_8(decoded));
  EXPECT_EQ(actions(decoded), "withdraw 8");
}

TEST(AttributeLengths, with_half_a_header_at_the_end_withdraw) {
  for (const auto& rest : {hex("c0"), hex("c0 08"), hex("d0 08 00"), hex("d0 08")}) {
    const auto decoded = received(with(rest));
    EXPECT_TRUE(withdraws_10_8(decoded)) << rest.size();
    EXPECT_EQ(actions(decoded), "withdraw 0");
  }
}

TEST(AttributeLengths, that_hide_reachability_reset_the_session) {
  const auto reach =
      attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")), 200);
  EXPECT_EQ(reset_by(with(reach)), update_error_with(update_error::kOptionalAttribute, reach));
  EXPECT_EQ(reset_by(with(attribute(0x80, 15, hex("0002 01"), 4))).subcode, update_error::kOptionalAttribute);
  EXPECT_EQ(reset_by(with(hex("80 0e"))), update_error_with(update_error::kOptionalAttribute, hex("80 0e")));
}

TEST(AttributeLengths, that_overrun_without_any_prefix_reset_the_session) {
  EXPECT_EQ(reset_by(craft::update({.attributes = attribute(0x40, 1, {0}, 2)})),
            update_error_with(update_error::kMalformedAttributes));
  EXPECT_EQ(
      reset_by(craft::update({.withdrawn = craft::prefix("10.0.0.0/8"), .attributes = attribute(0x40, 1, {0}, 2)})),
      update_error_with(update_error::kMalformedAttributes))
      << "withdrawn prefixes are not what the attributes speak of";
}

TEST(AttributeLengths, of_zero_are_an_error_for_all_but_as_path_and_atomic_aggregate) {
  const std::vector<std::pair<std::uint8_t, std::uint8_t>> others{{0x80, 4},  {0x40, 5},  {0xc0, 8}, {0x80, 9},
                                                                  {0x80, 10}, {0xc0, 16}, {0xc0, 32}};
  for (const auto& [flags, type] : others) {
    const auto decoded = received(with(attribute(flags, type, {})), internal());
    EXPECT_TRUE(withdraws_10_8(decoded)) << unsigned{type};
    EXPECT_EQ(actions(decoded), "withdraw " + std::to_string(type));
  }
  EXPECT_TRUE(announces_10_8(received(with(attribute(0x40, 6, {})))));
  const auto empty_path =
      craft::update({.attributes = craft::join({craft::origin(), craft::as_path({}), craft::next_hop()}),
                     .nlri = craft::prefix("10.0.0.0/8")});
  EXPECT_EQ(actions(received(empty_path, internal())), "");
}

// ---- Flags (RFC 7606 §3 c, f, §5.3) ----

TEST(AttributeFlags, in_conflict_with_the_type_withdraw) {
  const std::vector<std::pair<std::uint8_t, craft::Bytes>> others{{4, hex("00000001")},
                                                                  {5, hex("00000001")},
                                                                  {8, hex("00010001")},
                                                                  {9, hex("00000001")},
                                                                  {10, hex("00000001")},
                                                                  {16, hex("0002fde800000001")},
                                                                  {32, hex("000000010000000200000003")}};
  for (const auto& [type, value] : others) {
    for (const std::uint8_t flags : {0x00, 0x40, 0x80, 0xc0}) {
      const std::uint8_t right = type == 5 ? 0x40 : type == 4 || type == 9 || type == 10 ? 0x80 : 0xc0;
      const auto decoded = received(with(attribute(flags, type, value)), internal());
      EXPECT_EQ(actions(decoded), flags == right ? "" : "withdraw " + std::to_string(type))
          << unsigned{type} << " with " << unsigned{flags};
    }
  }
}

TEST(AttributeFlags, of_mandatory_attributes_in_conflict_withdraw) {
  const auto path = hex("0201 0000fde9");
  for (const std::uint8_t flags : {0x00, 0x80, 0xc0}) {
    const auto first = attribute(flags, 1, {0}), second = attribute(flags, 2, path),
               third = attribute(flags, 3, craft::address("192.0.2.1"));
    const auto nlri = craft::prefix("10.0.0.0/8");
    EXPECT_EQ(actions(received(craft::update(
                  {.attributes = craft::join({first, craft::as_path({1}), craft::next_hop()}), .nlri = nlri}))),
              "withdraw 1");
    EXPECT_EQ(actions(received(craft::update(
                  {.attributes = craft::join({craft::origin(), second, craft::next_hop()}), .nlri = nlri}))),
              "withdraw 2");
    EXPECT_EQ(actions(received(craft::update(
                  {.attributes = craft::join({craft::origin(), craft::as_path({1}), third}), .nlri = nlri}))),
              "withdraw 3");
  }
}

TEST(AttributeFlags, of_aggregation_in_conflict_discard) {
  for (const auto& wrong :
       {attribute(0xc0, 6, {}), attribute(0x80, 6, {}), attribute(0x40, 7, hex("0000fde9 c0000201")),
        attribute(0x80, 7, hex("0000fde9 c0000201"))}) {
    const auto decoded = received(with(wrong));
    EXPECT_TRUE(announces_10_8(decoded));
    EXPECT_EQ(actions(decoded), "discard " + std::to_string(wrong[1]));
    EXPECT_FALSE(update_of(decoded).attributes->aggregator || update_of(decoded).attributes->atomic_aggregate);
  }
}

TEST(AttributeFlags, of_reachability_in_conflict_reset_the_session) {
  for (const std::uint8_t flags : {0x00, 0x40, 0xc0}) {
    const auto reach =
        attribute(flags, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")));
    EXPECT_EQ(reset_by(with(reach)), update_error_with(update_error::kAttributeFlags, reach));
    const auto unreach = attribute(flags, 15, craft::mp_unreach(kIpv6Unicast, craft::prefix("fd00::/8")));
    EXPECT_EQ(reset_by(craft::update({.attributes = unreach})),
              update_error_with(update_error::kAttributeFlags, unreach));
  }
}

// ---- Presence (RFC 7606 §3 d, g) ----

TEST(MandatoryAttributes, that_are_missing_withdraw) {
  const auto nlri = craft::prefix("10.0.0.0/8");
  const auto o = craft::origin(), p = craft::as_path({65001}), n = craft::next_hop();
  EXPECT_EQ(actions(received(craft::update({.attributes = craft::join({p, n}), .nlri = nlri}))), "withdraw 1");
  EXPECT_EQ(actions(received(craft::update({.attributes = craft::join({o, n}), .nlri = nlri}))), "withdraw 2");
  EXPECT_EQ(actions(received(craft::update({.attributes = craft::join({o, p}), .nlri = nlri}))), "withdraw 3");
  const auto none = received(craft::update({.nlri = nlri}));
  EXPECT_TRUE(withdraws_10_8(none));
  EXPECT_EQ(actions(none), "withdraw 1, withdraw 2, withdraw 3");
}

TEST(MandatoryAttributes, of_mp_reach_are_origin_and_as_path_without_next_hop) {
  const auto reach =
      attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")));
  EXPECT_EQ(
      actions(received(craft::update({.attributes = craft::join({reach, craft::origin(), craft::as_path({65001})})}))),
      "");
  const auto alone = received(craft::update({.attributes = reach}));
  EXPECT_EQ(actions(alone), "withdraw 1, withdraw 2");
  EXPECT_EQ(update_of(alone).withdrawn, std::vector{pfx("fd00::/8")});
}

TEST(MandatoryAttributes, are_not_missed_where_nothing_is_announced) {
  EXPECT_EQ(actions(received(craft::update({.withdrawn = craft::prefix("10.0.0.0/8")}))), "");
  EXPECT_EQ(actions(received(craft::update({.attributes = craft::origin()}))), "");
  EXPECT_EQ(
      actions(received(craft::update(
          {.attributes = attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), {}))}))),
      "");
}

TEST(MandatoryAttributes, local_pref_of_an_internal_peer_is_not_one_of_them) {
  EXPECT_EQ(actions(received(with({}), internal())), "");
}

TEST(DoubleAttributes, count_where_they_stand_first) {
  const auto decoded = received(
      with(craft::join({craft::origin(2), attribute(0x80, 4, hex("00000007")), attribute(0x80, 4, hex("00000008")),
                        attribute(0xc0, 99, {1}), attribute(0xc0, 99, {2})})));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "discard 1, discard 4, discard 99");
  const auto a = *update_of(decoded).attributes;
  EXPECT_EQ(a.origin, Origin::igp);
  EXPECT_EQ(a.med, 7u);
  EXPECT_EQ(a.unknown, (std::vector<UnknownAttribute>{{0xe0, 99, {1}}}));
}

TEST(DoubleAttributes, whose_first_is_malformed_are_not_mended_by_the_second) {
  const auto decoded = received(craft::update(
      {.attributes = craft::join({craft::origin(9), craft::origin(0), craft::as_path({65001}), craft::next_hop()}),
       .nlri = craft::prefix("10.0.0.0/8")}));
  EXPECT_TRUE(withdraws_10_8(decoded));
}

TEST(DoubleAttributes, of_reachability_reset_the_session) {
  const auto reach =
      attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")));
  const auto unreach = attribute(0x80, 15, craft::mp_unreach(kIpv6Unicast, craft::prefix("fd00::/8")));
  EXPECT_EQ(reset_by(with(craft::join({reach, reach}))), update_error_with(update_error::kMalformedAttributes));
  EXPECT_EQ(reset_by(craft::update({.attributes = craft::join({unreach, unreach})})),
            update_error_with(update_error::kMalformedAttributes));
}

TEST(UnknownAttribute, that_claims_to_be_well_known_resets_the_session) {
  const auto unknown = attribute(0x40, 99, {1, 2});
  EXPECT_EQ(reset_by(with(unknown)), update_error_with(update_error::kUnrecognizedWellKnown, unknown));
}

// ---- The strongest action wins (RFC 7606 §3 h, §5.2) ----

TEST(SeveralFaults, end_in_the_strongest_action) {
  const auto discard = attribute(0x40, 6, {1}), withdraw = attribute(0xc0, 8, {1}), reset = attribute(0x80, 15, {0});
  const auto two = received(with(craft::join({discard, withdraw})));
  EXPECT_TRUE(withdraws_10_8(two));
  EXPECT_EQ(actions(two), "discard 6, withdraw 8");
  EXPECT_EQ(reset_by(with(craft::join({discard, withdraw, reset}))),
            update_error_with(update_error::kOptionalAttribute, reset));
}

TEST(SeveralFaults, withdraw_both_families) {
  const auto reach =
      attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")));
  const auto update = update_of(with(craft::join({reach, attribute(0xc0, 8, {1})})));
  EXPECT_EQ(update.withdrawn, (std::vector{pfx("10.0.0.0/8"), pfx("fd00::/8")}));
  EXPECT_TRUE(update.announced.empty());
}

TEST(SeveralFaults, that_cannot_withdraw_anything_reset_the_session) {
  const auto med = attribute(0x80, 4, {1});
  EXPECT_EQ(reset_by(craft::update({.attributes = med})), update_error_with(update_error::kAttributeLength, med));
  EXPECT_EQ(reset_by(craft::update({.withdrawn = craft::prefix("10.0.0.0/8"), .attributes = med})),
            update_error_with(update_error::kAttributeLength, med));
  EXPECT_EQ(actions(received(craft::update({.attributes = attribute(0x40, 6, {1})}))), "discard 6")
      << "a discard needs no prefixes";
}

TEST(SeveralFaults, are_described_up_to_a_bound_and_still_judged) {
  craft::Bytes many;
  for (int i = 0; i < 500; ++i) many = craft::join({many, attribute(0x40, 6, {})});
  const auto decoded = received(with(craft::join({many, attribute(0xc0, 8, {1})})));
  EXPECT_TRUE(withdraws_10_8(decoded));
  EXPECT_EQ(decoded.faults.size(), 32u);
  EXPECT_EQ(decoded.faults.back().action, AttributeFault::Action::withdraw);
}

TEST(SeveralFaults, that_are_withdrawn_are_no_end_of_rib) {
  // Found by fuzzing: the attribute behind the empty MP_UNREACH_NLRI overruns, and prefixes follow.
  const auto decoded = received(craft::message(2, hex("0000 000a  80 0f 03 0001 01  40 01 f6 00  01 09")));
  EXPECT_EQ(update_of(decoded).end_of_rib, std::nullopt);
  EXPECT_EQ(update_of(decoded).withdrawn, std::vector{pfx("0.0.0.0/1")});
}

// ---- Each attribute (RFC 7606 §7) ----

std::string actions_of(const craft::Bytes& attributes, const Context& context = session()) {
  const auto decoded =
      received(craft::update({.attributes = attributes, .nlri = craft::prefix("10.0.0.0/8")}), context);
  EXPECT_TRUE(actions(decoded).starts_with("withdraw") ? withdraws_10_8(decoded) : announces_10_8(decoded));
  return actions(decoded);
}

TEST(Origin, of_a_wrong_length_or_value_withdraws) {
  const auto others = craft::join({craft::as_path({65001}), craft::next_hop()});
  for (const auto& value : {hex("03"), hex("ff"), hex("0000"), craft::Bytes{}})
    EXPECT_EQ(actions_of(craft::join({attribute(0x40, 1, value), others})), "withdraw 1");
}

TEST(AsPathAttribute, that_is_malformed_withdraws) {
  const auto others = craft::join({craft::origin(), craft::next_hop()});
  for (const char* path : {"00 01 00000001",              // segment type 0
                           "05 01 00000001",              // and 5
                           "02 00",                       // no AS numbers
                           "02 01 00000001 02 00",        // in the second segment
                           "02 02 00000001",              // overrun
                           "02 01 00000001 02",           // half a header
                           "02 01 00000001 00000002",     // underrun: the rest is no segment
                           "02 01 0001",                  // two octets in a session of four
                           "02 02 00000001 00000000"}) {  // AS 0, RFC 7607
    EXPECT_EQ(actions_of(craft::join({attribute(0x40, 2, hex(path)), others})), "withdraw 2") << path;
  }
}

TEST(AsPathAttribute, of_an_external_peer_has_no_confederation_segments) {
  const auto path = craft::join({craft::origin(), attribute(0x40, 2, hex("03 01 0000fde9")), craft::next_hop()});
  EXPECT_EQ(actions_of(path), "withdraw 2");
  EXPECT_EQ(actions_of(path, internal()), "");
}

TEST(NextHopAttribute, of_a_wrong_length_or_that_is_no_host_withdraws) {
  const auto others = craft::join({craft::origin(), craft::as_path({65001})});
  for (const auto& value : {hex("c00002"), hex("c000020100"), craft::Bytes{}, craft::address("0.0.0.0"),
                            craft::address("127.0.0.1"), craft::address("224.0.0.1"), craft::address("240.0.0.1"),
                            craft::address("255.255.255.255"), craft::address("0.1.2.3")})
    EXPECT_EQ(actions_of(craft::join({others, attribute(0x40, 3, value)})), "withdraw 3");
}

TEST(Med, of_a_wrong_length_withdraws) {
  for (const auto& value : {hex("000001"), hex("0000000001")})
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0x80, 4, value)})), "withdraw 4");
}

TEST(LocalPref, of_a_wrong_length_withdraws) {
  for (const auto& value : {hex("000001"), hex("0000000001")})
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0x40, 5, value)}), internal()), "withdraw 5");
}

TEST(InternalAttributes, of_an_external_peer_are_discarded_right_or_wrong) {
  const std::vector<craft::Bytes> internal_ones{attribute(0x40, 5, hex("00000001")),
                                                attribute(0x80, 9, hex("00000001")),
                                                attribute(0x80, 10, hex("00000001")),
                                                attribute(0x40, 5, {1}),
                                                attribute(0xc0, 9, {}),
                                                attribute(0x80, 10, hex("000001"))};
  for (const auto& one : internal_ones) {
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), one})), "discard " + std::to_string(one[1]));
    const auto a = *update_of(with(one)).attributes;
    EXPECT_FALSE(a.local_pref || a.originator_id || !a.cluster_list.empty());
  }
}

TEST(AtomicAggregate, of_a_wrong_length_is_discarded) {
  EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0x40, 6, {0})})), "discard 6");
}

TEST(AggregatorAttribute, of_a_wrong_length_or_as_0_is_discarded) {
  for (const auto& value : {hex("fde9 c0000201"), hex("0000fde9 c000020100"), craft::Bytes{}, hex("00000000 c0000201")})
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0xc0, 7, value)})), "discard 7");
  const auto old_mandatory = craft::join({craft::origin(), craft::as_path({65001}, 2), craft::next_hop()});
  EXPECT_EQ(actions_of(craft::join({old_mandatory, attribute(0xc0, 7, hex("0000fde9 c0000201"))}), old_speaker()),
            "discard 7");
  EXPECT_EQ(actions_of(craft::join({old_mandatory, attribute(0xc0, 7, hex("0000 c0000201"))}), old_speaker()),
            "discard 7");
  EXPECT_EQ(actions_of(craft::join({old_mandatory, attribute(0xc0, 7, hex("fde9 c0000201"))}), old_speaker()), "");
}

TEST(CommunityLists, of_a_length_that_is_no_multiple_withdraw) {
  for (const std::size_t length : {1, 3, 5})
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0xc0, 8, craft::repeat(1, length))})),
              "withdraw 8");
  for (const std::size_t length : {4, 7, 9, 12})
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0xc0, 16, craft::repeat(1, length))})),
              "withdraw 16");
  for (const std::size_t length : {4, 8, 11, 13})
    EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0xc0, 32, craft::repeat(1, length))})),
              "withdraw 32");
}

TEST(Reflection, of_a_wrong_length_withdraws) {
  EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0x80, 9, hex("000001"))}), internal()), "withdraw 9");
  EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0x80, 9, hex("0000000100"))}), internal()),
            "withdraw 9");
  EXPECT_EQ(actions_of(craft::join({craft::mandatory(), attribute(0x80, 10, hex("0000000100"))}), internal()),
            "withdraw 10");
}

// ---- Reachability (RFC 7606 §5.3, §7.11, §7.12) ----

Notification reset_by_mp(std::uint8_t type, const craft::Bytes& value) {
  const auto mp = attribute(value.size() > 255 ? 0x90 : 0x80, type, value);
  const auto n = reset_by(with(mp));
  if (n.subcode == update_error::kOptionalAttribute) {
    EXPECT_EQ(n.data, mp);
  }
  return n;
}

TEST(MpReach, with_a_next_hop_of_another_length_resets_the_session) {
  for (const std::size_t length : {0, 1, 4, 12, 15, 17, 24, 31, 33, 48, 255})
    EXPECT_EQ(
        reset_by_mp(14, craft::mp_reach(kIpv6Unicast, craft::repeat(0x20, length), craft::prefix("fd00::/8"))).subcode,
        update_error::kOptionalAttribute)
        << length;
  for (const std::size_t length : {0, 3, 5, 8, 12, 16, 32})
    EXPECT_EQ(reset_by_mp(14, craft::mp_reach(kIpv4Unicast, craft::repeat(0x20, length), craft::prefix("10.0.0.0/8")))
                  .subcode,
              update_error::kOptionalAttribute)
        << length;
}

TEST(MpReach, whose_next_hop_length_lies_resets_the_session) {
  const auto hop = craft::address("2001:db8::1");
  EXPECT_EQ(reset_by_mp(14, craft::mp_reach(kIpv6Unicast, hop, {}, 32)).subcode, update_error::kOptionalAttribute);
  EXPECT_EQ(reset_by_mp(14, craft::mp_reach(kIpv6Unicast, hop, {}, 255)).subcode, update_error::kOptionalAttribute);
}

TEST(MpReach, that_is_too_short_resets_the_session) {
  const auto whole = craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), {});
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_EQ(reset_by_mp(14, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}).subcode,
              update_error::kOptionalAttribute)
        << length;
}

TEST(MpReach, with_a_prefix_that_overruns_or_is_too_long_resets_the_session) {
  for (const auto& nlri :
       {hex("81 20010db800000000000000000000000000"), hex("40 20010db8"), hex("08 fd 08"), hex("ff")})
    EXPECT_EQ(reset_by_mp(14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), nlri)).subcode,
              update_error::kOptionalAttribute);
  EXPECT_EQ(reset_by_mp(14, craft::mp_reach(kIpv4Unicast, craft::address("192.0.2.1"), hex("21 0a00000000"))).subcode,
            update_error::kOptionalAttribute);
}

TEST(MpReach, to_a_next_hop_that_is_no_host_withdraws) {
  for (const char* hop : {"::", "::1", "ff02::1"}) {
    const auto decoded = received(craft::update(
        {.attributes = craft::join(
             {attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address(hop), craft::prefix("fd00::/8"))),
              craft::origin(), craft::as_path({65001})})}));
    EXPECT_EQ(actions(decoded), "withdraw 14") << hop;
    EXPECT_EQ(update_of(decoded).withdrawn, std::vector{pfx("fd00::/8")});
  }
}

TEST(MpReach, of_multicast_prefixes_keeps_their_neighbours) {
  const auto decoded = received(craft::update(
      {.attributes = craft::join(
           {attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), hex("08 ff 08 fd"))),
            craft::origin(), craft::as_path({65001})})}));
  EXPECT_EQ(actions(decoded), "discard 14");
  EXPECT_EQ(update_of(decoded).announced.at(0).prefixes, std::vector{pfx("fd00::/8")});
}

TEST(MpReach, of_a_family_that_was_not_agreed_on_is_discarded_unread) {
  // VPNv4 prefixes begin with labels: as IPv4 they would be nonsense.
  const auto vpn =
      attribute(0x80, 14, craft::mp_reach({1, 128}, craft::repeat(0, 12), hex("70 00010100000000000000010a0000")));
  const auto decoded = received(with(vpn));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "discard 14");
  Context v4_only = session();
  v4_only.families = {kIpv4Unicast};
  const auto v6 =
      attribute(0x80, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), craft::prefix("fd00::/8")));
  EXPECT_TRUE(announces_10_8(received(with(v6), v4_only)));
}

TEST(MpUnreach, that_is_too_short_or_has_a_wrong_prefix_resets_the_session) {
  for (const auto& value :
       {craft::Bytes{}, hex("00"), hex("0002"), hex("0002 01 81 20010db800000000000000000000000000"),
        hex("0002 01 40 20"), hex("0001 01 21 0a00000000")})
    EXPECT_EQ(reset_by_mp(15, value).subcode, update_error::kOptionalAttribute) << value.size();
}

TEST(MpUnreach, of_a_family_that_was_not_agreed_on_is_discarded) {
  const auto decoded = received(craft::update({.attributes = attribute(0x80, 15, hex("0019 46 0102"))}));
  EXPECT_EQ(actions(decoded), "discard 15");
  EXPECT_EQ(update_of(decoded), Update{});
}

TEST(ClassicPrefixes, are_discarded_when_ipv4_was_not_agreed_on) {
  Context v6_only = session();
  v6_only.families = {kIpv6Unicast};
  const auto decoded = received(with({}), v6_only);
  EXPECT_EQ(actions(decoded), "discard 0");
  EXPECT_EQ(update_of(decoded), Update{});
}

}  // namespace
}  // namespace weft::bgp
