// A route that we want to be known, as whoever asks for it says it.
#pragma once

#include <optional>

#include "bgp/packet/attributes.h"
#include "bgp/packet/types.h"

namespace weft::bgp {

/// One prefix of a RouteSet. Without `next_hop` each session puts its own local address there (RFC 4271 §5.1.3).
/// `attributes.as_path` is what stands behind our own ASN; a session adds that, and drops `local_pref` towards an
/// external peer. `prepend` puts our ASN that many times more.
struct Route {
  Prefix prefix;
  PathAttributes attributes;
  std::optional<Address> next_hop;
  unsigned prepend = 0;
  using Key = Prefix;
  const Prefix& key() const { return prefix; }
  bool operator==(const Route&) const = default;
};

}  // namespace weft::bgp
