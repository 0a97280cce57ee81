#include "bgp/packet/keyed_hash.h"

#include <cstring>
#include <random>

namespace weft::bgp {

const HashSecret& hash_secret() {
  static const HashSecret secret = [] {
    std::random_device random;
    const auto number = [&] { return std::uint64_t{random()} << 32 | random(); };
    return HashSecret{number(), number() | 1};
  }();
  return secret;
}

// Not by std::hash, which has no secret.
void KeyedHash::add(const Address& address) {
  std::uint64_t halves[2];
  std::memcpy(halves, address.raw().data(), sizeof halves);
  add(halves[0]);
  add(halves[1]);
  add(static_cast<std::uint64_t>(address.family()));
}

}  // namespace weft::bgp
