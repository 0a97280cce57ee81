// The Kubernetes objects of BGP as values (cilium-compat sections 4.2 to 4.7), with our extension fields.
// Parsing them is parse.h; absent optional fields hold their defaults here.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "bgp/control/finding.h"
#include "bgp/control/selector.h"
#include "bgp/packet/attributes.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp::control {

struct Meta {
  std::string name;
  std::string uid;
  std::int64_t generation = 0;
  Wall::time_point created{};
  Labels labels;
  /// Which of two objects was first; the name decides between equal times.
  bool older_than(const Meta& o) const { return created != o.created ? created < o.created : name < o.name; }
  bool operator==(const Meta&) const = default;
};

/// An object with the last specification that could be used. `good` is null when there never was one; `findings` are
/// about the newest state.
template <class Spec>
struct Object {
  using Key = std::string;
  Meta meta;
  std::shared_ptr<const Spec> good;
  Findings findings;
  Key key() const { return meta.name; }
  bool operator==(const Object& o) const {
    return meta == o.meta && findings == o.findings && (good == o.good || (good && o.good && *good == *o.good));
  }
};

template <class Spec>
using ObjectPtr = std::shared_ptr<const Object<Spec>>;
template <class Spec>
using ObjectMap = std::map<std::string, ObjectPtr<Spec>>;

// ---- what is announced

enum class ServiceAddress : std::uint8_t { load_balancer_ip, cluster_ip, external_ip };
std::string_view to_string(ServiceAddress);  // "LoadBalancerIP", …
std::optional<ServiceAddress> parse_service_address(std::string_view text);

/// Attributes that an advertisement puts on its routes. Several on one prefix are merged: see merge().
struct AdvertisedAttributes {
  std::vector<Community> communities;       // standard and well-known ones; sorted, no duplicates
  std::vector<LargeCommunity> large;        // sorted, no duplicates
  std::optional<std::uint32_t> local_pref;  // sessions drop it towards external peers
  std::vector<ExtendedCommunity> extended;  // extension; sorted, no duplicates
  std::optional<std::uint32_t> med;         // extension
  std::optional<unsigned> prepend;          // extension: our ASN so many times more
  std::optional<Origin> origin;             // extension
  std::optional<Address> next_hop_v4;       // extension: of IPv4 prefixes; an IPv6 address is RFC 8950
  std::optional<Address> next_hop_v6;       // extension
  bool operator==(const AdvertisedAttributes&) const = default;
};
/// Communities of both; of single values the one that makes the route more preferred (highest local preference, lowest
/// MED and origin, fewest prepends), a given one before none; of two next hops `a`'s.
AdvertisedAttributes merge(AdvertisedAttributes a, const AdvertisedAttributes& b);
/// "communities 65000:1, local preference 200"; empty when nothing is set.
std::string to_string(const AdvertisedAttributes&);

struct AdvertisementSpec {
  struct Entry {
    enum class Type : std::uint8_t { pod_cidr, pod_ip_pool, service, interface };
    Type type = Type::pod_cidr;
    std::vector<ServiceAddress> addresses;  // of `service`
    std::optional<unsigned> aggregate_v4;   // of `service`: 0 to 31
    std::optional<unsigned> aggregate_v6;   // 0 to 127
    std::string interface;                  // of `interface`
    std::optional<Selector> selector;       // of services or pools; none selects nothing
    AdvertisedAttributes attributes;
    bool operator==(const Entry&) const = default;
  };
  std::vector<Entry> entries;
  bool operator==(const AdvertisementSpec&) const = default;
};
std::string_view to_string(AdvertisementSpec::Entry::Type);  // "PodCIDR", …

// ---- how a peer is spoken to

struct BfdSpec {
  std::chrono::milliseconds transmit{300};
  std::chrono::milliseconds receive{300};
  std::uint8_t multiplier = 3;
  std::string auth_secret;  // Secret with the SHA-1 key; empty: none
  std::uint8_t key_id = 1;
  std::optional<bool> multihop;             // none: as the path to the peer is
  std::optional<std::uint8_t> minimum_ttl;  // of multihop; none: as ttlSecurity says
  bool operator==(const BfdSpec&) const = default;
};

/// What CiliumBGPPeerConfig and a v1 neighbor have in common.
struct PeerSettings {
  Port port = 179;
  std::string source_interface;
  std::chrono::seconds connect_retry{120};
  std::chrono::seconds hold_time{90};
  std::chrono::seconds keepalive{30};
  std::string auth_secret;  // Secret with key `password`; empty: no TCP MD5
  std::optional<GracefulRestartConfig> graceful_restart;
  std::uint8_t ebgp_multihop = 1;
  struct FamilySpec {
    AfiSafi family;
    std::optional<Selector> advertisements;  // of CiliumBGPAdvertisements; none selects nothing
    bool operator==(const FamilySpec&) const = default;
  };
  std::vector<FamilySpec> families;  // IPv4 and IPv6 unicast only; others are left out with a warning
  // Extensions.
  std::optional<BfdSpec> bfd;
  std::optional<std::uint8_t> ttl_security;
  bool passive = false;
  bool extended_next_hop = false;
  std::size_t max_received = 0;
  std::optional<ImportPolicy> import;
  std::optional<std::chrono::seconds> graceful_shutdown;  // drain: how long routes stay, marked; none: the default
  bool operator==(const PeerSettings&) const = default;
};
using PeerConfigSpec = PeerSettings;
/// What a peer without peerConfigRef gets: both families, nothing advertised.
PeerSettings default_peer_settings();

// ---- v1

struct PathAttributeRule {
  enum class Type : std::uint8_t { pod_cidr, load_balancer_ip_pool, pod_ip_pool };
  Type type = Type::pod_cidr;
  std::optional<Selector> selector;  // none: every object of the type
  AdvertisedAttributes attributes;
  bool operator==(const PathAttributeRule&) const = default;
};

struct Neighbor {
  Address address;
  PeerAs remote_as;
  PeerSettings settings;  // families have no advertisements: the virtual router says what goes out
  std::vector<PathAttributeRule> attributes;
  bool operator==(const Neighbor&) const = default;
};

struct VirtualRouter {
  Asn local_as = 0;
  bool export_pod_cidr = false;
  std::optional<Selector> service_selector;      // none selects nothing
  std::optional<Selector> pod_ip_pool_selector;  // none selects nothing
  std::vector<ServiceAddress> service_addresses{ServiceAddress::load_balancer_ip};
  std::vector<Neighbor> neighbors;
  bool operator==(const VirtualRouter&) const = default;
};

struct PeeringPolicySpec {
  std::optional<Selector> node_selector;  // none: every node
  std::vector<VirtualRouter> routers;
  bool operator==(const PeeringPolicySpec&) const = default;
};

// ---- v2

/// A peer as CiliumBGPClusterConfig has it, and CiliumBGPNodeConfig after the override.
struct PeerSpec {
  std::string name;
  std::optional<Address> address;
  std::string zone;  // of a link-local address: "fe80::1%eth0"
  PeerAs remote_as;
  std::optional<Family> default_gateway;  // autoDiscovery
  std::string config;                     // CiliumBGPPeerConfig; empty: built-in defaults
  std::string interface;                  // extension: the router that advertises itself there (unnumbered)
  std::optional<Address> local_address;   // of CiliumBGPNodeConfig
  bool operator==(const PeerSpec&) const = default;
};

struct InstanceSpec {
  std::string name;
  std::optional<Asn> local_as;  // of a node config always set
  std::optional<RouterId> router_id;
  std::optional<Port> local_port;
  std::vector<PeerSpec> peers;
  bool operator==(const InstanceSpec&) const = default;
};

struct ClusterConfigSpec {
  std::optional<Selector> node_selector;  // none: every node
  std::vector<InstanceSpec> instances;
  bool operator==(const ClusterConfigSpec&) const = default;
};

struct NodeConfigOverrideSpec {
  struct Peer {
    std::string name;
    std::optional<Address> local_address;
    bool operator==(const Peer&) const = default;
  };
  struct Instance {
    std::string name;
    std::optional<RouterId> router_id;
    std::optional<Port> local_port;
    std::optional<Asn> local_as;
    std::vector<Peer> peers;
    bool operator==(const Instance&) const = default;
  };
  std::vector<Instance> instances;
  bool operator==(const NodeConfigOverrideSpec&) const = default;
};

struct NodeConfigSpec {
  std::vector<InstanceSpec> instances;
  bool operator==(const NodeConfigSpec&) const = default;
};

/// CiliumLoadBalancerIPPool, as far as v1 path attributes need it.
struct PoolSpec {
  struct Range {
    Address first, last;
    bool operator==(const Range&) const = default;
  };
  std::vector<Range> ranges;
  bool contains(const Address& a) const;
  bool operator==(const PoolSpec&) const = default;
};

}  // namespace weft::bgp::control
