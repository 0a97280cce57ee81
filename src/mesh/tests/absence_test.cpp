#include "mesh/absence.h"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace weft::mesh {
namespace {

const Steady::time_point kBegin{1h};

TEST(Absence, is_too_long_once_when_the_limit_has_passed) {
  Absence a(60s);
  EXPECT_FALSE(a.too_long(true, kBegin));
  EXPECT_FALSE(a.too_long(false, kBegin + 10s));
  EXPECT_FALSE(a.too_long(false, kBegin + 69s));
  EXPECT_TRUE(a.too_long(false, kBegin + 70s));
  EXPECT_FALSE(a.too_long(false, kBegin + 71s)) << "told already";
  EXPECT_FALSE(a.too_long(false, kBegin + 10h));
}

TEST(Absence, begins_anew_with_every_return) {
  Absence a(60s);
  EXPECT_FALSE(a.too_long(false, kBegin));
  EXPECT_FALSE(a.too_long(true, kBegin + 59s));
  EXPECT_FALSE(a.too_long(false, kBegin + 61s));
  EXPECT_FALSE(a.too_long(false, kBegin + 120s));
  EXPECT_TRUE(a.too_long(false, kBegin + 121s));
  EXPECT_FALSE(a.too_long(true, kBegin + 122s));
  EXPECT_FALSE(a.too_long(false, kBegin + 123s));
  EXPECT_TRUE(a.too_long(false, kBegin + 183s)) << "a second absence";
}

TEST(Absence, without_a_limit_is_never_too_long) {
  Absence a(0s);
  EXPECT_FALSE(a.too_long(false, kBegin));
  EXPECT_FALSE(a.too_long(false, kBegin + 1000h));
}

}  // namespace
}  // namespace weft::mesh
