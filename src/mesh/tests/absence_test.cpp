#include "mesh/absence.h"

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace weft::mesh {
namespace {

const Steady::time_point kStart{1h};

TEST(Absence, is_too_long_once_when_the_limit_has_passed) {
  Absence a(60s);
  EXPECT_FALSE(a.too_long(true, kStart));
  EXPECT_FALSE(a.too_long(false, kStart + 10s));
  EXPECT_FALSE(a.too_long(false, kStart + 69s));
  EXPECT_TRUE(a.too_long(false, kStart + 70s));
  EXPECT_FALSE(a.too_long(false, kStart + 71s)) << "told already";
  EXPECT_FALSE(a.too_long(false, kStart + 10h));
}

TEST(Absence, begins_anew_with_every_return) {
  Absence a(60s);
  EXPECT_FALSE(a.too_long(false, kStart));
  EXPECT_FALSE(a.too_long(true, kStart + 59s));
  EXPECT_FALSE(a.too_long(false, kStart + 61s));
  EXPECT_FALSE(a.too_long(false, kStart + 120s));
  EXPECT_TRUE(a.too_long(false, kStart + 121s));
  EXPECT_FALSE(a.too_long(true, kStart + 122s));
  EXPECT_FALSE(a.too_long(false, kStart + 123s));
  EXPECT_TRUE(a.too_long(false, kStart + 183s)) << "a second absence";
}

TEST(Absence, without_a_limit_is_never_too_long) {
  Absence a(0s);
  EXPECT_FALSE(a.too_long(false, kStart));
  EXPECT_FALSE(a.too_long(false, kStart + 1000h));
}

}  // namespace
}  // namespace weft::mesh
