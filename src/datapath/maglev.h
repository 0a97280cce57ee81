// Maglev consistent hashing: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer",
// NSDI 2016, section 3.4. Pure.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace weft {

bool is_prime(std::uint32_t n);

/// A table of `size` entries (prime), each the index of one of `names`. Every node that knows the same names, in
/// whatever order, computes the same assignment of entries to names. Empty without names; with more names than
/// entries some get none.
std::vector<std::uint32_t> maglev_table(std::uint32_t size, std::span<const std::string_view> names);

}  // namespace weft
