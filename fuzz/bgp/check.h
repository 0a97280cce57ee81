// What must hold for whatever a peer sends: nothing is read that is not there (the sanitizers see to that), memory is
// bounded by the input, and what was accepted means the same after being written and read again.
#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "bgp/packet/message.h"
#include "bgp/packet/update_builder.h"

namespace weft::bgp {

#define FUZZ_CHECK(condition)                                              \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

/// The sessions there are, by the bits of one byte of input.
inline Context context_of(std::uint8_t bits) {
  Context c;
  c.four_octet_asn = (bits & 1) == 0;
  c.extended_message = (bits & 2) != 0;
  c.ibgp = (bits & 4) != 0;
  c.families.clear();
  if ((bits & 8) == 0) c.families.push_back(kIpv4Unicast);
  if ((bits & 16) == 0) c.families.push_back(kIpv6Unicast);
  if ((bits & 32) != 0) c.extended_next_hop = {{kIpv4Unicast, 2}};
  c.enhanced_route_refresh = (bits & 64) == 0;
  return c;
}

inline bool has_confederation(const Update& u) {
  if (!u.attributes) return false;
  for (const auto& segment : u.attributes->as_path.segments)
    if (segment.type == AsPathSegment::Type::confed_sequence || segment.type == AsPathSegment::Type::confed_set)
      return true;
  return false;
}

/// The packed form of what `u` announces says the same again.
inline void check_builder(const Update& u, const Context& context) {
  if (!u.attributes) return;
  const auto encoded = encode_attributes(*u.attributes, context);
  for (const Reach& reach : u.announced) {
    std::vector<std::uint8_t> out;
    const auto messages = append_announcements(out, reach.prefixes, reach.next_hop, encoded, context);
    std::vector<Prefix> seen;
    std::span<const std::uint8_t> stream(out);
    for (std::size_t i = 0; i < messages; ++i) {
      const auto length = message_length(stream, context);
      FUZZ_CHECK(length && *length <= stream.size());
      const auto again = decode(stream.first(*length), context);
      FUZZ_CHECK(again && again->faults.empty());
      const auto& part = std::get<Update>(again->message);
      FUZZ_CHECK(part.attributes == u.attributes && part.announced.size() == 1);
      FUZZ_CHECK(part.announced[0].next_hop == reach.next_hop);
      seen.insert(seen.end(), part.announced[0].prefixes.begin(), part.announced[0].prefixes.end());
      stream = stream.subspan(*length);
    }
    FUZZ_CHECK(stream.empty() && (messages == 0 || seen == reach.prefixes));
  }
}

inline void check_update(const Update& u, const Context& context, std::size_t size) {
  std::size_t prefixes = u.withdrawn.size();
  for (const Reach& reach : u.announced) {
    FUZZ_CHECK(!reach.prefixes.empty());
    prefixes += reach.prefixes.size();
    (void)reach.next_hop.to_string();
  }
  FUZZ_CHECK(prefixes <= size);
  FUZZ_CHECK(u.announced.size() <= 2 && u.announced.empty() == !u.attributes);
  FUZZ_CHECK(!u.end_of_rib || prefixes == 0);
  if (!u.attributes) return;
  (void)u.attributes->as_path.to_string();
  FUZZ_CHECK(!u.attributes->as_path.contains(0));
  // Confederation segments have no place in AS4_PATH, so an old speaker cannot be told where they stood.
  if (context.four_octet_asn || !has_confederation(u)) check_builder(u, context);
}

inline void check_message(std::span<const std::uint8_t> bytes, const Context& context) {
  const auto decoded = decode(bytes, context);
  if (!decoded) {
    (void)decoded.error().to_string();
    FUZZ_CHECK(decode(encode(decoded.error(), context), context).value().message == Message{decoded.error()});
    return;
  }
  FUZZ_CHECK(decoded->faults.size() <= 32);
  const auto* update = std::get_if<Update>(&decoded->message);
  if (update != nullptr) {
    check_update(*update, context, bytes.size());
    if (*update == Update{}) return;  // nothing that can be said again
    if (!context.four_octet_asn && has_confederation(*update)) return;
  }
  if (const auto* n = std::get_if<Notification>(&decoded->message)) (void)n->to_string();
  const auto written = encode(decoded->message, context);
  // What AS4_PATH did not say in full, because an old speaker came after it, is said in full again and takes more room.
  if (update != nullptr && context.four_octet_asn) FUZZ_CHECK(written.size() <= bytes.size());
  if (!message_length(written, context)) return;
  const auto again = decode(written, context);
  FUZZ_CHECK(again && again->message == decoded->message && again->faults.empty());
  if (update != nullptr && update->attributes)
    FUZZ_CHECK(hash_value(*update->attributes) == hash_value(*std::get<Update>(again->message).attributes));
}

/// A whole message around `body`, its header true.
inline std::vector<std::uint8_t> with_header(MessageType type, std::span<const std::uint8_t> body) {
  std::vector<std::uint8_t> out(16, 0xff);
  const std::size_t length = kHeaderSize + body.size();
  out.push_back(static_cast<std::uint8_t>(length >> 8));
  out.push_back(static_cast<std::uint8_t>(length));
  out.push_back(static_cast<std::uint8_t>(type));
  out.insert(out.end(), body.begin(), body.end());
  return out;
}

}  // namespace weft::bgp
