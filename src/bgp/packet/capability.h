// Capabilities of the OPEN message (RFC 5492) as one value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bgp/packet/types.h"

namespace weft::bgp {

/// IANA capability codes.
enum class CapabilityCode : std::uint8_t {
  multiprotocol = 1,            // RFC 4760
  route_refresh = 2,            // RFC 2918
  extended_next_hop = 5,        // RFC 8950
  extended_message = 6,         // RFC 8654
  graceful_restart = 64,        // RFC 4724
  four_octet_asn = 65,          // RFC 6793
  enhanced_route_refresh = 70,  // RFC 7313
  fqdn = 73,                    // draft-walton-bgp-hostname-capability, sent by FRR
};

/// RFC 4724 §3 with the N bit of RFC 8538.
struct GracefulRestart {
  bool restarting = false;         // R: the sender has restarted
  bool notification = false;       // N: NOTIFICATION and hold-timer expiry do not end it (RFC 8538)
  std::uint16_t restart_time = 0;  // seconds, 0..4095
  struct Tuple {
    AfiSafi family;
    bool forwarding = false;  // F: forwarding state was preserved
    bool operator==(const Tuple&) const = default;
  };
  std::vector<Tuple> families;
  bool operator==(const GracefulRestart&) const = default;
};

/// RFC 8950: for the family of the prefixes, next hops of that AFI are understood.
struct ExtendedNextHop {
  AfiSafi nlri;
  std::uint16_t next_hop_afi = 0;
  auto operator<=>(const ExtendedNextHop&) const = default;
};

struct UnknownCapability {
  std::uint8_t code = 0;
  std::vector<std::uint8_t> value;
  bool operator==(const UnknownCapability&) const = default;
};

struct Capabilities {
  std::vector<AfiSafi> families;  // of the multiprotocol capability; empty: IPv4 unicast is meant (RFC 4760 §8)
  bool route_refresh = false;
  bool enhanced_route_refresh = false;
  bool extended_message = false;
  std::optional<Asn> four_octet_asn;
  std::optional<GracefulRestart> graceful_restart;
  std::vector<ExtendedNextHop> extended_next_hop;
  std::string host_name;  // of the FQDN capability
  std::vector<UnknownCapability> unknown;
  bool operator==(const Capabilities&) const = default;
};

}  // namespace weft::bgp
