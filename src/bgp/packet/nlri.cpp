#include "bgp/packet/nlri.h"

#include <algorithm>
#include <array>

namespace weft::bgp {
namespace {

Prefix make_prefix(Family family, unsigned length, wire::Bytes bytes) {
  if (family == Family::v4) {
    std::array<std::uint8_t, 4> raw{};
    std::copy(bytes.begin(), bytes.end(), raw.begin());
    return {Address::v4(raw), length};
  }
  std::array<std::uint8_t, 16> raw{};
  std::copy(bytes.begin(), bytes.end(), raw.begin());
  return {Address::v6(raw), length};
}

}  // namespace

bool read_prefixes(wire::Bytes field, Family family, std::vector<Prefix>& out) {
  const unsigned longest = family == Family::v4 ? 32 : 128;
  while (!field.empty()) {
    const unsigned length = field[0];
    const std::size_t size = (length + 7) / 8;
    if (length > longest || size + 1 > field.size()) return false;
    out.push_back(make_prefix(family, length, field.subspan(1, size)));
    field = field.subspan(1 + size);
  }
  return true;
}

void put_prefix(wire::Buffer& out, const Prefix& p) {
  wire::put8(out, p.length());
  wire::put(out, p.address().bytes().first((p.length() + 7) / 8));
}

}  // namespace weft::bgp
