// Who is judged: our speaker, or the one that $WEFT_INTEROP_SUBJECT names, which shows that a test asks for no more
// than others do.
#pragma once

#include <cstdlib>
#include <stdexcept>
#include <string>

#include "tests/interop/harness/pair.h"

namespace weft::interop {

inline Kind subject() {
  const char* name = std::getenv("WEFT_INTEROP_SUBJECT");
  if (name == nullptr) return Kind::weft;
  for (const Kind k : kForeign)
    if (to_string(k) == name) return k;
  throw std::runtime_error(std::string("WEFT_INTEROP_SUBJECT=") + name + ": frr, bird, gobgp, openbgpd or exabgp");
}

inline std::string kind_name(const ::testing::TestParamInfo<Kind>& info) { return std::string(to_string(info.param)); }

/// A route with everything that a route can carry between two systems.
inline RouteSpec rich(const std::string& prefix) {
  return {.prefix = prefix,
          .med = 77,
          .communities = {"65000:7", "65000:8"},
          .large_communities = {"1:2:3", "4200000000:0:9"},
          .ext_communities = {"rt:65000:9"}};
}

}  // namespace weft::interop
