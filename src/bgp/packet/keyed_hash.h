// A hash of what a peer sends that the peer cannot aim at: without a secret it could choose values that collide, and a
// hash table of them becomes a list.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/net.h"

namespace weft::bgp {

/// Random, the same for the life of the process. `multiplier` is odd.
struct HashSecret {
  std::uint64_t start = 0;
  std::uint64_t multiplier = 1;
};
const HashSecret& hash_secret();

/// Both halves of the product of two numbers, folded: every bit of the result depends on every bit of both.
inline std::uint64_t fold_product(std::uint64_t a, std::uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

/// The secret is in every step: a state that is not known cannot be steered back to an earlier one.
class KeyedHash {
 public:
  explicit KeyedHash(const HashSecret& secret = hash_secret()) : state_(secret.start), multiplier_(secret.multiplier) {}
  void add(std::uint64_t value) { state_ = fold_product(state_ ^ value, multiplier_); }
  void add(const Address& address);
  std::size_t value() const { return static_cast<std::size_t>(state_); }

 private:
  std::uint64_t state_;
  std::uint64_t multiplier_;
};

}  // namespace weft::bgp
