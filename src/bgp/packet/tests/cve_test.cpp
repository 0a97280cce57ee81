// Published parser faults of other BGP speakers, replayed. Each test has bytes that follow the CVE's description, says
// what the RFCs want, and shows that we do that. "Other families" are those that we never offer (flow specification,
// labels, VPNs): their parsers cannot be reached here, and the test shows that they are not.
//
// Not BGP messages, so without a test: CVE-2017-3224, CVE-2024-27913, CVE-2024-31950, CVE-2024-31951, CVE-2024-34088
// (OSPF); CVE-2025-43970, CVE-2026-7736 (MRT files); CVE-2025-43973, CVE-2025-7464 (RPKI to router).
#include "bgp/packet/tests/sessions.h"
#include "bgp/packet/update_builder.h"

namespace weft::bgp {
namespace {

using craft::attribute;
using craft::capability;
using craft::hex;
using craft::join;
using craft::parameter;

Notification open_refused(const craft::OpenParts& parts) { return reset_by(craft::open(parts)); }
const Notification kMalformedOpen{ErrorCode::open_message, 0, {}};  // RFC 4271 §6.2: Unspecific

Capabilities capabilities_of(const craft::Bytes& capabilities) {
  const auto decoded = decode(craft::open({.parameters = parameter(2, capabilities)}), session());
  if (!decoded) {
    ADD_FAILURE() << decoded.error().to_string();
    return {};
  }
  return std::get<Open>(decoded->message).capabilities;
}

const craft::Bytes kNlri = craft::prefix("10.0.0.0/8");
const AfiSafi kFlowSpec{1, 133};  // RFC 8955

/// The route goes through with the unknown attribute passed on as it came.
void passes_on_unread(std::uint8_t type, const craft::Bytes& value) {
  const auto decoded = received(with(attribute(0xc0, type, value)));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "");
  EXPECT_EQ(update_of(decoded).attributes->unknown, (std::vector<UnknownAttribute>{{0xe0, type, value}}));
  const Update again = update_of(encode(update_of(decoded), session()));
  EXPECT_EQ(again, update_of(decoded));
}

// ---- OPEN ----

// FRR to 8.4, CVE-2022-40302 and -40318: an option of type 0xff (RFC 9072) with two octets where three are read, once
// at the start of the options and once inside of them.
TEST(Cve, 2022_40302_extended_parameters_cut_after_their_type) {
  EXPECT_EQ(open_refused({.parameters = hex("ff"), .parameters_length = 1}), kMalformedOpen);
  EXPECT_EQ(open_refused({.parameters = hex("ff 00"), .parameters_length = 2}), kMalformedOpen);
}
TEST(Cve, 2022_40318_extended_parameter_with_half_a_length) {
  EXPECT_EQ(open_refused({.parameters = hex("ff 0002 02 00"), .parameters_length = 255}), kMalformedOpen);
  EXPECT_EQ(open_refused({.parameters = hex("ff 0001 02"), .parameters_length = 255}), kMalformedOpen);
}
// FRR to 8.4, CVE-2022-43681: an OPEN that ends with the option's length octet (or word) was read past its end.
TEST(Cve, 2022_43681_open_that_ends_with_an_options_length) {
  EXPECT_EQ(open_refused({.parameters = hex("02 06"), .parameters_length = 2}), kMalformedOpen);
  EXPECT_EQ(open_refused({.parameters = hex("02"), .parameters_length = 1}), kMalformedOpen);
  EXPECT_EQ(open_refused({.parameters = hex("ff 0003 02 0006"), .parameters_length = 255}), kMalformedOpen);
}
// FRR 8.3, CVE-2022-36440: assertion while looking ahead for the AS4 capability in parameters that end early.
TEST(Cve, 2022_36440_capability_cut_in_its_header) {
  EXPECT_EQ(open_refused({.parameters = parameter(2, {65})}), kMalformedOpen);
  EXPECT_EQ(open_refused({.parameters = parameter(2, hex("41 04 0000"))}), kMalformedOpen);
}
// Quagga to 0.99.20, CVE-2012-0255: a malformed AS4 capability met an assertion.
TEST(Cve, 2012_0255_four_octet_as_capability_of_another_length) {
  for (const auto& value : {craft::Bytes{}, hex("0000fd"), hex("0000fde900")})
    EXPECT_EQ(open_refused({.parameters = parameter(2, capability(65, value))}), kMalformedOpen);
}
// Quagga to 0.99.20.1, CVE-2012-1820: a malformed ORF capability met an assertion. We do not know ORF: it is kept
// unread.
TEST(Cve, 2012_1820_malformed_orf_capability) {
  const auto orf = hex("0001 00 01 ff 40 03");  // 255 entries claimed, one there
  EXPECT_EQ(capabilities_of(capability(3, orf)).unknown, (std::vector<UnknownCapability>{{3, orf}}));
}
// Quagga to 1.2.2, CVE-2018-5381: capabilities with an unknown AFI/SAFI were parsed for ever.
TEST(Cve, 2018_5381_multiprotocol_capability_of_an_unknown_family) {
  EXPECT_EQ(capabilities_of(join({capability(1, hex("ffff 00 ff")), capability(2, {})})).families,
            (std::vector<AfiSafi>{{0xffff, 0xff}}));
}
// FRR to 9.1, CVE-2024-31949: the same of dynamic capabilities; message type 6 is none of ours.
TEST(Cve, 2024_31949_dynamic_capability_message) {
  EXPECT_EQ(reset_by(craft::message(6, hex("00 01 01 04 ffff00ff"))),
            (Notification{ErrorCode::message_header, header_error::kBadType, {6}}));
}
// FRR before 8.4, CVE-2022-37032: the length inside of a capability message was not checked against the message.
TEST(Cve, 2022_37032_capability_longer_than_its_parameter) {
  EXPECT_EQ(open_refused({.parameters = parameter(2, capability(64, hex("0078"), 200))}), kMalformedOpen);
  EXPECT_EQ(open_refused({.parameters = parameter(2, capability(1, hex("0001 00 01"), 255))}), kMalformedOpen);
}
// FRR to 9.0, CVE-2023-41361, and GoBGP to 3.34, CVE-2025-43971: the software version capability (75) with a length
// that is too large, or zero. We do not know it: it is kept unread.
TEST(Cve, 2023_41361_and_2025_43971_software_version_of_a_lying_length) {
  for (const auto& value : {hex("ff 41"), hex("00"), craft::Bytes{}})
    EXPECT_EQ(capabilities_of(capability(75, value)).unknown, (std::vector<UnknownCapability>{{75, value}}));
}
// FRR 8.4.2, CVE-2023-31489: the long-lived graceful restart capability (71) with half a tuple.
TEST(Cve, 2023_31489_llgr_capability_with_half_a_tuple) {
  EXPECT_EQ(capabilities_of(capability(71, hex("0001 01"))).unknown,
            (std::vector<UnknownCapability>{{71, hex("0001 01")}}));
}

// ---- ROUTE-REFRESH ----

// Quagga to 0.99.16, CVE-2010-2948, and FRR to 9.0, CVE-2023-41360: filter entries (RFC 5291) whose lengths lead out of
// the message. We offer no filters and read none.
TEST(Cve, 2010_2948_and_2023_41360_route_refresh_with_a_lying_filter) {
  for (const char* filter : {"01", "01 40", "01 40 ff", "01 40 ffff", "01 80 0001", "02 40 0005 00 00000001 20"}) {
    const auto decoded = received(craft::message(5, join({hex("0001 00 01"), hex(filter)})));
    EXPECT_EQ(decoded.message, (Message{RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::request}})) << filter;
  }
}

// ---- NOTIFICATION ----

// BIRD to 2.0.5, CVE-2019-16159: a shutdown text longer than the buffer it was copied to.
TEST(Cve, 2019_16159_shutdown_text_of_255_octets) {
  const auto n =
      std::get<Notification>(received(craft::message(3, join({{6, 2, 255}, craft::repeat('x', 255)}))).message);
  EXPECT_EQ(n.shutdown_text(), std::string(255, 'x'));
  const auto lying = std::get<Notification>(received(craft::message(3, hex("06 02 ff 78"))).message);
  EXPECT_EQ(lying.shutdown_text(), "x");
}
// Quagga to 1.2.2, CVE-2018-5380: code and subcode beyond the tables of their names by one.
TEST(Cve, 2018_5380_codes_without_a_name) {
  for (unsigned code = 0; code <= 255; ++code)
    for (unsigned subcode = 0; subcode <= 255; ++subcode)
      EXPECT_FALSE(
          (Notification{static_cast<ErrorCode>(code), static_cast<std::uint8_t>(subcode), {}}).to_string().empty());
}
// Quagga to 1.2.2, CVE-2018-5378, and FRR to 3.0.1, CVE-2017-15865: an attribute of a lying length was quoted in the
// NOTIFICATION with the memory behind it.
TEST(Cve, 2018_5378_and_2017_15865_quote_only_what_was_received) {
  const auto reach = attribute(0x90, 14, craft::mp_reach(kIpv6Unicast, craft::address("2001:db8::1"), {}), 4000);
  EXPECT_EQ(reset_by(with(reach)), update_error_with(update_error::kOptionalAttribute, reach));
  const auto med = attribute(0x80, 4, {1});
  EXPECT_EQ(reset_by(craft::update({.attributes = med})), update_error_with(update_error::kAttributeLength, med));
}

// ---- UPDATE: its fields ----

// GoBGP 4.3.0, CVE-2026-37462: a section shorter than the element in it let an unsigned length wrap.
TEST(Cve, 2026_37462_section_shorter_than_its_last_element) {
  EXPECT_EQ(reset_by(craft::update({.withdrawn = hex("20 0a00"), .withdrawn_length = 3})),
            update_error_with(update_error::kInvalidNetwork));
  const auto cut = craft::update({.attributes = join({craft::mandatory(), attribute(0x80, 4, {}, 4)}), .nlri = kNlri});
  EXPECT_TRUE(withdraws_10_8(received(cut)));
}
// FRR to 9.0, CVE-2023-41358: prefixes were processed although the attributes have a length of zero. RFC 7606 §3 d.
TEST(Cve, 2023_41358_prefixes_without_any_attribute) {
  const auto decoded = received(craft::update({.nlri = kNlri}));
  EXPECT_TRUE(withdraws_10_8(decoded));
}
// FRR to 9.0.1, CVE-2023-46753: a lone unknown transitive attribute hid that the mandatory ones are missing.
TEST(Cve, 2023_46753_lone_unknown_attribute) {
  const auto decoded =
      received(craft::update({.attributes = attribute(0xc0, 31, craft::repeat(0, 16)), .nlri = kNlri}));
  EXPECT_TRUE(withdraws_10_8(decoded));
  EXPECT_EQ(actions(decoded), "withdraw 1, withdraw 2, withdraw 3");
}
// FRR to 9.0.1, CVE-2023-47234: MP_UNREACH_NLRI beside prefixes that lack the mandatory attributes.
TEST(Cve, 2023_47234_mp_unreach_beside_prefixes_without_attributes) {
  const auto unreach = attribute(0x80, 15, craft::mp_unreach(kIpv6Unicast, craft::prefix("fd00::/8")));
  const auto decoded = received(craft::update({.attributes = unreach, .nlri = kNlri}));
  EXPECT_EQ(actions(decoded), "withdraw 1, withdraw 2, withdraw 3");
  EXPECT_EQ(update_of(decoded).withdrawn, (std::vector{pfx("10.0.0.0/8"), pfx("fd00::/8")}));
}
// FRR to 9.0.1, CVE-2023-47235: what looks like an End-of-RIB escaped treat-as-withdraw although it is malformed.
TEST(Cve, 2023_47235_malformed_update_that_looks_like_end_of_rib) {
  const auto marker = attribute(0x80, 15, hex("0001 01"));
  const auto decoded = received(craft::update({.attributes = join({marker, craft::origin(9)}), .nlri = kNlri}));
  EXPECT_TRUE(withdraws_10_8(decoded));
  const auto origin = craft::origin(9);
  EXPECT_EQ(reset_by(craft::update({.attributes = join({marker, origin})})),
            update_error_with(update_error::kInvalidOrigin, origin));
}
// FRR to 9.0.1, CVE-2023-46752: malformed MP_REACH_NLRI was processed. Its prefixes cannot be known: RFC 7606 §3 j.
TEST(Cve, 2023_46752_malformed_mp_reach) {
  for (const char* value : {"", "0002", "0002 01", "0002 01 ff", "0002 01 10 2001",
                            "0002 01 20 20010db8000000000000000000000001 00", "0002 01 00"}) {
    const auto reach = attribute(0x80, 14, hex(value));
    EXPECT_EQ(reset_by(craft::update({.attributes = join({reach, craft::origin(), craft::as_path({65001})})})),
              update_error_with(update_error::kOptionalAttribute, reach))
        << value;
  }
}
// FRR before 8.4.3 and to 9.0, CVE-2023-38406 and -41909, and GoBGP to 3.34, CVE-2025-43972: flow specifications of
// length zero, without attributes, or shorter than their own fields. Other family.
TEST(Cve, 2023_38406_2023_41909_2025_43972_flow_specifications) {
  for (const char* nlri : {"00", "0b 01 18 0a", "f0", "05 02 40 20 0a"}) {
    const auto reach = attribute(0x80, 14, craft::mp_reach(kFlowSpec, {}, hex(nlri)));
    const auto decoded = received(with(reach));
    EXPECT_TRUE(announces_10_8(decoded)) << nlri;
    EXPECT_EQ(actions(decoded), "discard 14");
    EXPECT_EQ(update_of(craft::update({.attributes = reach})), Update{});
    EXPECT_EQ(update_of(craft::update({.attributes = attribute(0x80, 15, craft::mp_unreach(kFlowSpec, hex(nlri)))})),
              Update{});
  }
}
// FRR before 8.5, CVE-2023-38407: labels beyond the end; Quagga before 1.0.20160309, CVE-2016-2342: a VPN prefix longer
// than its buffer. Other families.
TEST(Cve, 2023_38407_and_2016_2342_labelled_prefixes) {
  const auto labelled = attribute(0x80, 14, craft::mp_reach({1, 4}, craft::address("192.0.2.1"), hex("20 0001")));
  EXPECT_EQ(actions(received(with(labelled))), "discard 14");
  const auto vpn =
      attribute(0x80, 14, craft::mp_reach({1, 128}, craft::repeat(0, 12), join({{0xff}, craft::repeat(0xaa, 32)})));
  EXPECT_EQ(actions(received(with(vpn))), "discard 14");
}

// ---- UPDATE: attributes ----

// OpenBGPD before 8.1, CVE-2023-38283: a wrong length of an attribute from afar reset the session. RFC 7606 §4, §7.
TEST(Cve, 2023_38283_wrong_lengths_do_not_reset_the_session) {
  for (const auto& wrong : {attribute(0xc0, 8, {}), attribute(0xc0, 8, {1}), attribute(0xc0, 16, {1}),
                            attribute(0xc0, 32, {1}), attribute(0x80, 4, {1})})
    EXPECT_TRUE(withdraws_10_8(received(with(wrong))));
  for (const auto& wrong :
       {attribute(0x40, 6, {1}), attribute(0xc0, 7, {1}), attribute(0xc0, 17, {1}), attribute(0xc0, 18, {1})})
    EXPECT_TRUE(announces_10_8(received(with(wrong))));
}
// FRR to 9.0, CVE-2023-38802 (also ExtremeXOS, CVE-2023-40457): a corrupted tunnel encapsulation attribute (23) that
// had crossed others unread reset the session. FRR to 10.1, CVE-2024-44070: its TLV leads out of the attribute.
TEST(Cve, 2023_38802_2023_40457_2024_44070_tunnel_encapsulation) {
  for (const char* value : {"00", "0008", "0008 ffff", "0008 0004 01", "0008 0002 ff ff", ""})
    passes_on_unread(23, hex(value));
}
// FRR 8.4.2, CVE-2023-31490, and to 9.1, CVE-2024-31948: a malformed Prefix-SID attribute (40).
TEST(Cve, 2023_31490_and_2024_31948_prefix_sid) {
  for (const char* value : {"05", "05 00", "05 0015", "05 0015 00 01 00", "01 0007 00", "03 ffff 00"})
    passes_on_unread(40, hex(value));
}
// FRR to 9.0, CVE-2023-41359: two octets of an AIGP attribute (26) that are not there. It is not transitive: dropped.
TEST(Cve, 2023_41359_aigp_without_a_length) {
  const auto decoded = received(with(attribute(0x80, 26, {1})));
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_TRUE(update_of(decoded).attributes->unknown.empty());
}
// FRR 10.0 to 10.6, CVE-2026-37459: the length of a next hop capability TLV (39) wrapped.
TEST(Cve, 2026_37459_next_hop_capability) {
  for (const char* value : {"0001 01 04 c0000201 0001 0003 00", "0001 01 04 c0000201 0001 ffff", "0001"})
    passes_on_unread(39, hex(value));
}
// GoBGP 4.3.0, CVE-2026-37461: IPv6 extended communities (25) shorter than one.
TEST(Cve, 2026_37461_ipv6_extended_communities) {
  for (const std::size_t length : {1, 19, 21}) passes_on_unread(25, craft::repeat(0, length));
}
// FRR to 6.0.1, CVE-2019-5892: attribute 255 was taken for an internal one and reset the session.
TEST(Cve, 2019_5892_attribute_255) { passes_on_unread(255, hex("0001 0002")); }
// BIRD to 2.0.8: attribute 35 (RFC 9234) that came with Extended Length was passed on with that flag and a length of
// one octet, so that the next speaker read 1024. The flag follows the length that we write.
TEST(Cve, bird_2_0_8_extended_length_is_not_copied) {
  const auto u = update_of(with(attribute(0xd0, 35, hex("0000fde9"))));
  EXPECT_EQ(update_of(encode(u, session())), u);
  const auto encoded = encode_attributes(*u.attributes, session()).bytes;
  const auto tail = hex("e0 23 04 0000fde9");
  EXPECT_TRUE(std::equal(tail.rbegin(), tail.rend(), encoded.rbegin()));
}
// Quagga to 1.2.2, CVE-2018-5379: CLUSTER_LIST and unknown attributes of one UPDATE were freed twice.
TEST(Cve, 2018_5379_cluster_list_and_unknown_attributes_more_than_once) {
  const auto cluster = attribute(0x80, 10, hex("00000001")), unknown = attribute(0xc0, 99, {1});
  const auto decoded = received(with(join({cluster, unknown, cluster, unknown})), internal());
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "discard 10, discard 99");
  EXPECT_TRUE(withdraws_10_8(received(with(join({attribute(0x80, 10, {1}), unknown, cluster, unknown})), internal())));
}
// Quagga 0.99.21, CVE-2013-6051: unknown attributes brought down the daemon.
TEST(Cve, 2013_6051_unknown_attributes) {
  craft::Bytes many;
  for (unsigned type = 41; type <= 255; ++type)
    many = join({many, attribute(0xc0, static_cast<std::uint8_t>(type), {1})});
  EXPECT_EQ(update_of(with(many)).attributes->unknown.size(), 215u);
}
// Quagga to 0.99.16, CVE-2010-2949: an unknown segment type in AS_PATH. RFC 7606 §7.2.
TEST(Cve, 2010_2949_unknown_segment_type) {
  const auto path = attribute(0x40, 2, hex("00 01 0000fde9"));
  EXPECT_TRUE(withdraws_10_8(
      received(craft::update({.attributes = join({craft::origin(), path, craft::next_hop()}), .nlri = kNlri}))));
}
// Quagga to 0.99.11, CVE-2009-1572: the text of a path of many large AS numbers was longer than its buffer.
TEST(Cve, 2009_1572_long_text_of_large_as_numbers) {
  AsPath path;
  for (unsigned i = 0; i < 1000; ++i) path.prepend(4294967294);
  EXPECT_EQ(path.to_string().size(), 1000 * 11 - 1);
}
// Quagga to 1.2.1, CVE-2017-16227: the size of a path of more than one segment was counted wrongly, and the message
// that carried it on was invalid. OpenBGPD 4.4, CVE-2009-0780: prepending to a path of 255.
TEST(Cve, 2017_16227_and_2009_0780_paths_beyond_one_segment) {
  for (const unsigned length : {254u, 255u, 256u, 509u, 510u, 511u, 900u}) {
    PathAttributes a;
    for (unsigned i = 0; i < length; ++i) a.as_path.prepend(i + 1);
    const Update u{{}, a, {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}, {}};
    EXPECT_EQ(update_of(encode(u, session())), u) << length;
    EXPECT_EQ(update_of(encode(u, old_speaker()), old_speaker()), u) << length;
    EXPECT_EQ(a.as_path.length(), length);
  }
}
// BIRD to 2.19.0, CVE-2026-49943: a path of more than 2048 numbers, as an extended message brings it, in a fixed array.
TEST(Cve, 2026_49943_path_of_an_extended_message) {
  Context context = session();
  context.extended_message = true;
  craft::Bytes value;
  for (int i = 0; i < 60; ++i) value = join({value, {2, 255}, craft::repeat(1, 255 * 4)});
  const auto path = join({craft::origin(), attribute(0x50, 2, value), craft::next_hop()});
  const auto u = update_of(craft::update({.attributes = path, .nlri = kNlri}), context);
  EXPECT_EQ(u.attributes.value().as_path.length(), 60u * 255);
  EXPECT_EQ(update_of(encode(u, context), context), u);
  // Such a route has no place in a message of 4096 octets and goes to no peer without extended messages.
  std::vector<std::uint8_t> out;
  EXPECT_EQ(append_announcements(out, u.announced[0].prefixes, u.announced[0].next_hop,
                                 encode_attributes(*u.attributes, session()), session()),
            0u);
}
// Quagga to 0.99.18, CVE-2011-3327: the text of unknown extended communities overflowed.
TEST(Cve, 2011_3327_text_of_unknown_extended_communities) {
  for (const std::uint64_t raw : {0xffffffffffffffffu, 0x80ff000000000000u, 0x0602ffffffffffffu})
    EXPECT_EQ(extended_community_text(raw).size(), 18u);
}
// GoBGP 4.2.0, CVE-2026-30405: NEXT_HOP shorter than four octets shifted all that followed. RFC 7606 §7.3.
TEST(Cve, 2026_30405_short_next_hop) {
  for (std::size_t length = 0; length < 4; ++length) {
    const auto attributes =
        join({craft::origin(), attribute(0x40, 3, craft::repeat(1, length)), craft::as_path({65001})});
    const auto decoded = received(craft::update({.attributes = attributes, .nlri = kNlri}));
    EXPECT_TRUE(withdraws_10_8(decoded));
    EXPECT_EQ(actions(decoded), "withdraw 3");
  }
}
// GoBGP to 4.2.0, CVE-2026-41643: removing a malformed AS4_PATH that stands before AS_PATH shifted the attributes.
TEST(Cve, 2026_41643_malformed_as4_path_before_as_path) {
  const auto attributes =
      join({craft::origin(), attribute(0xc0, 17, hex("02 ff 00000001")), craft::next_hop(), craft::as_path({7}, 2)});
  const auto decoded = received(craft::update({.attributes = attributes, .nlri = kNlri}), old_speaker());
  EXPECT_TRUE(announces_10_8(decoded));
  EXPECT_EQ(actions(decoded), "discard 17");
  EXPECT_EQ(update_of(decoded).attributes->as_path.to_string(), "7");
}
// GoBGP, GHSA-frrj-87jh-2772: an AS_PATH of length zero, which is well-formed (RFC 7606 §4), was read all the same.
TEST(Cve, ghsa_frrj_87jh_2772_empty_as_path) {
  for (const Context& context : {session(), internal(), old_speaker()}) {
    const auto decoded = received(
        craft::update({.attributes = join({craft::origin(), craft::as_path({}), craft::next_hop()}), .nlri = kNlri}),
        context);
    EXPECT_TRUE(announces_10_8(decoded));
    EXPECT_EQ(update_of(decoded).attributes->as_path.first(), std::nullopt);
  }
}
// GoBGP, CVE-2023-46565: a fault while handling the errors of a message. All three actions in one message.
TEST(Cve, 2023_46565_every_kind_of_error_at_once) {
  const auto discard = attribute(0x40, 6, {1}), withdraw = attribute(0xc0, 8, {1}),
             well_known = attribute(0x40, 99, {1});
  EXPECT_EQ(reset_by(with(join({discard, withdraw, well_known, attribute(0xc0, 8, {}, 200)}))),
            update_error_with(update_error::kUnrecognizedWellKnown, well_known));
}

}  // namespace
}  // namespace weft::bgp
