#include "bfd/core/packet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::bfd {
namespace {

// A packet as FRR sends it: Up, C clear, multiplier 3, 300 ms both ways.
const std::vector<std::uint8_t> kUp = {0x20, 0xc0, 3,    24,   0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88,
                                       0,    4,    0x93, 0xe0, 0,    4,    0x93, 0xe0, 0,    0,    0xc3, 0x50};

std::vector<std::uint8_t> changed(std::size_t at, std::uint8_t value) {
  auto b = kUp;
  b[at] = value;
  return b;
}

Discard refusal(const std::vector<std::uint8_t>& bytes) {
  const auto p = decode(bytes);
  EXPECT_FALSE(p) << "the packet was accepted";
  return p ? Discard::count_ : p.error();
}

TEST(Packet, reads_every_field_of_the_mandatory_section) {
  const auto p = decode(kUp);
  ASSERT_TRUE(p);
  EXPECT_EQ(p->diag, Diag::none);
  EXPECT_EQ(p->state, State::up);
  EXPECT_EQ(p->multiplier, 3);
  EXPECT_EQ(p->my_discriminator, 0x11223344u);
  EXPECT_EQ(p->your_discriminator, 0x55667788u);
  EXPECT_EQ(p->desired_min_tx, std::chrono::milliseconds(300));
  EXPECT_EQ(p->required_min_rx, std::chrono::milliseconds(300));
  EXPECT_EQ(p->required_min_echo_rx, std::chrono::milliseconds(50));
  EXPECT_FALSE(p->auth);
  EXPECT_EQ(encode(*p), kUp);
}

TEST(Packet, every_flag_has_its_bit) {
  ControlPacket p = *decode(kUp);
  const auto flags = [&] { return encode(p)[1] & 0x3f; };
  p.poll = true;
  EXPECT_EQ(flags(), 0x20);
  p.poll = false, p.final = true;
  EXPECT_EQ(flags(), 0x10);
  p.final = false, p.control_plane_independent = true;
  EXPECT_EQ(flags(), 0x08);
  p.control_plane_independent = false, p.demand = true;
  EXPECT_EQ(flags(), 0x02);
  p.auth = AuthSection{1, "\x01pw"};
  EXPECT_EQ(flags(), 0x06);
  EXPECT_EQ(*decode(encode(p)), p);
}

TEST(Packet, reserved_diagnostics_are_kept_as_they_came) {
  const auto p = decode(changed(0, 0x3f));
  ASSERT_TRUE(p);
  EXPECT_EQ(static_cast<int>(p->diag), 31);
  EXPECT_EQ(to_string(p->diag), "reserved diagnostic");
}

TEST(Packet, what_section_6_8_6_says_to_discard_is_discarded_with_its_reason) {
  EXPECT_EQ(refusal({}), Discard::too_short);
  EXPECT_EQ(refusal(std::vector<std::uint8_t>(kUp.begin(), kUp.end() - 1)), Discard::too_short);
  EXPECT_EQ(refusal(changed(0, 0x00)), Discard::version);
  EXPECT_EQ(refusal(changed(0, 0x40)), Discard::version);
  EXPECT_EQ(refusal(changed(3, 23)), Discard::length);
  EXPECT_EQ(refusal(changed(3, 25)), Discard::length) << "beyond the datagram";
  EXPECT_EQ(refusal(changed(1, 0xc4)), Discard::length) << "A set: 26 bytes at least";
  EXPECT_EQ(refusal(changed(2, 0)), Discard::zero_multiplier);
  EXPECT_EQ(refusal(changed(1, 0xc1)), Discard::multipoint);
  auto b = kUp;
  std::fill_n(b.begin() + 4, 4, 0);
  EXPECT_EQ(refusal(b), Discard::zero_my_discriminator);
}

TEST(Packet, without_your_discriminator_only_down_and_admin_down_are_believed) {
  auto b = kUp;
  std::fill_n(b.begin() + 8, 4, 0);
  EXPECT_EQ(refusal(b), Discard::zero_your_state);
  b[1] = 0x80;
  EXPECT_EQ(refusal(b), Discard::zero_your_state);
  b[1] = 0x40;
  EXPECT_TRUE(decode(b));
  b[1] = 0x00;
  EXPECT_TRUE(decode(b));
}

TEST(Packet, an_authentication_section_must_fit_into_the_length) {
  auto b = changed(1, 0xc4);
  b[3] = 28;
  b.insert(b.end(), {5, 28, 1, 0});
  EXPECT_EQ(refusal(b), Discard::auth_length) << "says 28 bytes, has 4";
  b[25] = 1;
  EXPECT_EQ(refusal(b), Discard::auth_length) << "shorter than its own head";
  b[25] = 4;
  const auto p = decode(b);
  ASSERT_TRUE(p);
  EXPECT_EQ(p->auth->type, 5);
  EXPECT_EQ(p->auth->body, std::string("\x01\x00", 2));
}

TEST(Packet, bytes_beyond_the_length_do_not_matter) {
  auto b = kUp;
  b.insert(b.end(), 40, 0xff);
  ASSERT_TRUE(decode(b));
  EXPECT_EQ(*decode(b), *decode(kUp));
}

}  // namespace
}  // namespace weft::bfd
