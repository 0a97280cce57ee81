// OPEN: RFC 4271 §4.2 and §6.2, RFC 5492, 9072, and each capability's own.
#include <gtest/gtest.h>

#include "bgp/packet/message.h"
#include "bgp/packet/tests/craft.h"

namespace weft::bgp {
namespace {

using craft::capability;
using craft::hex;
using craft::parameter;

Notification open_refusal(const craft::Bytes& bytes) {
  const auto decoded = decode(bytes, {});
  return decoded ? Notification{} : decoded.error();
}

Notification open_fault(std::uint8_t subcode, craft::Bytes data = {}) {
  return {ErrorCode::open_message, subcode, std::move(data)};
}

Open opened(const craft::Bytes& bytes) {
  const auto decoded = decode(bytes, {});
  if (!decoded) {
    ADD_FAILURE() << decoded.error().to_string();
    return {};
  }
  return std::get<Open>(decoded->message);
}

Capabilities capable(const craft::Bytes& capabilities) {
  return opened(craft::open({.parameters = parameter(2, capabilities)})).capabilities;
}

Notification refused_capabilities(const craft::Bytes& capabilities) {
  return open_refusal(craft::open({.parameters = parameter(2, capabilities)}));
}

Open full_open() {
  Open open;
  open.asn = 4200000001;
  open.hold_time = 90;
  open.router_id = RouterId{0xc0000201};
  auto& c = open.capabilities;
  c.families = {kIpv4Unicast, kIpv6Unicast};
  c.route_refresh = c.enhanced_route_refresh = c.extended_message = true;
  c.four_octet_asn = open.asn;
  c.graceful_restart = GracefulRestart{true, true, 4095, {{kIpv4Unicast, true}, {kIpv6Unicast, false}}};
  c.extended_next_hop = {{kIpv4Unicast, 2}};
  c.host_name = "node-1";
  c.unknown = {{200, {1, 2, 3}}};
  return open;
}

// | version | my AS | hold time | identifier | length |
TEST(Open, without_capabilities_is_29_octets) {
  const Open open{65001, 90, RouterId{0xc0000201}, {}};
  EXPECT_EQ(encode(open, {}), craft::message(1, hex("04 fde9 005a c0000201 00")));
  EXPECT_EQ(opened(craft::open({})), open);
}

TEST(Open, comes_back_as_it_went) { EXPECT_EQ(opened(encode(full_open(), {})), full_open()); }

TEST(Open, of_another_version_is_told_ours) {
  for (const std::uint8_t version : {0, 3, 5, 255})
    EXPECT_EQ(open_refusal(craft::open({.version = version})), open_fault(open_error::kUnsupportedVersion, {0, 4}));
}

TEST(Open, from_as_0_or_as_trans_is_a_bad_peer_as) {
  EXPECT_EQ(open_refusal(craft::open({.asn = 0})), open_fault(open_error::kBadPeerAs));
  EXPECT_EQ(open_refusal(craft::open({.asn = 23456})), open_fault(open_error::kBadPeerAs));
  EXPECT_EQ(refused_capabilities(capability(65, hex("00000000"))), open_fault(open_error::kBadPeerAs));
  EXPECT_EQ(refused_capabilities(capability(65, hex("00005ba0"))), open_fault(open_error::kBadPeerAs));
}

TEST(Open, takes_the_as_from_the_capability) {
  const auto open = opened(craft::open({.asn = 23456, .parameters = parameter(2, capability(65, hex("fa56ea01")))}));
  EXPECT_EQ(open.asn, 4200000001u);
  EXPECT_EQ(open.capabilities.four_octet_asn, 4200000001u);
}

TEST(Open, puts_as_trans_where_a_large_as_does_not_fit) {
  const auto bytes = encode(full_open(), {});
  EXPECT_EQ(bytes[20] << 8 | bytes[21], 23456);
}

TEST(Open, with_a_hold_time_of_one_or_two_seconds_is_refused) {
  EXPECT_EQ(open_refusal(craft::open({.hold_time = 1})), open_fault(open_error::kUnacceptableHoldTime));
  EXPECT_EQ(open_refusal(craft::open({.hold_time = 2})), open_fault(open_error::kUnacceptableHoldTime));
  EXPECT_EQ(opened(craft::open({.hold_time = 0})).hold_time, 0);
  EXPECT_EQ(opened(craft::open({.hold_time = 3})).hold_time, 3);
}

TEST(Open, with_identifier_zero_is_refused) {
  EXPECT_EQ(open_refusal(craft::open({.router_id = 0})), open_fault(open_error::kBadIdentifier));
  // RFC 6286: it need not be an address of a host any more.
  EXPECT_EQ(opened(craft::open({.router_id = 0xffffffff})).router_id.value, 0xffffffffu);
}

TEST(Open, with_an_unknown_parameter_is_refused) {
  for (const std::uint8_t type : {0, 1, 3, 254})
    EXPECT_EQ(open_refusal(craft::open({.parameters = parameter(type, {1})})),
              open_fault(open_error::kUnsupportedParameter))
        << unsigned{type};
}

TEST(Open, whose_lengths_disagree_is_malformed) {
  const auto refresh = parameter(2, capability(2, {}));
  EXPECT_EQ(open_refusal(craft::open({.parameters = refresh, .parameters_length = 3})), open_fault(0)) << "too short";
  EXPECT_EQ(open_refusal(craft::open({.parameters = refresh, .parameters_length = 5})), open_fault(0)) << "too long";
  EXPECT_EQ(open_refusal(craft::open({.parameters = refresh, .parameters_length = 0})), open_fault(0))
      << "octets left over";
  EXPECT_EQ(open_refusal(craft::open({.parameters = {2}})), open_fault(0)) << "half a parameter header";
  EXPECT_EQ(open_refusal(craft::open({.parameters = parameter(2, capability(2, {}), 3)})), open_fault(0))
      << "parameter";
  EXPECT_EQ(refused_capabilities(capability(2, {}, 1)), open_fault(0)) << "capability";
  EXPECT_EQ(refused_capabilities({2}), open_fault(0)) << "half a capability header";
}

TEST(Open, accepts_capabilities_in_one_parameter_or_in_many) {
  const auto one = capable(craft::join({capability(2, {}), capability(70, {})}));
  const auto many = opened(craft::open({.parameters = craft::join({parameter(2, capability(2, {})), parameter(2, {}),
                                                                   parameter(2, capability(70, {}))})}));
  EXPECT_EQ(one, many.capabilities);
  EXPECT_TRUE(one.route_refresh && one.enhanced_route_refresh);
}

// | length, not 0 | 255 | length (2) | { type | length (2) | value }* |   RFC 9072 §2
TEST(ExtendedParameters, are_understood_also_when_they_are_short) {
  for (const std::uint8_t non_ext : {1, 4, 255}) {
    const auto open = opened(craft::open({.parameters = hex("ff 0005 02 0002 0200"), .parameters_length = non_ext}));
    EXPECT_TRUE(open.capabilities.route_refresh) << unsigned{non_ext};
  }
}

TEST(ExtendedParameters, are_written_when_255_octets_are_not_enough) {
  Open open = full_open();
  for (std::uint8_t code = 201; code < 211; ++code)
    open.capabilities.unknown.push_back({code, craft::repeat(code, 200)});
  const auto bytes = encode(open, {});
  EXPECT_EQ(bytes[28], 255);
  EXPECT_EQ(bytes[29], 255);
  EXPECT_EQ(opened(bytes), open);
}

TEST(ExtendedParameters, are_not_written_while_255_octets_are_enough) {
  Open open{65001, 90, RouterId{1}, {}};
  open.capabilities.unknown = {{200, craft::repeat(1, 251)}};
  EXPECT_EQ(encode(open, {})[28], 255);
  EXPECT_EQ(encode(open, {})[29], 2);
  EXPECT_EQ(opened(encode(open, {})), open);
  open.capabilities.unknown = {{200, craft::repeat(1, 252)}};
  EXPECT_EQ(encode(open, {})[29], 255);
  EXPECT_EQ(opened(encode(open, {})), open);
}

TEST(ExtendedParameters, whose_lengths_disagree_are_malformed) {
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff 0006 02 0002 0200"), .parameters_length = 255})),
            open_fault(0));
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff 0004 02 0002 0200"), .parameters_length = 255})),
            open_fault(0));
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff 0005 02 0003 0200"), .parameters_length = 255})),
            open_fault(0));
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff 00"), .parameters_length = 255})), open_fault(0));
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff"), .parameters_length = 255})), open_fault(0));
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff 0003 02 00 00"), .parameters_length = 0})), open_fault(0))
      << "a length of zero means that there are none";
}

TEST(ExtendedParameters, inside_of_themselves_are_an_unknown_parameter) {
  EXPECT_EQ(open_refusal(craft::open({.parameters = hex("ff 0003 ff 0000"), .parameters_length = 255})),
            open_fault(open_error::kUnsupportedParameter));
}

TEST(ExtendedParameters, of_length_zero_are_none) {
  EXPECT_EQ(opened(craft::open({.parameters = hex("ff 0000"), .parameters_length = 255})).capabilities, Capabilities{});
}

TEST(Capability, multiprotocol_names_families_once_each) {
  const auto c = capable(craft::join({capability(1, hex("0001 00 01")), capability(1, hex("0002 00 01")),
                                      capability(1, hex("0001 00 01")), capability(1, hex("0019 00 41"))}));
  EXPECT_EQ(c.families, (std::vector<AfiSafi>{kIpv4Unicast, kIpv6Unicast, {25, 65}}));
}

TEST(Capability, of_a_wrong_length_is_malformed) {
  for (const auto& wrong :
       {capability(1, hex("0001 00")), capability(1, hex("0001 00 01 00")), capability(1, {}), capability(2, {0}),
        capability(6, {0}), capability(70, {0}), capability(65, hex("0000fd")), capability(65, hex("0000fde900")),
        capability(64, {}), capability(64, {0}), capability(64, hex("0078 0001 01")), capability(5, hex("0001 0001"))})
    EXPECT_EQ(refused_capabilities(wrong), open_fault(0)) << unsigned{wrong[0]} << " of " << wrong.size() - 2;
}

// | R N . . | time (12 bits) | { AFI | SAFI | F }* |   RFC 4724 §3, 8538 §2
TEST(Capability, graceful_restart_has_flags_a_time_and_families) {
  const auto c = capable(capability(64, hex("c078 0001 01 80 0002 01 00")));
  EXPECT_EQ(c.graceful_restart, (GracefulRestart{true, true, 120, {{kIpv4Unicast, true}, {kIpv6Unicast, false}}}));
  EXPECT_EQ(capable(capability(64, hex("3fff"))).graceful_restart, (GracefulRestart{false, false, 4095, {}}));
}

TEST(Capability, graceful_restart_counts_where_it_stands_last) {
  EXPECT_EQ(capable(craft::join({capability(64, hex("8001")), capability(64, hex("0002"))})).graceful_restart,
            (GracefulRestart{false, false, 2, {}}));
}

TEST(Capability, restart_time_is_cut_to_what_twelve_bits_hold) {
  Open open{65001, 90, RouterId{1}, {}};
  open.capabilities.graceful_restart = GracefulRestart{false, false, 5000, {}};
  EXPECT_EQ(opened(encode(open, {})).capabilities.graceful_restart->restart_time, 4095);
}

// { AFI (2) | SAFI (2) | next hop AFI (2) }*   RFC 8950 §4
TEST(Capability, extended_next_hop_names_prefixes_and_next_hops) {
  EXPECT_EQ(capable(capability(5, hex("0001 0001 0002"))).extended_next_hop,
            (std::vector<ExtendedNextHop>{{kIpv4Unicast, 2}}));
  EXPECT_TRUE(capable(capability(5, hex("0001 0101 0002"))).extended_next_hop.empty()) << "no SAFI is that large";
}

TEST(Capability, host_name_is_taken_without_its_domain) {
  EXPECT_EQ(capable(capability(73, hex("03 746f72 02 6464"))).host_name, "tor");
}

TEST(Capability, host_name_that_is_malformed_does_not_end_the_session) {
  const auto c = capable(capability(73, hex("ff 746f72")));
  EXPECT_EQ(c.host_name, "");
  EXPECT_EQ(c.unknown, (std::vector<UnknownCapability>{{73, hex("ff 746f72")}}));
}

TEST(Capability, unknown_is_kept) {
  EXPECT_EQ(capable(capability(71, hex("0001 01 80 000000"))).unknown,
            (std::vector<UnknownCapability>{{71, hex("0001 01 80 000000")}}));
}

TEST(Capability, twice_with_the_same_value_is_the_same_as_once) {
  EXPECT_EQ(capable(craft::join({capability(2, {}), capability(2, {}), capability(65, hex("0000fde9")),
                                 capability(65, hex("0000fde9"))})),
            capable(craft::join({capability(2, {}), capability(65, hex("0000fde9"))})));
}

}  // namespace
}  // namespace weft::bgp
