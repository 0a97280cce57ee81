#include "datapath/maglev.h"

#include <algorithm>
#include <numeric>

namespace weft {

namespace {

// FNV-1a with a finalizer (xor-shift-multiply) so that both hashes of short, similar names spread over all bits.
std::uint64_t hash_name(std::string_view name, std::uint64_t seed) {
  std::uint64_t h = 0xcbf29ce484222325ull ^ seed;
  for (const char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  h ^= h >> 33;
  h *= 0xff51afd7ed558ccdull;
  h ^= h >> 33;
  h *= 0xc4ceb9fe1a85ec53ull;
  return h ^ (h >> 33);
}

constexpr std::uint32_t unassigned = UINT32_MAX;

}  // namespace

bool is_prime(std::uint32_t n) {
  if (n < 2) return false;
  for (std::uint64_t d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

std::vector<std::uint32_t> maglev_table(std::uint32_t size, std::span<const std::string_view> names) {
  if (names.empty() || size < 2) return {};
  std::vector<std::uint32_t> order(names.size());
  std::iota(order.begin(), order.end(), 0u);
  std::ranges::sort(order, {}, [&](std::uint32_t i) { return names[i]; });

  // A name's permutation is offset, offset + skip, offset + 2 skip … modulo size; `at` is where it stands.
  struct Walk {
    std::uint32_t at;
    std::uint32_t skip;
  };
  std::vector<Walk> walks;
  walks.reserve(names.size());
  for (const std::uint32_t i : order)
    walks.push_back({static_cast<std::uint32_t>(hash_name(names[i], 0x9e3779b97f4a7c15ull) % size),
                     static_cast<std::uint32_t>(hash_name(names[i], 0x7f4a7c159e3779b9ull) % (size - 1) + 1)});

  std::vector<std::uint32_t> table(size, unassigned);
  for (std::uint32_t filled = 0; filled < size;) {
    for (std::size_t n = 0; n < walks.size() && filled < size; ++n) {
      Walk& w = walks[n];
      while (table[w.at] != unassigned) {
        w.at += w.skip;
        if (w.at >= size) w.at -= size;
      }
      table[w.at] = order[n];
      ++filled;
    }
  }
  return table;
}

}  // namespace weft
