// The message header (RFC 4271 §4.1, §6.1, 8654) and the messages that are little more.
#include <gtest/gtest.h>

#include "bgp/packet/message.h"
#include "bgp/packet/tests/craft.h"

namespace weft::bgp {
namespace {

Notification refusal(const craft::Bytes& bytes, const Context& context = {}) {
  const auto length = message_length(bytes, context);
  if (!length) return length.error();
  return decode(bytes, context).error();
}

Notification header_error_with(std::uint8_t subcode, craft::Bytes data) {
  return {ErrorCode::message_header, subcode, std::move(data)};
}

Context extended() {
  Context c;
  c.extended_message = true;
  return c;
}

TEST(Header, tells_the_length_before_the_rest_has_come) {
  auto bytes = craft::message(2, craft::repeat(0, 100));
  bytes.resize(kHeaderSize);
  EXPECT_EQ(message_length(bytes, {}).value(), 119u);
}

TEST(Header, tells_the_length_of_the_first_of_several_messages) {
  const auto bytes = craft::join({craft::message(4, {}), craft::message(4, {})});
  EXPECT_EQ(message_length(bytes, {}).value(), kHeaderSize);
}

TEST(Header, with_a_wrong_marker_is_not_synchronized) {
  for (std::size_t i = 0; i < 16; ++i) {
    auto marker = craft::repeat(0xff, 16);
    marker[i] = 0xfe;
    EXPECT_EQ(refusal(craft::message(4, {}, {}, marker)), header_error_with(header_error::kNotSynchronized, {})) << i;
  }
}

TEST(Header, with_a_length_below_19_or_above_4096_quotes_it) {
  for (const std::uint16_t length : {0, 1, 18, 4097, 65535})
    EXPECT_EQ(refusal(craft::message(2, craft::repeat(0, 4), length)),
              header_error_with(header_error::kBadLength, craft::number(length, 2)))
        << length;
}

TEST(Header, may_say_up_to_65535_when_extended_messages_were_agreed_on) {
  EXPECT_EQ(message_length(craft::message(2, {}, 65535), extended()).value(), 65535u);
  EXPECT_EQ(message_length(craft::message(3, {}, 65535), extended()).value(), 65535u);
  EXPECT_EQ(message_length(craft::message(2, {}, 4096), {}).value(), 4096u);
}

TEST(Header, of_open_and_keepalive_stays_short_with_extended_messages) {
  EXPECT_EQ(message_length(craft::message(1, {}, 4096), extended()).value(), 4096u);
  EXPECT_EQ(refusal(craft::message(1, {}, 4097), extended()),
            header_error_with(header_error::kBadLength, craft::hex("1001")));
  EXPECT_EQ(refusal(craft::message(4, {}, 4097), extended()),
            header_error_with(header_error::kBadLength, craft::hex("1001")));
}

TEST(Header, with_less_than_the_type_needs_is_a_bad_length) {
  const std::vector<std::pair<std::uint8_t, std::uint16_t>> one_short{{1, 28}, {2, 22}, {3, 20}, {5, 22}, {4, 20}};
  for (const auto& [type, length] : one_short)
    EXPECT_EQ(refusal(craft::message(type, craft::repeat(0, length - 19))),
              header_error_with(header_error::kBadLength, craft::number(length, 2)))
        << unsigned{type};
}

TEST(Header, with_an_unknown_type_quotes_it) {
  for (const std::uint8_t type : {0, 6, 255})
    EXPECT_EQ(refusal(craft::message(type, {})), header_error_with(header_error::kBadType, {type})) << unsigned{type};
}

TEST(Header, of_a_message_that_is_cut_off_is_a_bad_length) {
  auto bytes = craft::update({});
  bytes.pop_back();
  EXPECT_EQ(decode(bytes, {}).error().subcode, header_error::kBadLength);
  EXPECT_EQ(decode(craft::repeat(0xff, 5), {}).error().subcode, header_error::kBadLength);
  EXPECT_EQ(decode({}, {}).error().subcode, header_error::kBadLength);
}

TEST(Keepalive, is_a_header_alone) {
  EXPECT_EQ(encode(Keepalive{}, {}), craft::hex("ffffffffffffffffffffffffffffffff 0013 04"));
  EXPECT_EQ(decode(encode(Keepalive{}, {}), {}).value().message, Message{Keepalive{}});
}

// | AFI (2) | subtype | SAFI |   RFC 7313 §3.2
TEST(RouteRefresh, has_a_family_and_a_subtype) {
  const RouteRefresh begin{kIpv6Unicast, RouteRefresh::Subtype::begin};
  EXPECT_EQ(encode(begin, {}), craft::message(5, craft::hex("0002 01 01")));
  for (const auto subtype :
       {RouteRefresh::Subtype::request, RouteRefresh::Subtype::begin, RouteRefresh::Subtype::end}) {
    const RouteRefresh refresh{kIpv4Unicast, subtype};
    EXPECT_EQ(decode(encode(refresh, {}), {}).value().message, Message{refresh});
  }
}

TEST(RouteRefresh, marks_of_a_wrong_length_are_answered_with_the_whole_message) {
  for (const std::uint8_t subtype : {1, 2}) {
    const auto bytes = craft::message(5, craft::join({{0, 1, subtype, 1}, {0}}));
    EXPECT_EQ(refusal(bytes), (Notification{ErrorCode::route_refresh_message, 1, bytes}));
  }
}

TEST(RouteRefresh, request_with_filters_that_we_never_offered_is_a_request) {
  // RFC 5291 §4: when-to-refresh, ORF type, length, entries.
  const auto bytes = craft::message(5, craft::hex("0001 00 01 01 40 0003 800000"));
  EXPECT_EQ(decode(bytes, {}).value().message, (Message{RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::request}}));
}

TEST(RouteRefresh, without_the_enhanced_one_agreed_on_is_always_a_request) {
  Context plain;
  plain.enhanced_route_refresh = false;
  for (const auto& body :
       {craft::hex("0001 01 01"), craft::hex("0001 02 01"), craft::hex("0001 ff 01"), craft::hex("0001 01 01 00")})
    EXPECT_EQ(decode(craft::message(5, body), plain).value().message,
              (Message{RouteRefresh{kIpv4Unicast, RouteRefresh::Subtype::request}}));
}

TEST(RouteRefresh, of_an_unknown_subtype_is_left_to_the_session_to_ignore) {
  const auto refresh = std::get<RouteRefresh>(decode(craft::message(5, craft::hex("0001 07 01")), {}).value().message);
  EXPECT_EQ(static_cast<unsigned>(refresh.subtype), 7u);
}

}  // namespace
}  // namespace weft::bgp
