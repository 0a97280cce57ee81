// Prefixes on the wire: a length in bits and as many bytes as that takes (RFC 4271 §4.3, 4760 §5).
#pragma once

#include <vector>

#include "bgp/packet/types.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {

/// Appends every prefix of `field` to `out`. False when the field is syntactically incorrect (RFC 7606 §5.3): a length
/// beyond the family's, or a last prefix that overruns the field. Host bits are cleared.
bool read_prefixes(wire::Bytes field, Family family, std::vector<Prefix>& out);

inline std::size_t prefix_size(const Prefix& p) { return 1 + (p.length() + 7) / 8; }
void put_prefix(wire::Buffer& out, const Prefix& p);

}  // namespace weft::bgp
