#include "bgp/rib/prefix_hash_table.h"

#include <algorithm>

#include "bgp/packet/keyed_hash.h"

namespace weft::bgp {

namespace {

__extension__ using Wide = unsigned __int128;

}  // namespace

// The prefixes are chosen by the peer: without a secret it could choose them to collide.
PrefixHashTable::PrefixHashTable(Family family)
    : address_words_(family == Family::v4 ? 1 : 4), stride_(address_words_ + 3), secret_(hash_secret().start) {}

std::size_t PrefixHashTable::home(const PrefixKey& key) const {
  std::uint64_t h = fold_product(key.high ^ secret_, 0x9e3779b97f4a7c15ULL + key.length);
  if (address_words_ == 4) h = fold_product(h ^ key.low, 0xd6e8feb86659fd93ULL);
  h = fold_product(h ^ secret_, 0xa0761d6478bd642fULL);
  return static_cast<std::size_t>((static_cast<Wide>(h) * capacity_) >> 64);
}

PrefixKey PrefixHashTable::key(std::size_t at) const {
  const std::uint32_t* w = &words_[at * stride_];
  PrefixKey k;
  k.high = std::uint64_t{w[0]} << 32;
  if (address_words_ == 4) {
    k.high |= w[1];
    k.low = std::uint64_t{w[2]} << 32 | w[3];
  }
  k.length = static_cast<std::uint8_t>(meta(at));
  return k;
}

bool PrefixHashTable::is(std::size_t at, const PrefixKey& k) const {
  const std::uint32_t* w = &words_[at * stride_];
  if (w[0] != k.high >> 32 || static_cast<std::uint8_t>(meta(at)) != k.length) return false;
  return address_words_ == 1 || key(at) == k;
}

void PrefixHashTable::write_key(std::size_t at, const PrefixKey& k) {
  std::uint32_t* w = &words_[at * stride_];
  w[0] = static_cast<std::uint32_t>(k.high >> 32);
  if (address_words_ == 4) {
    w[1] = static_cast<std::uint32_t>(k.high);
    w[2] = static_cast<std::uint32_t>(k.low >> 32);
    w[3] = static_cast<std::uint32_t>(k.low);
  }
  w[stride_ - 1] = kUsed | k.length;
}

ReceivedRoute PrefixHashTable::value(std::size_t at) const {
  const std::uint32_t* w = &words_[at * stride_ + address_words_];
  return {w[0], w[1], static_cast<Unusable>(w[2] >> 24 & 0x3f), (w[2] & kLeftBehind) != 0,
          static_cast<std::uint16_t>(w[2] >> 8 & 0xffff)};
}

void PrefixHashTable::set_value(std::size_t at, const ReceivedRoute& route) {
  std::uint32_t* w = &words_[at * stride_ + address_words_];
  w[0] = route.slot;
  w[1] = route.since;
  w[2] = kUsed | (route.left_behind ? kLeftBehind : 0) | static_cast<std::uint32_t>(route.unusable) << 24 |
         std::uint32_t{route.generation} << 8 | (w[2] & 0xff);
}

std::optional<std::size_t> PrefixHashTable::find(const PrefixKey& k) const {
  if (size_ == 0) return std::nullopt;
  for (std::size_t at = home(k); used(at); at = after(at))
    if (is(at, k)) return at;
  return std::nullopt;
}

std::pair<std::size_t, bool> PrefixHashTable::insert(const PrefixKey& k) {
  if (const auto at = find(k)) return {*at, false};
  if (size_ + 1 > capacity_ / 5 * 4) resize(std::max<std::size_t>(40, capacity_ / 5 * 7));
  std::size_t at = home(k);
  while (used(at)) at = after(at);
  write_key(at, k);
  ++size_;
  return {at, true};
}

// What stands behind the gap and would not be found beyond it moves up.
void PrefixHashTable::erase(std::size_t gap) {
  --size_;
  words_[gap * stride_ + stride_ - 1] = 0;
  for (std::size_t at = after(gap); used(at); at = after(at)) {
    const std::size_t wants = home(key(at));
    const bool stays = gap < at ? wants > gap && wants <= at : wants > gap || wants <= at;
    if (stays) continue;
    std::copy_n(words_.begin() + static_cast<std::ptrdiff_t>(at * stride_), stride_,
                words_.begin() + static_cast<std::ptrdiff_t>(gap * stride_));
    words_[at * stride_ + stride_ - 1] = 0;
    gap = at;
  }
}

void PrefixHashTable::shrink() {
  if (capacity_ > 1000 && size_ < capacity_ / 8) resize(std::max<std::size_t>(250, size_ * 2));
}

void PrefixHashTable::resize(std::size_t capacity) {
  std::vector<std::uint32_t> old(capacity * stride_);
  old.swap(words_);
  const std::size_t count = capacity_;
  capacity_ = capacity;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t* w = &old[i * stride_];
    if ((w[stride_ - 1] & kUsed) == 0) continue;
    PrefixKey k{std::uint64_t{w[0]} << 32, 0, static_cast<std::uint8_t>(w[stride_ - 1])};
    if (address_words_ == 4) {
      k.high |= w[1];
      k.low = std::uint64_t{w[2]} << 32 | w[3];
    }
    std::size_t at = home(k);
    while (used(at)) at = after(at);
    std::copy_n(w, stride_, &words_[at * stride_]);
  }
}

}  // namespace weft::bgp
