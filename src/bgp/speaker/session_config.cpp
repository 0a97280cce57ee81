#include "bgp/speaker/session_config.h"

#include <algorithm>

namespace weft::bgp {

namespace {

constexpr std::uint8_t kFullTtl = 255;
// Long enough that a flapping peer costs next to nothing, short enough that two of ours do not take turns in refusing
// each other.
constexpr std::chrono::seconds kRefuse{1};
constexpr std::chrono::minutes kLeastSendHold{8};

// What is left of a full TTL after so many hops (RFC 5082 §3).
std::uint8_t least_ttl(std::uint8_t hops) { return static_cast<std::uint8_t>(kFullTtl + 1 - hops); }

bool speaks(const std::vector<ExtendedNextHop>& offered, AfiSafi nlri, std::uint16_t afi) {
  return std::any_of(offered.begin(), offered.end(),
                     [&](const ExtendedNextHop& e) { return e.nlri == nlri && e.next_hop_afi == afi; });
}

}  // namespace

fsm::SessionConfig session_config(const InstanceConfig& instance, const PeerConfig& peer, const SpeakerOptions& options,
                                  Steady::time_point started) {
  fsm::SessionConfig c;
  c.local_as = instance.local_as;
  c.router_id = instance.router_id;
  c.remote_as = peer.remote_as;
  c.hold_time = peer.hold_time;
  c.keepalive = peer.keepalive;
  c.connect_retry = peer.connect_retry;
  c.first_retry = options.first_retry;
  c.damping.refuse = kRefuse;
  c.passive = peer.passive;
  c.held_down = peer.held_down;
  c.families = peer.families;
  c.extended_next_hop = peer.extended_next_hop || is_unnumbered(peer);
  c.host_name = options.host_name;
  c.graceful_restart = peer.graceful_restart;
  c.restarting = options.restarting;
  // Programs, maps and routes of the datapath are pinned: they forwarded all the while.
  if (options.restarting) c.preserved = peer.families;
  if (peer.graceful_restart) c.restart_over = started + peer.graceful_restart->restart_time;
  return c;
}

bool is_internal(const InstanceConfig& instance, const PeerConfig& peer) {
  return peer.remote_as.kind == PeerAs::Kind::internal ||
         (peer.remote_as.kind == PeerAs::Kind::exact && peer.remote_as.asn == instance.local_as);
}

TcpOptions tcp_options(const InstanceConfig& instance, const PeerConfig& peer) {
  TcpOptions o;
  o.password = peer.password;
  if (peer.ttl_security) {
    o.ttl = kFullTtl;
    o.min_ttl = least_ttl(*peer.ttl_security);
  } else {
    o.ttl = is_internal(instance, peer) ? kFullTtl : peer.ebgp_multihop;
  }
  // RFC 9687 §4.3: whoever does not take what we send for so long is gone, however alive it sounds. Silence is the hold
  // timer's business.
  if (peer.hold_time.count() > 0) o.user_timeout = std::max<std::chrono::seconds>(kLeastSendHold, 2 * peer.hold_time);
  return o;
}

ExportRules export_rules(Family family, const InstanceConfig& instance, const PeerConfig& peer,
                         const fsm::Negotiated& negotiated, const OwnAddresses& own) {
  ExportRules r;
  r.family = family;
  r.ibgp = negotiated.ibgp;
  r.local_as = instance.local_as;
  r.four_octet_asn = negotiated.send.four_octet_asn;
  r.extended_message = negotiated.send.extended_message;
  r.graceful_shutdown = peer.graceful_shutdown;
  // RFC 8950 §4 asks for the peer's offer only. A router that takes the capability for agreed where both have it drops
  // such routes of a speaker that did not offer it.
  r.v6_next_hop_for_v4 = family == Family::v4 &&
                         speaks(negotiated.send.extended_next_hop, kIpv4Unicast, kIpv6Unicast.afi) &&
                         speaks(negotiated.ours.capabilities.extended_next_hop, kIpv4Unicast, kIpv6Unicast.afi);
  if (own.session.family() == family) {
    r.next_hop = NextHop{own.session, std::nullopt};
  } else if (own.other) {
    r.next_hop = NextHop{*own.other, std::nullopt};
  }
  const bool link_local = own.session.is_v6() && own.session.is_link_local();
  const bool takes_v6 = family == Family::v6 || r.v6_next_hop_for_v4;
  if (own.session.is_v6() && takes_v6) {
    // RFC 2545 §3: the global address, and the link-local one with it; alone where there is no global one.
    r.next_hop = NextHop{own.session, std::nullopt};
    if (link_local && own.global_v6) r.next_hop = NextHop{*own.global_v6, own.session};
  }
  return r;
}

std::optional<BfdEdge::Session> bfd_session(const InstanceConfig& instance, const PeerConfig& peer,
                                            const PeerPath& path) {
  if (!peer.bfd || !path.remote || !peer.held_down.empty()) return std::nullopt;
  BfdEdge::Session s;
  s.remote = *path.remote;
  s.parameters = *peer.bfd;
  const bool link_local = s.remote.is_v6() && s.remote.is_link_local();
  // External peers are on the link unless the configuration says otherwise. Internal ones may be anywhere, but one that
  // shares a network with us takes single hop, as routers do.
  const bool far = (is_internal(instance, peer) && !path.on_link) || peer.ebgp_multihop > 1 ||
                   (peer.ttl_security && *peer.ttl_security > 1);
  s.multihop = !link_local && peer.bfd->multihop.value_or(far);
  if (peer.local_address) s.local = peer.local_address;
  // Single hop leaves the address to routes, unless a source interface takes it from them: the peer expects BFD from
  // where BGP comes.
  if (!s.local && (s.multihop || !peer.source_interface.empty())) {
    if (!path.local) return std::nullopt;
    s.local = path.local;
  }
  if (s.multihop) {
    // A stranger's packet that takes BFD down takes the BGP session along: what guards the one guards the other.
    const std::uint8_t by_security = peer.ttl_security ? least_ttl(*peer.ttl_security) : 1;
    s.min_ttl = peer.bfd->minimum_ttl.value_or(by_security);
  } else {
    s.interface = peer.interface;
  }
  return s;
}

}  // namespace weft::bgp
