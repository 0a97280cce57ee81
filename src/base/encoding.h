// Base64 (RFC 4648), hex and SHA-256: the encodings that keys, secrets and certificates need.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

std::string base64_encode(std::string_view bytes);
Result<std::string> base64_decode(std::string_view text);
std::string hex_encode(std::string_view bytes);
/// 32 raw bytes.
std::string sha256(std::string_view bytes);
/// `n` bytes from the system's random source.
std::string random_bytes(std::size_t n);

}  // namespace weft
