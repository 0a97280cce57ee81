// From objects to instances, peers and rules: who shall be spoken to from this node, and by which rules routes go to
// whom. Values in, values out; the routes themselves are routes.h.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bgp/control/kinds.h"
#include "bgp/control/objects.h"
#include "bgp/speaker/wanted.h"
#include "netlink/types.h"

namespace weft::bgp::control {

/// A router behind a default route.
struct Gateway {
  Address address;
  std::string interface;
  auto operator<=>(const Gateway&) const = default;
};
/// Gateways of the default routes of lowest metric, one for each path of an ECMP route; link-local ones too. Routes of
/// links that are down are passed over. Sorted.
std::vector<Gateway> default_gateways(const std::vector<netlink::Route>& routes,
                                      const std::vector<netlink::Link>& links, Family family);

/// The node as BGP sees it.
struct NodeFacts {
  std::string name;
  Labels labels;
  Labels annotations;
  Labels good_annotations;      // of virtual routers, as they were last without a fault: see good_router_annotations()
  std::optional<Address> ipv4;  // its InternalIP: the router id unless something else is said
  std::vector<Gateway> gateways_v4, gateways_v6;
  /// Cordoned, or annotated or tainted with weft.io/drain: for so long.
  std::optional<std::chrono::seconds> draining_for;
  /// The agent is about to end: peers that will not keep our routes see them marked before the session ends.
  bool stopping = false;
  /// Sessions that are up without graceful restart, whatever is configured: the router did not agree to it. By the
  /// names of instance and peer; asked only when stopping.
  std::set<std::pair<std::string, std::string>> without_restart;
  bool operator==(const NodeFacts&) const = default;
};
inline constexpr const char* kDrainKey = "weft.io/drain";
/// How long a draining node's routes stay, marked, unless the peer's configuration says otherwise.
inline constexpr std::chrono::seconds kDrainTime{300};

struct Objects {
  std::vector<ObjectPtr<PeeringPolicySpec>> policies;
  ObjectPtr<NodeConfigSpec> node_config;  // the one named like the node, or null
  ObjectMap<PeerConfigSpec> peer_configs;
  ObjectMap<AdvertisementSpec> advertisements;
  std::vector<ObjectPtr<PoolSpec>> pools;
  /// Secrets of `secrets_namespace` that have a key `password`, by name. None while they are not listed yet.
  std::optional<std::map<std::string, std::string>> passwords;
  std::string passwords_error;  // why not, when asking for them failed
  std::string secrets_namespace = "kube-system";
  AbsentKinds absent;
};

/// What mends that Secrets cannot be read.
std::string secrets_mend(const std::string& who, const std::string& secrets_namespace);

/// One reason for routes to exist.
struct Rule {
  ObjectRef object;
  std::string field;  // "spec.advertisements[0]"
  AdvertisementSpec::Entry entry;
  std::string to_string() const { return object.to_string() + " " + field; }
  bool operator==(const Rule&) const = default;
};

/// What goes to every peer of an instance that has the same rules for a family: one set of routes.
struct Group {
  AfiSafi family;
  std::vector<Rule> rules;
  std::vector<PathAttributeRule> path_attributes;  // v1 only
  bool operator==(const Group&) const = default;
};

struct Plan {
  struct Instance {
    InstanceConfig config;                // peers' `routes` name the groups
    std::set<std::string> withdrawn;      // peers that are told nothing any more: the node's drain is over
    std::map<std::string, Group> groups;  // by name: "ipv4 of <the first peer that has it>"
    std::string field;                    // where the object in force has it: "spec.bgpInstances[0]"
    std::set<ObjectRef> uses;             // objects beside it that this instance is made of
    bool operator==(const Instance&) const = default;
  };
  std::map<std::string, Instance> instances;
  std::string source;                // "CiliumBGPPeeringPolicy rack-bgp"; empty when nothing selects this node
  std::vector<std::string> ignored;  // policies that select the node too, in words that name the one in force
  Findings findings;                 // of what this node uses
  std::optional<std::chrono::seconds> changes_in;  // a draining node's next step
  bool operator==(const Plan&) const = default;
};
Plan plan(const NodeFacts& node, const Objects& objects);

/// Whether a finding of the plan is about this instance, or about what it is made of.
bool concerns(const Finding& finding, const Plan::Instance& instance);

/// Which of the policies that select a node's labels is in force: the oldest. Null when none does.
ObjectPtr<PeeringPolicySpec> policy_in_force(const std::vector<ObjectPtr<PeeringPolicySpec>>& policies,
                                             const Labels& node_labels);

/// The node's IPv4 address, else a number made of its name.
RouterId default_router_id(const NodeFacts& node);

}  // namespace weft::bgp::control
