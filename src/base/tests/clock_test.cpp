#include "base/clock.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace weft {
namespace {

TEST(Clock, writes_and_reads_kubernetes_times) {
  const auto t = parse_rfc3339("2026-03-01T10:00:00Z");
  EXPECT_EQ(rfc3339(t), "2026-03-01T10:00:00Z");
  EXPECT_EQ(rfc3339_micro(t + std::chrono::microseconds(1500)), "2026-03-01T10:00:00.001500Z");
  EXPECT_EQ(parse_rfc3339("2026-03-01T11:00:00+01:00"), t);
  EXPECT_EQ(parse_rfc3339("2026-03-01T10:00:00.250000Z"), t + std::chrono::milliseconds(250));
}

TEST(Clock, a_year_beyond_what_a_time_can_say_is_no_time) {
  for (const auto* text : {"9709-03-01T10:00:00Z", "2300-01-01T00:00:00Z", "0001-01-01T00:00:00Z"})
    EXPECT_EQ(parse_rfc3339(text), Wall::time_point()) << text;
}

TEST(Clock, a_field_beyond_its_range_is_no_time) {
  for (const auto* text :
       {"2200-63-01T10:00:00Z", "2026-00-01T10:00:00Z", "2026-03-32T10:00:00Z", "2026-03-01T24:00:00Z",
        "2026-03-01T10:60:00Z", "2026-03-01T10:00:61Z", "2026-03-01T10:00:00+24:00", "2026-03-01T-1:00:00Z"})
    EXPECT_EQ(parse_rfc3339(text), Wall::time_point()) << text;
}

TEST(Clock, what_is_read_can_be_written_and_read_again) {
  for (const auto* text : {"2200-12-31T23:59:60Z", "2200-12-31T23:00:00-05:00", "1700-01-01T00:30:00+05:00",
                           "2200-12-31T23:59:59Z", "1700-01-01T00:00:00Z"}) {
    const auto t = parse_rfc3339(text);
    EXPECT_EQ(parse_rfc3339(rfc3339(t)), t) << text;
  }
}

TEST(Encoding, base64_both_ways) {
  for (const auto& text :
       {std::string(), std::string("a"), std::string("ab"), std::string("abc"), std::string("\xff\0\xfe", 3)}) {
    EXPECT_EQ(base64_decode(base64_encode(text)).value(), text);
  }
  EXPECT_EQ(base64_encode(std::string("\xff\xff\xff\0", 4)), "////AA==");
  EXPECT_FALSE(base64_decode("abc"));
}

TEST(Encoding, sha256_is_the_standard_one) {
  EXPECT_EQ(hex_encode(sha256("abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

}  // namespace
}  // namespace weft
