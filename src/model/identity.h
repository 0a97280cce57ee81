// Security identities: a number for a set of labels, mesh-wide (cilium-compat section 2).
#pragma once

#include <map>
#include <set>
#include <string>

#include "base/net.h"
#include "model/names.h"

namespace weft {

using NumericIdentity = std::uint32_t;

inline constexpr NumericIdentity kIdentityUnknown = 0;
inline constexpr NumericIdentity kIdentityHost = 1;
inline constexpr NumericIdentity kIdentityWorld = 2;
inline constexpr NumericIdentity kIdentityUnmanaged = 3;
inline constexpr NumericIdentity kIdentityHealth = 4;
inline constexpr NumericIdentity kIdentityInit = 5;
inline constexpr NumericIdentity kIdentityRemoteNode = 6;
inline constexpr NumericIdentity kIdentityMinimumAllocated = 256;

/// Where a cluster's identities lie: c<<16 … with up to 255 clusters, c<<15 … with up to 511.
struct IdentityRange {
  NumericIdentity first = 0;
  NumericIdentity last = 0;
  bool contains(NumericIdentity id) const { return id >= first && id <= last; }
};
IdentityRange identity_range(ClusterId cluster, ClusterId max_connected_clusters);

/// "source:key" → value, e.g. "k8s:app" → "cart".
struct Identity {
  using Key = NumericIdentity;
  NumericIdentity id = 0;
  Labels labels;
  std::string cluster;
  Key key() const { return id; }
  bool operator==(const Identity&) const = default;
};

/// One address and who is behind it: the value of cilium/state/ip/v1/default/<ip> (section 1.5).
struct IpIdentity {
  struct Key {
    std::string cluster;
    Prefix prefix;
    std::string to_string() const { return cluster + "/" + prefix.to_string(); }
    auto operator<=>(const Key&) const = default;
  };
  std::string cluster;
  Prefix prefix;  // a host prefix for a pod
  Address host;   // the node that holds it
  NumericIdentity id = 0;
  std::uint8_t encryption_key = 0;
  std::string ns;
  std::string pod;
  std::string service_account;
  Key key() const { return {cluster, prefix}; }
  bool operator==(const IpIdentity&) const = default;
};

}  // namespace weft
