#include "apps/cli/trust_bundle.h"

#include <gtest/gtest.h>

namespace weft::cli {
namespace {

std::string certificate(const char* body) {
  return std::string("-----BEGIN CERTIFICATE-----\n") + body + "\n-----END CERTIFICATE-----\n";
}
const std::string kA = certificate("QQ=="), kB = certificate("Qg==");

TEST(TrustBundle, what_people_wrote_stays_and_is_not_taken_over) {
  const std::string hand = "# our old authority\n" + kA;
  const auto with = with_authority(hand, "west", kA + kB);
  EXPECT_EQ(with, hand + "# Trusted for connected cluster west\n" + kB);
  EXPECT_EQ(without_authority(with, "west"), hand);
}

TEST(TrustBundle, adding_twice_is_adding_once) {
  const auto once = with_authority("", "west", kA);
  EXPECT_EQ(with_authority(once, "west", kA), once);
  EXPECT_EQ(without_authority(once, "east"), once);
}

TEST(TrustBundle, every_certificate_of_an_authority_comes_and_goes_with_its_cluster) {
  const auto both = with_authority("", "west", "Issuer: CN = west\n" + kA + kB);
  EXPECT_EQ(both, "# Trusted for connected cluster west\n" + kA + "# Trusted for connected cluster west\n" + kB);
  EXPECT_EQ(without_authority(both, "west"), "");
}

TEST(TrustBundle, a_missing_newline_and_carriage_returns_do_no_harm) {
  std::string dos = "-----BEGIN CERTIFICATE-----\r\nQQ==\r\n-----END CERTIFICATE-----";
  EXPECT_EQ(with_authority(dos, "west", kA), kA) << "the same certificate";
  EXPECT_EQ(with_authority(dos, "west", kB), kA + "# Trusted for connected cluster west\n" + kB);
}

}  // namespace
}  // namespace weft::cli
