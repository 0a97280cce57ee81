// Fields that several kinds share. Internal to parsing.
#pragma once

#include "bgp/control/objects.h"
#include "bgp/control/reader.h"

namespace weft::bgp::control {

/// `communities`, `localPreference` and our extensions beside them.
AdvertisedAttributes read_attributes(const Reader& r);
/// `families`; those we do not speak are left out with a warning. `with_advertisements` for v2.
std::vector<PeerSettings::FamilySpec> read_families(const Reader& r, bool with_advertisements);
std::optional<GracefulRestartConfig> read_graceful_restart(const Reader& r);
/// connectRetryTimeSeconds, holdTimeSeconds, keepAliveTimeSeconds and their cross-field rule.
void read_timers(const Reader& r, PeerSettings& out);
/// bfd, ttlSecurity, passive, extendedNextHop, maxReceivedPrefixes, import, drain. After everything else was read.
void read_extensions(const Reader& r, std::string_view multihop_field, PeerSettings& out);
/// `localASN`, without the numbers that nobody may have.
std::optional<Asn> read_local_as(const Reader& r);
/// `peerASN` and `peerAS`.
PeerAs read_peer_as(const Reader& r);
std::optional<RouterId> read_router_id(const Reader& r, std::string_view key);
/// An interface's name: 1 to 15 characters.
std::string read_interface(const Reader& r, std::string_view key);
/// Notes a finding when packets cannot be sent there: unspecified, multicast.
bool usable_peer(const Reader& r, std::string_view key, const Address& a);

}  // namespace weft::bgp::control
