// Waiting for a fact: looked at again and again until it holds or the time is over; then it says what was seen.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <string>

namespace weft::e2e {

struct Seen {
  bool holds = false;
  std::string what;  // what was looked at, for the message
};

/// EXPECT_TRUE(eventually(30s, "the deployment is available", [&] { … return Seen{n == 3, out}; }));
/// `pause` is the time between two looks; the first is at once.
::testing::AssertionResult eventually(std::chrono::milliseconds limit, const std::string& fact,
                                      const std::function<Seen()>& look,
                                      std::chrono::milliseconds pause = std::chrono::milliseconds(100));

/// The opposite: the fact holds at every look for the whole time.
::testing::AssertionResult always(std::chrono::milliseconds time, const std::string& fact,
                                  const std::function<Seen()>& look,
                                  std::chrono::milliseconds pause = std::chrono::milliseconds(100));

}  // namespace weft::e2e
