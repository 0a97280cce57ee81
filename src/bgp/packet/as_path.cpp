#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "bgp/packet/attributes.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {
namespace {

using Type = AsPathSegment::Type;
using wire::kMaxSegment;

}  // namespace

unsigned AsPath::length() const {
  unsigned hops = 0;
  for (const auto& segment : segments) {
    if (segment.type == Type::sequence) hops += static_cast<unsigned>(segment.asns.size());
    if (segment.type == Type::set) ++hops;
  }
  return hops;
}

bool AsPath::contains(Asn asn) const {
  return std::any_of(segments.begin(), segments.end(), [&](const AsPathSegment& s) {
    return std::find(s.asns.begin(), s.asns.end(), asn) != s.asns.end();
  });
}

std::optional<Asn> AsPath::first() const {
  for (const auto& segment : segments) {
    if (segment.type == Type::set || segment.asns.empty()) return std::nullopt;
    if (segment.type == Type::sequence) return segment.asns.front();
  }
  return std::nullopt;
}

void AsPath::prepend(Asn asn, unsigned count) {
  while (count > 0) {
    if (segments.empty() || segments.front().type != Type::sequence || segments.front().asns.size() >= kMaxSegment)
      segments.insert(segments.begin(), AsPathSegment{Type::sequence, {}});
    auto& front = segments.front().asns;
    const auto n = std::min<std::size_t>(count, kMaxSegment - front.size());
    front.insert(front.begin(), n, asn);
    count -= static_cast<unsigned>(n);
  }
}

std::string AsPath::to_string() const {
  std::string out;
  for (const auto& segment : segments) {
    if (!out.empty()) out += ' ';
    switch (segment.type) {
      case Type::sequence: out += fmt::format("{}", fmt::join(segment.asns, " ")); break;
      case Type::set: out += fmt::format("{{{}}}", fmt::join(segment.asns, ",")); break;
      case Type::confed_sequence: out += fmt::format("({})", fmt::join(segment.asns, " ")); break;
      case Type::confed_set: out += fmt::format("[{}]", fmt::join(segment.asns, ",")); break;
    }
  }
  return out;
}

}  // namespace weft::bgp
