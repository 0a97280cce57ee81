// Which received routes may go into the kernel's tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bgp/packet/types.h"

namespace weft::bgp {

/// One line of an import list: prefixes inside `prefix` whose length is in [min_length, max_length].
struct PrefixRule {
  Prefix prefix;
  unsigned min_length = 0;
  unsigned max_length = 0;
  bool permit = true;
  bool operator==(const PrefixRule&) const = default;
};

/// First rule that matches decides; no match denies.
struct ImportPolicy {
  std::vector<PrefixRule> rules;
  std::size_t limit = 1000;   // installed routes of this peer at most; more are held back and said
  std::uint32_t table = 254;  // the kernel's main table
  std::uint32_t metric = 200;
  bool permits(const Prefix& prefix) const;
  bool operator==(const ImportPolicy&) const = default;
};

}  // namespace weft::bgp
