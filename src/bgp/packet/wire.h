// Reading and writing bytes in network order: the only code of this folder that touches raw memory of a peer.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace weft::bgp::wire {

using Bytes = std::span<const std::uint8_t>;
using Buffer = std::vector<std::uint8_t>;

inline constexpr std::size_t kMarkerSize = 16;   // RFC 4271 §4.1
inline constexpr std::size_t kMaxSegment = 255;  // AS numbers of a segment: the count is one octet (RFC 4271 §4.3)

/// Takes values from the front. What is not there reads as zero or as fewer bytes and leaves ok() false, so a caller
/// reads a whole picture and asks once.
class Reader {
 public:
  explicit Reader(Bytes data) : data_(data) {}
  std::uint8_t u8() { return static_cast<std::uint8_t>(number(1)); }
  std::uint16_t u16() { return static_cast<std::uint16_t>(number(2)); }
  std::uint32_t u32() { return static_cast<std::uint32_t>(number(4)); }
  std::uint64_t u64() { return number(8); }
  Bytes take(std::size_t n) {
    if (n > data_.size()) ok_ = false;
    const Bytes out = data_.first(std::min(n, data_.size()));
    data_ = data_.subspan(out.size());
    return out;
  }
  Bytes rest() const { return data_; }
  std::size_t left() const { return data_.size(); }
  bool ok() const { return ok_; }

 private:
  std::uint64_t number(std::size_t n) {
    const Bytes from = take(n);
    if (from.size() < n) return 0;
    std::uint64_t value = 0;
    for (const std::uint8_t byte : from) value = value << 8 | byte;
    return value;
  }
  Bytes data_;
  bool ok_ = true;
};

inline void put8(Buffer& out, unsigned value) { out.push_back(static_cast<std::uint8_t>(value)); }
inline void put16(Buffer& out, unsigned value) {
  put8(out, value >> 8);
  put8(out, value);
}
inline void put32(Buffer& out, std::uint32_t value) {
  put16(out, value >> 16);
  put16(out, value);
}
inline void put64(Buffer& out, std::uint64_t value) {
  put32(out, static_cast<std::uint32_t>(value >> 32));
  put32(out, static_cast<std::uint32_t>(value));
}
inline void put(Buffer& out, Bytes bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
/// Overwrites two bytes that were kept free for a length.
inline void patch16(Buffer& out, std::size_t at, std::size_t value) {
  out[at] = static_cast<std::uint8_t>(value >> 8);
  out[at + 1] = static_cast<std::uint8_t>(value);
}

}  // namespace weft::bgp::wire
