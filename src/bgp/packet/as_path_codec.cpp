#include "bgp/packet/as_path_codec.h"

#include <fmt/format.h>

#include <algorithm>

#include "bgp/packet/attribute_codec.h"

namespace weft::bgp {
namespace {

using Segment = AsPathSegment;
using wire::kMaxSegment;

bool is_confederation(const Segment& s) {
  return s.type == Segment::Type::confed_sequence || s.type == Segment::Type::confed_set;
}

/// Puts `segment` behind `path`; what continues a sequence joins it, as the sender of the whole path had it.
void append(AsPath& path, const Segment& segment) {
  if (!path.segments.empty()) {
    Segment& last = path.segments.back();
    if (last.type == Segment::Type::sequence && segment.type == Segment::Type::sequence &&
        last.asns.size() + segment.asns.size() <= kMaxSegment) {
      last.asns.insert(last.asns.end(), segment.asns.begin(), segment.asns.end());
      return;
    }
  }
  path.segments.push_back(segment);
}

/// The leading segments of `path` that make up `hops`. Confederation segments count nothing; they come along when they
/// lead or follow something that comes along.
AsPath leading(const AsPath& path, unsigned hops) {
  AsPath out;
  for (const Segment& segment : path.segments) {
    if (is_confederation(segment)) {
      append(out, segment);
      continue;
    }
    if (hops == 0) break;
    if (segment.type == Segment::Type::set || segment.asns.size() <= hops) {
      append(out, segment);
      hops -= segment.type == Segment::Type::set ? 1 : static_cast<unsigned>(segment.asns.size());
      continue;
    }
    const auto end = segment.asns.begin() + static_cast<std::ptrdiff_t>(hops);
    append(out, {segment.type, {segment.asns.begin(), end}});
    break;
  }
  return out;
}

}  // namespace

// { type (1) | count of ASNs (1) | ASNs }*   RFC 4271 §4.3; what is malformed says RFC 7606 §7.2
std::expected<AsPath, std::string> read_as_path(wire::Bytes value, std::size_t asn_size) {
  AsPath path;
  wire::Reader r(value);
  while (r.left() > 0) {
    const std::uint8_t type = r.u8(), count = r.u8();
    if (!r.ok()) return std::unexpected("ends in half a segment header");
    if (type < 1 || type > 4) return std::unexpected(fmt::format("has a segment of the unknown type {}", type));
    if (count == 0) return std::unexpected("has a segment without AS numbers");
    if (count * asn_size > r.left())
      return std::unexpected(fmt::format("has a segment of {} AS numbers in {} octets", count, r.left()));
    Segment segment{static_cast<Segment::Type>(type), {}};
    segment.asns.reserve(count);
    for (unsigned i = 0; i < count; ++i) segment.asns.push_back(asn_size == 4 ? r.u32() : r.u16());
    path.segments.push_back(std::move(segment));
  }
  return path;
}

void put_as_path(wire::Buffer& out, const AsPath& path, std::size_t asn_size) {
  for (const Segment& segment : path.segments) {
    for (std::size_t i = 0; i < segment.asns.size();) {
      const std::size_t count = std::min(segment.asns.size() - i, kMaxSegment);
      wire::put8(out, static_cast<unsigned>(segment.type));
      wire::put8(out, static_cast<unsigned>(count));
      for (const std::size_t end = i + count; i < end; ++i) {
        if (asn_size == 4) {
          wire::put32(out, segment.asns[i]);
        } else {
          wire::put16(out, segment.asns[i] > 0xffff ? kAsTrans : segment.asns[i]);
        }
      }
    }
  }
}

bool has_confederation(const AsPath& path) {
  return std::any_of(path.segments.begin(), path.segments.end(), is_confederation);
}

void drop_confederation(AsPath& path) { std::erase_if(path.segments, is_confederation); }

bool needs_four_octets(const AsPath& path) {
  return std::any_of(path.segments.begin(), path.segments.end(), [](const Segment& s) {
    return std::any_of(s.asns.begin(), s.asns.end(), [](Asn asn) { return asn > 0xffff; });
  });
}

void merge_as4(AttributeSet& set) {
  auto& attributes = set.attributes;
  // An old speaker that aggregated anew did not know the AS4 attributes it passed on: they tell of the past.
  const bool stale = attributes.aggregator && attributes.aggregator->asn != kAsTrans && set.as4_aggregator;
  if (stale) return;
  if (attributes.aggregator && set.as4_aggregator) attributes.aggregator = set.as4_aggregator;
  if (!set.as4_path) return;
  const unsigned whole = attributes.as_path.length(), known = set.as4_path->length();
  if (whole < known) return;
  AsPath merged = leading(attributes.as_path, whole - known);
  for (const Segment& segment : set.as4_path->segments) append(merged, segment);
  attributes.as_path = std::move(merged);
}

}  // namespace weft::bgp
