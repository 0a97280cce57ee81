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
  bool left_behind = false;      // by the peer's restart (Stale::restart)
  std::uint16_t generation = 0;  // of AdjRibIn's when the peer sent it last
};

class PrefixHashTable {
 public:
  explicit PrefixHashTable(Family family);

  std::optional<std::size_t> find(const PrefixKey& key) const;
  /// Its place, and whether it is new. Places are good until the next insert or erase.
  std::pair<std::size_t, bool> insert(const PrefixKey& key);
  void erase(std::size_t at);
  /// Gives back memory when few are left; places are others then. After erasing, and not between the erasures of a pass
  /// in order of places: what is left then lies at the end, where a smaller table has no room for all of it.
  void shrink();
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
  static constexpr std::uint32_t kLeftBehind = 1U << 30;

  // A place: 1 or 4 words of address, slot, since, and used 1 | left behind 1 | unusable 6 |
  // generation 16 | length 8.
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
