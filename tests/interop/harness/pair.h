// Two hosts on one wire, both families, with a speaker each.
#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "tests/e2e/harness/wait.h"
#include "tests/interop/harness/speaker.h"

namespace weft::interop {

using e2e::eventually;
using e2e::Seen;
inline constexpr std::chrono::seconds kPatience{60};  // for one fact, on a machine busy with other work

struct PairOptions {
  Kind a = Kind::frr, b = Kind::bird;
  std::uint32_t asn_a = 65001, asn_b = 65002;
  Family transport = Family::v4;
  /// Changes either side's session before anything starts.
  std::function<void(PeerSpec& of_a, PeerSpec& of_b)> tune = {};
  std::vector<RouteSpec> routes_a = {}, routes_b = {};
  std::string extra_a = {}, extra_b = {};
};

/// a is 10.0.0.1 and fd00::1 on interface "wire", b is 10.0.0.2 and fd00::2 on its own.
class Pair {
 public:
  explicit Pair(const PairOptions& options);
  void start();

  Host host_a, host_b;
  std::unique_ptr<Speaker> a, b;
};

::testing::AssertionResult established(Speaker& speaker, const std::string& peer = "peer",
                                       std::chrono::milliseconds limit = kPatience);
/// Both ends say so.
::testing::AssertionResult both_established(Pair& pair);
/// The session is down at this speaker, whatever state it is in.
::testing::AssertionResult not_established(Speaker& speaker, std::chrono::milliseconds limit = kPatience);
/// The speaker has learned this prefix, and `check` says yes to it.
::testing::AssertionResult learned(Speaker& speaker, const std::string& prefix,
                                   const std::function<bool(const RouteView&)>& check = {},
                                   std::chrono::milliseconds limit = kPatience);
::testing::AssertionResult gone(Speaker& speaker, const std::string& prefix,
                                std::chrono::milliseconds limit = kPatience);
/// The last reason that the speaker gives for the session's end has these words in it, in any case.
::testing::AssertionResult says(Speaker& speaker, const std::string& text, std::chrono::milliseconds limit = kPatience);
/// What to add to a failure: both logs' ends.
std::string logs(const Pair& pair);

}  // namespace weft::interop
