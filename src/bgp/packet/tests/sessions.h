// The sessions that the tests of UPDATE speak in, and short ways to look at what came out.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "bgp/packet/message.h"
#include "bgp/packet/tests/craft.h"

namespace weft::bgp {

/// External, four-octet AS numbers, both families.
inline Context session() {
  Context c;
  c.four_octet_asn = true;
  c.families = {kIpv4Unicast, kIpv6Unicast};
  return c;
}
inline Context internal() {
  Context c = session();
  c.ibgp = true;
  return c;
}
/// With a speaker of two-octet AS numbers.
inline Context old_speaker() {
  Context c = session();
  c.four_octet_asn = false;
  return c;
}
/// RFC 8950 agreed on.
inline Context unnumbered() {
  Context c = session();
  c.extended_next_hop = {{kIpv4Unicast, 2}};
  return c;
}

inline Prefix pfx(const char* text) { return Prefix::parse(text).value(); }
inline Address addr(const char* text) { return Address::parse(text).value(); }

inline Decoded received(const craft::Bytes& bytes, const Context& context = session()) {
  auto decoded = decode(bytes, context);
  if (!decoded) {
    ADD_FAILURE() << "the session ended: " << decoded.error().to_string();
    return {Update{}, {}};
  }
  return *decoded;
}
inline Update update_of(const Decoded& d) { return std::get<Update>(d.message); }
inline Update update_of(const craft::Bytes& bytes, const Context& context = session()) {
  return update_of(received(bytes, context));
}
/// The NOTIFICATION that `bytes` earn; a Cease when they earn none.
inline Notification reset_by(const craft::Bytes& bytes, const Context& context = session()) {
  const auto decoded = decode(bytes, context);
  return decoded ? Notification{} : decoded.error();
}
inline Notification update_error_with(std::uint8_t subcode, craft::Bytes data = {}) {
  return {ErrorCode::update_message, subcode, std::move(data)};
}

/// "withdraw 1, discard 6": what was done about which attributes.
inline std::string actions(const Decoded& d) {
  std::string out;
  for (const auto& fault : d.faults) {
    if (!out.empty()) out += ", ";
    out += fault.action == AttributeFault::Action::withdraw ? "withdraw " : "discard ";
    out += std::to_string(fault.type);
    EXPECT_FALSE(fault.why.empty());
  }
  return out;
}

/// `attributes` beside what is mandatory, for 10.0.0.0/8.
inline craft::Bytes with(const craft::Bytes& attributes) {
  return craft::update(
      {.attributes = craft::join({craft::mandatory(), attributes}), .nlri = craft::prefix("10.0.0.0/8")});
}

/// True when the message withdraws exactly 10.0.0.0/8 and announces nothing.
inline testing::AssertionResult withdraws_10_8(const Decoded& d) {
  const Update u = update_of(d);
  if (u.withdrawn == std::vector{pfx("10.0.0.0/8")} && u.announced.empty() && !u.attributes && !u.end_of_rib)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << u.withdrawn.size() << " withdrawn, " << u.announced.size() << " announced";
}
inline testing::AssertionResult announces_10_8(const Decoded& d) {
  const Update u = update_of(d);
  if (u.withdrawn.empty() && u.announced.size() == 1 && u.announced[0].prefixes == std::vector{pfx("10.0.0.0/8")} &&
      u.attributes)
    return testing::AssertionSuccess();
  return testing::AssertionFailure() << u.withdrawn.size() << " withdrawn, " << u.announced.size() << " announced";
}

}  // namespace weft::bgp
