// Numbers and ranges of slots for the LB maps.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <vector>

namespace weft {

/// Ids from 1 to `size`; 0 is never given out. The search goes on where it stopped, so that an id rests as long as
/// possible before it means something else.
class IdAllocator {
 public:
  explicit IdAllocator(std::uint32_t size);
  std::optional<std::uint32_t> allocate();
  /// False if it is taken or out of range.
  bool reserve(std::uint32_t id);
  void free(std::uint32_t id);
  std::uint32_t used() const { return used_; }
  std::uint32_t size() const { return size_; }

 private:
  bool test(std::uint32_t id) const { return (bits_[id / 64] >> (id % 64)) & 1; }
  std::uint32_t size_;
  std::uint32_t used_ = 0;
  std::uint32_t next_ = 1;
  std::vector<std::uint64_t> bits_;
};

/// `1 << order` slots from `first`, aligned to their number. Order -1: none.
struct SlotRange {
  std::uint32_t first = 0;
  int order = -1;
  std::uint32_t count() const { return order < 0 ? 0 : 1u << order; }
  bool operator==(const SlotRange&) const = default;
};

/// The smallest order whose range holds `slots` (at least 1).
int order_for(std::uint32_t slots);

/// Buddy allocation over [0, size).
class RangeAllocator {
 public:
  explicit RangeAllocator(std::uint32_t size);
  std::optional<SlotRange> allocate(int order);
  bool reserve(SlotRange range);
  void free(SlotRange range);
  std::uint32_t used() const { return used_; }
  std::uint32_t size() const { return size_; }

 private:
  bool take(std::uint32_t first, int from, std::uint32_t wanted, int to);
  std::uint32_t size_;
  std::uint32_t used_ = 0;
  std::vector<std::set<std::uint32_t>> free_;  // by order
};

}  // namespace weft
