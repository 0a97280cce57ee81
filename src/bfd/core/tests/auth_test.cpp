#include "bfd/core/auth.h"

#include <gtest/gtest.h>
#include <openssl/sha.h>

namespace weft::bfd {
namespace {

ControlPacket packet() {
  ControlPacket p;
  p.state = State::up;
  p.multiplier = 3;
  p.my_discriminator = 7;
  p.your_discriminator = 9;
  return p;
}

std::optional<Discard> judged(Authenticator& a, const std::vector<std::uint8_t>& bytes) {
  const auto p = decode(bytes);
  EXPECT_TRUE(p);
  return a.verify(*p, bytes);
}

TEST(Authenticator, the_section_is_laid_out_as_the_rfc_draws_it) {
  Authenticator a({.id = 2, .secret = "k"}, 0x01020303);
  auto b = a.sign(packet());
  ASSERT_EQ(b.size(), 52u);
  EXPECT_EQ(b[3], 52);
  EXPECT_EQ(std::vector<std::uint8_t>(b.begin() + 24, b.begin() + 32),
            (std::vector<std::uint8_t>{5, 28, 2, 0, 1, 2, 3, 4}));
  // The digest is SHA1 over the packet with the padded key in its place.
  const std::vector<std::uint8_t> digest(b.begin() + 32, b.end());
  std::fill(b.begin() + 32, b.end(), std::uint8_t{0});
  b[32] = 'k';
  std::vector<std::uint8_t> expected(SHA_DIGEST_LENGTH);
  SHA1(b.data(), b.size(), expected.data());
  EXPECT_EQ(digest, expected);
}

TEST(Authenticator, the_same_key_on_both_sides_is_believed) {
  Authenticator us({1, "secret"}, 5), them({1, "secret"}, 900);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(judged(us, them.sign(packet())), std::nullopt) << i;
}

TEST(Authenticator, another_key_another_id_another_type_and_none_at_all_are_told_apart) {
  Authenticator us({1, "secret"}, 5);
  EXPECT_EQ(judged(us, Authenticator({1, "other"}, 5).sign(packet())), Discard::auth_digest);
  EXPECT_EQ(judged(us, Authenticator({2, "secret"}, 5).sign(packet())), Discard::auth_key_id);
  EXPECT_EQ(judged(us, Authenticator({1, "secret", false}, 5).sign(packet())), Discard::auth_type);
  EXPECT_EQ(judged(us, encode(packet())), Discard::auth_missing);
  auto p = packet();
  p.auth = AuthSection{kMeticulousKeyedSha1, "\x01"};
  EXPECT_EQ(judged(us, encode(p)), Discard::auth_length);
}

TEST(Authenticator, any_changed_bit_breaks_the_digest) {
  Authenticator them({1, "secret"}, 5);
  const auto good = them.sign(packet());
  for (const std::size_t at : {0, 2, 7, 11, 13, 17, 27, 35, 51}) {
    auto bad = good;
    bad[at] ^= 0x01;
    Authenticator us({1, "secret"}, 5);
    EXPECT_EQ(judged(us, bad), Discard::auth_digest) << "byte " << at;
  }
}

TEST(Authenticator, a_replayed_packet_is_refused) {
  Authenticator us({1, "secret"}, 5), them({1, "secret"}, 5);
  const auto first = them.sign(packet());
  EXPECT_EQ(judged(us, first), std::nullopt);
  EXPECT_EQ(judged(us, first), Discard::auth_sequence);
  const auto second = them.sign(packet());
  EXPECT_EQ(judged(us, second), std::nullopt);
  EXPECT_EQ(judged(us, first), Discard::auth_sequence);
}

TEST(Authenticator, three_multipliers_may_be_lost_and_no_more) {
  Authenticator us({1, "secret"}, 5), them({1, "secret"}, 0xfffffffc);  // the numbers wrap meanwhile
  EXPECT_EQ(judged(us, them.sign(packet())), std::nullopt);
  for (int lost = 0; lost < 8; ++lost) them.sign(packet());
  EXPECT_EQ(judged(us, them.sign(packet())), std::nullopt) << "the ninth";
  for (int lost = 0; lost < 9; ++lost) them.sign(packet());
  EXPECT_EQ(judged(us, them.sign(packet())), Discard::auth_sequence) << "the tenth";
  us.forget_sequence();
  EXPECT_EQ(judged(us, them.sign(packet())), std::nullopt) << "after the number was forgotten";
}

TEST(Authenticator, a_forged_packet_does_not_move_the_window) {
  Authenticator us({1, "secret"}, 5), them({1, "secret"}, 100), stranger({1, "guess"}, 5'000'000);
  EXPECT_EQ(judged(us, stranger.sign(packet())), Discard::auth_digest);
  EXPECT_EQ(judged(us, them.sign(packet())), std::nullopt);
}

TEST(Authenticator, the_plain_kind_repeats_its_number_while_it_says_the_same) {
  Authenticator us({1, "secret", false}, 5), them({1, "secret", false}, 100);
  const auto first = them.sign(packet());
  EXPECT_EQ(them.sign(packet()), first);
  EXPECT_EQ(judged(us, first), std::nullopt);
  EXPECT_EQ(judged(us, first), std::nullopt);
  auto other = packet();
  other.state = State::down;
  EXPECT_EQ(judged(us, them.sign(other)), std::nullopt);
  EXPECT_EQ(judged(us, first), Discard::auth_sequence);
}

}  // namespace
}  // namespace weft::bfd
