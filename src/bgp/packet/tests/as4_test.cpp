// Talking to a speaker that knows two-octet AS numbers only: RFC 6793 §4.2 and §6.
#include "bgp/packet/tests/sessions.h"

namespace weft::bgp {
namespace {

using craft::attribute;
using craft::hex;

Decoded from_old(const craft::Bytes& path, const craft::Bytes& others, const Context& context = old_speaker()) {
  return received(
      craft::update({.attributes = craft::join({craft::origin(), attribute(0x40, 2, path), craft::next_hop(), others}),
                     .nlri = craft::prefix("10.0.0.0/8")}),
      context);
}
std::string path_of(const Decoded& d) { return update_of(d).attributes.value_or(PathAttributes{}).as_path.to_string(); }
craft::Bytes as4_path(const char* value) { return attribute(0xc0, 17, hex(value)); }
craft::Bytes as4_aggregator(const char* value) { return attribute(0xc0, 18, hex(value)); }
craft::Bytes aggregator(const char* value) { return attribute(0xc0, 7, hex(value)); }

TEST(As4Path, is_written_when_a_number_does_not_fit) {
  PathAttributes a;
  a.as_path = AsPath{{{AsPathSegment::Type::sequence, {65001, 4200000001}}}};
  const Update update{{}, a, {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}, {}};
  EXPECT_EQ(encode(update, old_speaker()),
            craft::message(2, hex("0000 0021 40 01 01 00  40 02 06 02 02 fde9 5ba0  40 03 04 c0000201"
                                  "c0 11 0a 02 02 0000fde9 fa56ea01  08 0a")));
  EXPECT_EQ(update_of(encode(update, old_speaker()), old_speaker()), update);
}

TEST(As4Path, is_not_written_when_all_numbers_fit_or_the_peer_is_new) {
  PathAttributes a;
  a.as_path = AsPath{{{AsPathSegment::Type::sequence, {65001, 23456}}}};
  Update update{{}, a, {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}, {}};
  EXPECT_EQ(encode(update, old_speaker()),
            craft::message(2, hex("0000 0014 40 01 01 00  40 02 06 02 02 fde9 5ba0  40 03 04 c0000201  08 0a")));
  update.attributes->as_path = AsPath{{{AsPathSegment::Type::sequence, {4200000001}}}};
  EXPECT_EQ(encode(update, session()),
            craft::message(2, hex("0000 0014 40 01 01 00  40 02 06 02 01 fa56ea01  40 03 04 c0000201  08 0a")));
}

TEST(As4Path, tells_what_as_trans_hid) {
  const auto d = from_old(hex("02 03 fde9 5ba0 0007"), as4_path("02 03 0000fde9 fa56ea01 00000007"));
  EXPECT_EQ(path_of(d), "65001 4200000001 7");
  EXPECT_EQ(actions(d), "");
}

TEST(As4Path, that_is_shorter_keeps_the_leading_numbers_of_as_path) {
  // Two old speakers put their numbers before the path they could not read.
  EXPECT_EQ(path_of(from_old(hex("02 04 0001 0002 5ba0 0007"), as4_path("02 02 fa56ea01 00000007"))),
            "1 2 4200000001 7");
  EXPECT_EQ(path_of(from_old(hex("02 01 0001 02 02 0002 5ba0"), as4_path("02 01 fa56ea01"))), "1 2 4200000001")
      << "over two segments";
  EXPECT_EQ(path_of(from_old(hex("01 02 0001 0002 02 01 5ba0"), as4_path("02 01 fa56ea01"))), "{1,2} 4200000001")
      << "a set is one";
}

TEST(As4Path, that_is_longer_is_ignored) {
  EXPECT_EQ(path_of(from_old(hex("02 01 5ba0"), as4_path("02 02 0000fde9 fa56ea01"))), "23456");
}

TEST(As4Path, follows_confederation_segments_that_lead) {
  Context context = old_speaker();
  context.ibgp = true;
  EXPECT_EQ(path_of(from_old(hex("03 01 fc00 02 02 0001 5ba0"), as4_path("02 01 fa56ea01"), context)),
            "(64512) 1 4200000001");
  EXPECT_EQ(path_of(from_old(hex("03 01 fc00 02 01 5ba0"), as4_path("03 01 0000fc01 02 01 fa56ea01"), context)),
            "(64512) 4200000001")
      << "its own confederation segments are dropped (RFC 6793 §6)";
}

TEST(As4Path, that_is_malformed_is_discarded) {
  for (const char* wrong : {"", "02", "02 00", "02 01", "02 01 0001", "02 02 00000001", "05 01 00000001",
                            "02 01 00000001 02 00", "02 01 00000000"}) {
    const auto d = from_old(hex("02 01 5ba0"), as4_path(wrong));
    EXPECT_EQ(path_of(d), "23456") << wrong;
    EXPECT_EQ(actions(d), "discard 17") << wrong;
  }
}

TEST(As4Attributes, of_a_new_speaker_are_discarded) {
  const auto d = received(with(craft::join({as4_path("02 01 fa56ea01"), as4_aggregator("fa56ea01 c0000201")})));
  EXPECT_EQ(actions(d), "discard 17, discard 18");
  EXPECT_EQ(path_of(d), "65001");
}

TEST(As4Attributes, with_wrong_flags_withdraw) {
  EXPECT_EQ(actions(from_old(hex("02 01 5ba0"), attribute(0x80, 17, hex("02 01 fa56ea01")))), "withdraw 17");
  EXPECT_EQ(actions(from_old(hex("02 01 5ba0"), attribute(0x40, 18, hex("fa56ea01 c0000201")))), "withdraw 18");
}

TEST(As4Aggregator, stands_for_an_aggregator_of_as_trans) {
  const auto d = from_old(
      hex("02 01 5ba0"),
      craft::join({aggregator("5ba0 c0000201"), as4_aggregator("fa56ea01 c0000201"), as4_path("02 01 fa56ea01")}));
  EXPECT_EQ(update_of(d).attributes->aggregator, (Aggregator{4200000001, addr("192.0.2.1")}));
  EXPECT_EQ(path_of(d), "4200000001");
}

TEST(As4Aggregator, beside_another_aggregator_makes_all_as4_attributes_stale) {
  const auto d = from_old(
      hex("02 01 5ba0"),
      craft::join({aggregator("0007 c0000201"), as4_aggregator("fa56ea01 c0000201"), as4_path("02 01 fa56ea01")}));
  EXPECT_EQ(update_of(d).attributes->aggregator, (Aggregator{7, addr("192.0.2.1")}));
  EXPECT_EQ(path_of(d), "23456");
}

TEST(As4Aggregator, without_an_aggregator_is_ignored) {
  const auto d = from_old(hex("02 01 5ba0"), as4_aggregator("fa56ea01 c0000201"));
  EXPECT_EQ(update_of(d).attributes->aggregator, std::nullopt);
}

TEST(As4Aggregator, of_a_wrong_length_or_as_0_is_discarded) {
  for (const char* wrong : {"", "fa56ea01 c00002", "fa56ea01 c000020100", "00000000 c0000201"}) {
    const auto d = from_old(hex("02 01 5ba0"), craft::join({aggregator("5ba0 c0000201"), as4_aggregator(wrong)}));
    EXPECT_EQ(actions(d), "discard 18") << wrong;
    EXPECT_EQ(update_of(d).attributes->aggregator, (Aggregator{kAsTrans, addr("192.0.2.1")})) << wrong;
  }
}

TEST(LongPaths, are_written_in_several_segments) {
  PathAttributes a;
  a.as_path = AsPath{{{AsPathSegment::Type::sequence, std::vector<Asn>(300, 7)}}};
  const Update update{{}, a, {{{addr("192.0.2.1"), {}}, {pfx("10.0.0.0/8")}}}, {}};
  const auto path = update_of(encode(update, session())).attributes->as_path;
  EXPECT_EQ(path.segments.size(), 2u);
  EXPECT_EQ(path.length(), 300u);
}

}  // namespace
}  // namespace weft::bgp
