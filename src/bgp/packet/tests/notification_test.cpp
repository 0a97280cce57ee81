// NOTIFICATION: RFC 4271 §4.5, 9003, 8538, 4486, 6608, 9384.
#include "bgp/packet/notification.h"

#include <gtest/gtest.h>

#include "bgp/packet/message.h"
#include "bgp/packet/tests/craft.h"

namespace weft::bgp {
namespace {

Notification decoded(const craft::Bytes& bytes) { return std::get<Notification>(decode(bytes, {}).value().message); }

// | code | subcode | length | text |
TEST(ShutdownText, is_a_length_and_utf8) {
  const auto n = Notification::shutdown(cease::kAdminShutdown, "maintenance");
  EXPECT_EQ(n.data, craft::join({{11}, craft::hex("6d61696e74656e616e6365")}));
  EXPECT_EQ(n.shutdown_text(), "maintenance");
  EXPECT_EQ(encode(n, {}), craft::message(3, craft::join({{6, 2, 11}, craft::hex("6d61696e74656e616e6365")})));
}

TEST(ShutdownText, is_cut_at_a_character) {
  std::string text(254, 'a');
  text += "ü";  // two octets, and one has room
  const auto n = Notification::shutdown(cease::kAdminReset, text);
  EXPECT_EQ(n.data.size(), 255u);
  EXPECT_EQ(n.data[0], 254);
  const auto whole = Notification::shutdown(cease::kAdminReset, std::string(253, 'a') + "ü");
  EXPECT_EQ(whole.data[0], 255);
}

TEST(ShutdownText, of_nothing_is_a_zero_and_has_no_words) {
  const auto n = Notification::shutdown(cease::kAdminShutdown, "");
  EXPECT_EQ(n.data, craft::Bytes{0});
  EXPECT_EQ(n.shutdown_text(), "");
  EXPECT_EQ(n.to_string(), "Cease/Administrative Shutdown");
}

TEST(ShutdownText, with_control_characters_or_broken_utf8_is_escaped) {
  const Notification bell{ErrorCode::cease, cease::kAdminShutdown, {6, 'a', 0x1b, '[', 0x07, 0xff, 'b'}};
  EXPECT_EQ(bell.shutdown_text(), "a\\x1b[\\x07\\xffb");
  // An overlong slash, a surrogate, a C1 control, half a character.
  const Notification tricks{ErrorCode::cease, cease::kAdminReset, {8, 0xc0, 0xaf, 0xed, 0xa0, 0x80, 0xc2, 0x9b, 0xe2}};
  EXPECT_EQ(tricks.shutdown_text(), "\\xc0\\xaf\\xed\\xa0\\x80\\xc2\\x9b\\xe2");
}

TEST(ShutdownText, that_claims_more_than_is_there_ends_where_the_message_ends) {
  const Notification n{ErrorCode::cease, cease::kAdminShutdown, {200, 'h', 'i'}};
  EXPECT_EQ(n.shutdown_text(), "hi");
}

TEST(ShutdownText, belongs_to_two_subcodes_of_cease_alone) {
  EXPECT_EQ((Notification{ErrorCode::cease, cease::kPeerDeconfigured, {2, 'h', 'i'}}).shutdown_text(), "");
  EXPECT_EQ((Notification{ErrorCode::update_message, 2, {2, 'h', 'i'}}).shutdown_text(), "");
}

// | 6 | 9 | code | subcode | data |   RFC 8538 §3.1
TEST(HardReset, carries_the_real_reason) {
  const auto n = Notification::hard_reset(Notification::shutdown(cease::kAdminShutdown, "bye"));
  EXPECT_EQ(encode(n, {}), craft::message(3, craft::hex("0609 0602 03627965")));
  EXPECT_EQ(n.inner(), Notification::shutdown(cease::kAdminShutdown, "bye"));
  EXPECT_EQ(n.shutdown_text(), "bye");
  EXPECT_EQ(n.to_string(), "Cease/Hard Reset (Cease/Administrative Shutdown: \"bye\")");
}

TEST(HardReset, inside_a_hard_reset_or_without_a_reason_has_no_words) {
  const auto twice = Notification::hard_reset(Notification::hard_reset(Notification::shutdown(2, "bye")));
  EXPECT_EQ(twice.shutdown_text(), "");
  EXPECT_EQ(twice.to_string().find("bye"), std::string::npos);
  const Notification bare{ErrorCode::cease, cease::kHardReset, {6}};
  EXPECT_EQ(bare.inner(), std::nullopt);
  EXPECT_EQ(bare.to_string(), "Cease/Hard Reset: data 06");
}

TEST(Notifications, say_their_names) {
  EXPECT_EQ((Notification{ErrorCode::hold_timer_expired, 0, {}}).to_string(), "Hold Timer Expired");
  EXPECT_EQ((Notification{ErrorCode::open_message, open_error::kBadPeerAs, {}}).to_string(),
            "OPEN Message Error/Bad Peer AS");
  EXPECT_EQ((Notification{ErrorCode::finite_state_machine, fsm_error::kInOpenConfirm, {}}).to_string(),
            "Finite State Machine Error/Unexpected Message in OpenConfirm State");
  EXPECT_EQ((Notification{ErrorCode::cease, cease::kBfdDown, {}}).to_string(), "Cease/BFD Down");
  EXPECT_EQ((Notification{ErrorCode::cease, cease::kMaxPrefixes, {0, 1, 1}}).to_string(),
            "Cease/Maximum Number of Prefixes Reached: data 000101");
  EXPECT_EQ((Notification{static_cast<ErrorCode>(99), 7, {}}).to_string(), "error code 99/subcode 7");
  EXPECT_EQ((Notification{ErrorCode::update_message, 200, {}}).to_string(), "UPDATE Message Error/subcode 200");
}

TEST(Notifications, with_much_data_show_its_start_and_size) {
  const auto text = Notification{ErrorCode::update_message, 5, craft::repeat(0xab, 400)}.to_string();
  EXPECT_LT(text.size(), 150u);
  EXPECT_NE(text.find("(400 octets)"), std::string::npos) << text;
}

TEST(Notifications, come_back_as_they_went_whatever_their_code) {
  for (const Notification& n :
       {Notification{ErrorCode::cease, cease::kCollision, {}}, Notification{static_cast<ErrorCode>(0), 0, {1}},
        Notification{static_cast<ErrorCode>(255), 255, craft::repeat(7, 4000)}})
    EXPECT_EQ(decoded(encode(n, {})), n);
}

TEST(Notifications, never_exceed_the_longest_message) {
  const auto bytes = encode(Notification{ErrorCode::update_message, 9, craft::repeat(1, 60000)}, {});
  EXPECT_EQ(bytes.size(), kMaxMessage);
  EXPECT_TRUE(decode(bytes, {}));
}

}  // namespace
}  // namespace weft::bgp
