#include "base/encoding.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>

#include "base/log.h"

namespace weft {

std::string base64_encode(std::string_view bytes) {
  std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
  const int n = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(n));
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  std::string in;
  for (const char c : text)
    if (c != '\n' && c != '\r') in += c;
  std::string out(in.size() / 4 * 3 + 1, '\0');
  const int n = in.size() % 4 != 0
                    ? -1
                    : EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                                      reinterpret_cast<const unsigned char*>(in.data()), static_cast<int>(in.size()));
  if (n < 0) return fail(Errc::invalid, "not base64");
  const auto padding = static_cast<std::size_t>(in.ends_with("==") ? 2 : in.ends_with("=") ? 1 : 0);
  out.resize(static_cast<std::size_t>(n) - padding);
  return out;
}

std::string hex_encode(std::string_view bytes) {
  std::string out;
  for (const char c : bytes) out += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return out;
}

std::string sha256(std::string_view bytes) {
  std::string out(32, '\0');
  unsigned int n = 0;
  WEFT_CHECK(EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(out.data()), &n, EVP_sha256(),
                        nullptr) == 1);
  return out;
}

std::string random_bytes(std::size_t n) {
  std::string out(n, '\0');
  WEFT_CHECK(RAND_bytes(reinterpret_cast<unsigned char*>(out.data()), static_cast<int>(n)) == 1);
  return out;
}

}  // namespace weft
