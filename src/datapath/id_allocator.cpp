#include "datapath/id_allocator.h"

#include <bit>

#include "base/log.h"

namespace weft {

IdAllocator::IdAllocator(std::uint32_t size) : size_(size), bits_(size / 64 + 1, 0) { bits_[0] = 1; }

std::optional<std::uint32_t> IdAllocator::allocate() {
  if (used_ >= size_) return std::nullopt;
  for (std::uint32_t id = next_;;) {
    if (id > size_) id = 1;
    const std::uint64_t word = bits_[id / 64];
    if (word == ~0ull) {
      id = (id / 64 + 1) * 64;
      continue;
    }
    if (!test(id)) {
      reserve(id);
      next_ = id + 1;
      return id;
    }
    ++id;
  }
}

bool IdAllocator::reserve(std::uint32_t id) {
  if (id == 0 || id > size_ || test(id)) return false;
  bits_[id / 64] |= 1ull << (id % 64);
  ++used_;
  return true;
}

void IdAllocator::free(std::uint32_t id) {
  WEFT_CHECK(id != 0 && id <= size_ && test(id));
  bits_[id / 64] &= ~(1ull << (id % 64));
  --used_;
}

int order_for(std::uint32_t slots) { return slots <= 1 ? 0 : std::bit_width(slots - 1); }

RangeAllocator::RangeAllocator(std::uint32_t size) : size_(size), free_(32) {
  std::uint32_t at = 0;
  while (at < size) {
    const int fits = std::bit_width(size - at) - 1;
    const int order = at == 0 ? fits : std::min(fits, std::countr_zero(at));
    free_[static_cast<std::size_t>(order)].insert(at);
    at += 1u << order;
  }
}

std::optional<SlotRange> RangeAllocator::allocate(int order) {
  for (int o = order; o < 32; ++o) {
    const auto& blocks = free_[static_cast<std::size_t>(o)];
    if (blocks.empty()) continue;
    const std::uint32_t first = *blocks.begin();
    take(first, o, first, order);
    return SlotRange{first, order};
  }
  return std::nullopt;
}

bool RangeAllocator::reserve(SlotRange range) {
  if (range.order < 0 || range.order > 31 || range.first % range.count() != 0) return false;
  for (int o = range.order; o < 32; ++o) {
    const std::uint32_t first = range.first & ~((1u << o) - 1);
    if (free_[static_cast<std::size_t>(o)].contains(first)) return take(first, o, range.first, range.order);
  }
  return false;
}

// Splits the free block (first, from) until `wanted` of order `to` stands alone, and takes that.
bool RangeAllocator::take(std::uint32_t first, int from, std::uint32_t wanted, int to) {
  free_[static_cast<std::size_t>(from)].erase(first);
  while (from > to) {
    --from;
    const std::uint32_t half = 1u << from;
    if (wanted >= first + half) {
      free_[static_cast<std::size_t>(from)].insert(first);
      first += half;
    } else {
      free_[static_cast<std::size_t>(from)].insert(first + half);
    }
  }
  used_ += 1u << to;
  return true;
}

void RangeAllocator::free(SlotRange range) {
  if (range.order < 0) return;
  used_ -= range.count();
  std::uint32_t first = range.first;
  int order = range.order;
  for (; order < 31; ++order) {
    const std::uint32_t buddy = first ^ (1u << order);
    if (free_[static_cast<std::size_t>(order)].erase(buddy) == 0) break;
    first &= ~(1u << order);
  }
  free_[static_cast<std::size_t>(order)].insert(first);
}

}  // namespace weft
