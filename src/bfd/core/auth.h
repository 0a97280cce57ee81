// Keyed and Meticulous Keyed SHA1 (RFC 5880 §4.4, §6.7.4): one session's key and both sequence numbers.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "bfd/core/packet.h"
#include "bfd/core/session_config.h"

namespace weft::bfd {

inline constexpr std::uint8_t kKeyedSha1 = 4;
inline constexpr std::uint8_t kMeticulousKeyedSha1 = 5;
inline constexpr std::uint8_t kSha1AuthLength = 28;

class Authenticator {
 public:
  /// `first_sequence` is random (bfd.XmitAuthSeq, §6.8.1).
  Authenticator(AuthKey key, std::uint32_t first_sequence) : key_(std::move(key)), next_sequence_(first_sequence) {}

  const AuthKey& key() const { return key_; }
  /// The packet with its authentication section, as it goes out. Takes a sequence number: always a new one for the
  /// meticulous kind, otherwise only if the packet says something else than the one before.
  std::vector<std::uint8_t> sign(ControlPacket packet);
  /// Why `packet`, decoded from `bytes`, must not be believed; nothing when it may. Accepting moves the window.
  std::optional<Discard> verify(const ControlPacket& packet, std::span<const std::uint8_t> bytes);
  /// bfd.AuthSeqKnown := 0: the peer may have started anew with another sequence number.
  void forget_sequence() { received_sequence_.reset(); }

 private:
  AuthKey key_;
  std::uint32_t next_sequence_;
  std::optional<std::uint32_t> received_sequence_;
  ControlPacket last_sent_;
};

}  // namespace weft::bfd
