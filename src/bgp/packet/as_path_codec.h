// AS_PATH and AS4_PATH on the wire.
#pragma once

#include <expected>
#include <string>

#include "bgp/packet/attributes.h"
#include "bgp/packet/wire.h"

namespace weft::bgp {

/// `asn_size` is 2 or 4 octets. The error completes a sentence that starts with the attribute's name.
std::expected<AsPath, std::string> read_as_path(wire::Bytes value, std::size_t asn_size);
/// In two octets a large number becomes AS_TRANS. Segments of more than 255 numbers are split.
void put_as_path(wire::Buffer& out, const AsPath& path, std::size_t asn_size);

bool has_confederation(const AsPath& path);
void drop_confederation(AsPath& path);
/// Whether a number does not fit two octets, so that an old speaker must be told in AS4_PATH.
bool needs_four_octets(const AsPath& path);

}  // namespace weft::bgp
