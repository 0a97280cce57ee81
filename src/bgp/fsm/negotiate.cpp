#include "bgp/fsm/negotiate.h"

#include <fmt/core.h>

#include <algorithm>
#include <string>

namespace weft::bgp::fsm {
namespace {

using std::chrono::seconds;

/// A speaker that offers no family means IPv4 unicast (RFC 4760 §8).
std::vector<AfiSafi> offered(const Capabilities& c) {
  return c.families.empty() ? std::vector<AfiSafi>{kIpv4Unicast} : c.families;
}

bool has(const std::vector<AfiSafi>& families, AfiSafi f) { return std::ranges::find(families, f) != families.end(); }

std::string list(const std::vector<AfiSafi>& families) {
  std::string out;
  for (const AfiSafi& f : families) out += (out.empty() ? "" : ", ") + f.to_string();
  return out;
}

std::unexpected<OpenRefused> refuse(std::uint8_t subcode, std::string words, std::vector<std::uint8_t> data = {}) {
  return std::unexpected(OpenRefused{{ErrorCode::open_message, subcode, std::move(data)}, std::move(words)});
}

/// Empty when `asn` is as configured, otherwise why not.
std::string bad_peer_as(const SessionConfig& config, Asn asn) {
  if (asn == 0) return "their AS is 0, which nobody may have (RFC 7607): give the router an AS number";
  if (asn == kAsTrans)
    return "their AS is 23456, which stands for numbers beyond 65535 (RFC 6793): the router must offer its own by the "
           "4-octet AS capability";
  switch (config.remote_as.kind) {
    case PeerAs::Kind::any: return "";
    case PeerAs::Kind::exact:
      if (asn == config.remote_as.asn) return "";
      return fmt::format("their AS is {}, {} is configured: set peerASN to {} or fix the router", asn,
                         config.remote_as.asn, asn);
    case PeerAs::Kind::external:
      if (asn != config.local_as) return "";
      return fmt::format(
          "their AS is {} like ours, but the peer is configured as external: make it internal, or give "
          "one side another AS",
          asn);
    case PeerAs::Kind::internal:
      if (asn == config.local_as) return "";
      return fmt::format("their AS is {}, but an internal peer has ours, {}: make it external or set peerASN to {}",
                         asn, config.local_as, asn);
  }
  return "";
}

/// The multiprotocol capabilities that we ask for, as they stand in OPEN (RFC 5492 §4, 4760 §8).
std::vector<std::uint8_t> required(const std::vector<AfiSafi>& families) {
  std::vector<std::uint8_t> data;
  for (const AfiSafi& f : families) {
    const auto high = static_cast<std::uint8_t>(f.afi >> 8), low = static_cast<std::uint8_t>(f.afi & 0xff);
    data.insert(data.end(), {static_cast<std::uint8_t>(CapabilityCode::multiprotocol), 4, high, low, 0, f.safi});
  }
  return data;
}

}  // namespace

std::vector<AfiSafi> Negotiated::kept() const {
  std::vector<AfiSafi> out;
  if (!peer_restart || peer_restart->restart_time == 0) return out;
  for (const auto& t : peer_restart->families)
    if (has(families, t.family) && !has(out, t.family)) out.push_back(t.family);
  return out;
}

bool needs_reset(const SessionConfig& from, const SessionConfig& to) {
  return make_open(from, false) != make_open(to, false) || from.remote_as != to.remote_as ||
         from.keepalive != to.keepalive;
}

Open make_open(const SessionConfig& config, bool first) {
  Open open;
  open.asn = config.local_as;
  open.hold_time = static_cast<std::uint16_t>(std::clamp<seconds::rep>(config.hold_time.count(), 0, 65535));
  open.router_id = config.router_id;
  Capabilities& c = open.capabilities;
  for (const AfiSafi& f : config.families)
    if (family_of(f) && !has(c.families, f)) c.families.push_back(f);
  c.route_refresh = true;
  c.enhanced_route_refresh = true;
  c.extended_message = true;
  c.four_octet_asn = config.local_as;
  c.host_name = config.host_name;
  // RFC 8950 §4: IPv4 prefixes, IPv6 next hops (AFI 2).
  if (config.extended_next_hop && has(offered(c), kIpv4Unicast)) c.extended_next_hop = {{kIpv4Unicast, 2}};
  if (const auto& gr = config.graceful_restart) {
    GracefulRestart offer{.restarting = first && config.restarting,
                          .notification = gr->notification,
                          .restart_time = static_cast<std::uint16_t>(
                              std::clamp<seconds::rep>(gr->restart_time.count(), 0, 4095)),  // 12 bits
                          .families = {}};
    for (const AfiSafi& f : offered(c)) offer.families.push_back({f, !first || has(config.preserved, f)});
    c.graceful_restart = offer;
  }
  return open;
}

std::expected<Negotiated, OpenRefused> negotiate(const SessionConfig& config, const Open& ours, const Open& theirs) {
  if (std::string why = bad_peer_as(config, theirs.asn); !why.empty()) {
    return refuse(open_error::kBadPeerAs, std::move(why));
  }
  const bool ibgp = theirs.asn == ours.asn;
  if (theirs.router_id.value == 0)
    return refuse(open_error::kBadIdentifier, "their router id is 0.0.0.0: give the router a BGP identifier");
  if (ibgp && theirs.router_id == ours.router_id)
    return refuse(open_error::kBadIdentifier,
                  fmt::format("their router id {} is ours too, and inside one AS it must be unique: set routerID on "
                              "either side",
                              theirs.router_id.to_string()));
  if (theirs.hold_time == 1 || theirs.hold_time == 2)
    return refuse(
        open_error::kUnacceptableHoldTime,
        fmt::format("their hold time is {} s: it must be 0 or at least 3 s, fix the router", theirs.hold_time));

  const Capabilities &a = ours.capabilities, &b = theirs.capabilities;
  const auto mine = offered(a), other = offered(b);
  std::vector<AfiSafi> families;
  for (const AfiSafi& f : mine)
    if (has(other, f)) families.push_back(f);
  if (families.empty())
    return refuse(open_error::kUnsupportedCapability,
                  fmt::format("no common address family: they offer {}, we offer {}: configure one that both have",
                              list(other), list(mine)),
                  required(mine));

  const seconds hold{std::min(ours.hold_time, theirs.hold_time)};
  const bool restart = a.graceful_restart && b.graceful_restart;
  const bool four_octet = a.four_octet_asn && b.four_octet_asn;
  const bool enhanced = a.enhanced_route_refresh && b.enhanced_route_refresh;
  return Negotiated{
      .peer_as = theirs.asn,
      .peer_router_id = theirs.router_id,
      .ibgp = ibgp,
      .families = families,
      .hold = hold,
      // RFC 4271 §4.4: at most a third of the hold time, and not more often than once a second.
      .keepalive = hold.count() > 0 ? std::clamp(config.keepalive, seconds{1}, hold / 3) : seconds{0},
      // What one side announces in its OPEN is what the other may send (RFC 8654 §4, 8950 §4).
      .receive = {.four_octet_asn = four_octet,
                  .extended_message = a.extended_message,
                  .ibgp = ibgp,
                  .families = families,
                  .extended_next_hop = a.extended_next_hop,
                  .enhanced_route_refresh = enhanced},
      .send = {.four_octet_asn = four_octet,
               .extended_message = b.extended_message,
               .ibgp = ibgp,
               .families = families,
               .extended_next_hop = b.extended_next_hop,
               .enhanced_route_refresh = enhanced},
      .route_refresh = b.route_refresh,
      .enhanced_route_refresh = enhanced,
      .peer_restart = restart ? b.graceful_restart : std::nullopt,
      .notification_restart = restart && a.graceful_restart->notification && b.graceful_restart->notification,
      .ours = ours,
      .theirs = theirs,
  };
}

}  // namespace weft::bgp::fsm
