// Inside of AdjRibIn: an open-addressed table from prefix to a received route, linear probing, one flat array.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bgp/rib/adj_rib_in.h"
#include "bgp/rib/route_table.h"

namespace weft::bgp {

struct ReceivedRoute {
  std::uint32_t slot = 0;  // of its attributes
  Seconds since = 0;
  Unusable unusable = Unusable::no;
  std::uint8_t flags = 0;  // of Stale
  bool has(Stale kind) const { return (flags & static_cast<std::uint8_t>(kind)) != 0; }
};

class PrefixHashTable {
 public:
  explicit PrefixHashTable(Family family);

  std::optional<std::size_t> find(const PrefixKey& key) const;
  /// Its place, and whether it is new. Places are good until the next insert or erase.
  std::pair<std::size_t, bool> insert(const PrefixKey& key);
  void erase(std::size_t at);
  /// Says that `key` is asked for soon.
  void prefetch(const PrefixKey& key) const {
    if (capacity_ > 0) __builtin_prefetch(&words_[home(key) * stride_], 1);
  }

  std::size_t capacity() const { return capacity_; }
  bool used(std::size_t at) const { return (meta(at) & kUsed) != 0; }
  PrefixKey key(std::size_t at) const;
  ReceivedRoute value(std::size_t at) const;
  void set_value(std::size_t at, const ReceivedRoute& route);

 private:
  static constexpr std::uint32_t kUsed = 1U << 31;

  // A place: 1 or 4 words of address, slot, since, and used 1 | flags 7 | unusable 8 | (0) 8 | length 8.
  std::uint32_t meta(std::size_t at) const { return words_[at * stride_ + stride_ - 1]; }
  std::size_t home(const PrefixKey& key) const;
  bool is(std::size_t at, const PrefixKey& key) const;
  std::size_t after(std::size_t at) const { return at + 1 == capacity_ ? 0 : at + 1; }
  void write_key(std::size_t at, const PrefixKey& key);
  void resize(std::size_t capacity);

  std::size_t address_words_;
  std::size_t stride_;
  std::size_t capacity_ = 0;
  std::size_t size_ = 0;
  std::uint64_t secret_;
  std::vector<std::uint32_t> words_;
};

}  // namespace weft::bgp
