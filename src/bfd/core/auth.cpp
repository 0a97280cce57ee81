#include "bfd/core/auth.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <array>

namespace weft::bfd {
namespace {

// Offsets in the packet: the section is type, length, key id, reserved, sequence (4), digest (20).
constexpr std::size_t kDigestAt = kMandatorySize + 8;
using Digest = std::array<std::uint8_t, SHA_DIGEST_LENGTH>;

// §6.7.4: SHA1 over the packet with the key, padded with zeros, standing where the digest goes.
Digest digest_of(std::vector<std::uint8_t> packet, const std::string& secret) {
  const auto at = packet.begin() + kDigestAt;
  std::fill(at, at + SHA_DIGEST_LENGTH, std::uint8_t{0});
  std::copy_n(secret.begin(), std::min<std::size_t>(secret.size(), SHA_DIGEST_LENGTH), at);
  Digest out;
  SHA1(packet.data(), packet.size(), out.data());
  return out;
}

std::uint8_t type_of(const AuthKey& key) { return key.meticulous ? kMeticulousKeyedSha1 : kKeyedSha1; }

std::uint32_t sequence_of(const AuthSection& auth) {
  std::uint32_t n = 0;
  for (std::size_t i = 2; i < 6; ++i) n = n << 8 | static_cast<std::uint8_t>(auth.body[i]);
  return n;
}

}  // namespace

std::vector<std::uint8_t> Authenticator::sign(ControlPacket packet) {
  packet.auth.reset();
  if (key_.meticulous || packet != last_sent_) ++next_sequence_;
  last_sent_ = packet;
  AuthSection auth{type_of(key_), {}};
  auth.body.push_back(static_cast<char>(key_.id));
  auth.body.push_back(0);
  for (const int shift : {24, 16, 8, 0}) auth.body.push_back(static_cast<char>(next_sequence_ >> shift));
  auth.body.append(SHA_DIGEST_LENGTH, 0);
  packet.auth = std::move(auth);
  auto bytes = encode(packet);
  const Digest digest = digest_of(bytes, key_.secret);
  std::copy(digest.begin(), digest.end(), bytes.begin() + kDigestAt);
  return bytes;
}

std::optional<Discard> Authenticator::verify(const ControlPacket& packet, std::span<const std::uint8_t> bytes) {
  if (!packet.auth) return Discard::auth_missing;
  const AuthSection& auth = *packet.auth;
  if (auth.type != type_of(key_)) return Discard::auth_type;
  if (auth.body.size() != kSha1AuthLength - 2u) return Discard::auth_length;
  if (static_cast<std::uint8_t>(auth.body[0]) != key_.id) return Discard::auth_key_id;
  const std::uint32_t sequence = sequence_of(auth);
  if (received_sequence_) {
    // A circular window; unsigned subtraction wraps as it should.
    const std::uint32_t ahead = sequence - *received_sequence_;
    if (ahead > 3u * packet.multiplier || (key_.meticulous && ahead == 0)) return Discard::auth_sequence;
  }
  // What Length covers, without what may trail in the datagram.
  const std::vector<std::uint8_t> covered(bytes.begin(), bytes.begin() + bytes[3]);
  const Digest digest = digest_of(covered, key_.secret);
  if (CRYPTO_memcmp(digest.data(), covered.data() + kDigestAt, digest.size()) != 0) return Discard::auth_digest;
  // Only now: the RFC's order would let an unauthenticated packet set the window.
  received_sequence_ = sequence;
  return std::nullopt;
}

}  // namespace weft::bfd
