// The routes of every group of a plan, kept up to date: a change of one Service touches its own prefixes and no
// others. No clock, no table: the caller says what changed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "bgp/control/plan.h"
#include "bgp/control/services.h"
#include "bgp/rib/attribute_pool.h"
#include "bgp/rib/route_set.h"

namespace weft::bgp::control {

/// What a node has to announce besides Services.
struct NodePrefixes {
  std::vector<Prefix> pod_cidrs;
  std::map<std::string, std::vector<Address>> interfaces;  // addresses by interface; link-local ones left out
  std::vector<Prefix> on_link;                             // networks of the node's own links
  Labels labels;                                           // of the CiliumNode: v1 path attributes select by them
  bool operator==(const NodePrefixes&) const = default;
};

struct RouteOptions {
  ServiceOptions services;
  bool legacy_origin = false;  // ORIGIN is INCOMPLETE for LoadBalancer IPs instead of IGP
  bool operator==(const RouteOptions&) const = default;
};

/// One announcement that a rule asks for: `host` is the address or network, `announced` what goes out for it: itself,
/// or the aggregate that it is in.
struct Claim {
  ObjectName service;  // empty: the node's own
  Prefix host;
  Prefix announced;
  std::shared_ptr<const AdvertisedAttributes> attributes;  // of an AttributeCache
  bool operator==(const Claim&) const = default;
};

/// The routes of one group.
///
/// An aggregate goes out when every claim on it has the same attributes. As soon as two differ, all of them go out as
/// host routes: an aggregate would give one Service the communities of another. Claims on one prefix are merged.
class GroupRoutes {
 public:
  explicit GroupRoutes(Group group) : group_(std::move(group)) {}

  /// Replaces what `owner` claims.
  void set(const ObjectName& owner, std::vector<Claim> claims);
  const Group& group() const { return group_; }
  const RouteSet& routes() const { return routes_; }
  bool aggregate_is_split(const Prefix& aggregate) const;
  /// Aggregates that are announced.
  std::vector<Prefix> aggregates() const;
  /// What goes out for a prefix; none when nothing does.
  std::optional<AdvertisedAttributes> attributes(const Prefix& prefix) const;

 private:
  struct Aggregate {
    std::map<std::shared_ptr<const AdvertisedAttributes>, unsigned> attributes;  // how many claims have them
    std::map<Prefix, unsigned> hosts;
    bool split() const { return attributes.size() > 1; }
  };
  void withdraw(const Claim& claim, std::set<Prefix>& dirty);
  void add(const Claim& claim, std::set<Prefix>& dirty);
  void note_split(const Prefix& aggregate, bool before, std::set<Prefix>& dirty) const;
  void refresh(const Prefix& prefix);

  Group group_;
  RouteSet routes_;
  AttributePool pool_;
  std::map<ObjectName, std::vector<Claim>> claims_;
  std::map<Prefix, std::vector<Claim>> on_host_;
  std::map<Prefix, Aggregate> aggregates_;
};

/// Gives AdvertisedAttributes one address each, so that claims compare by pointer.
class AttributeCache {
 public:
  std::shared_ptr<const AdvertisedAttributes> get(const AdvertisedAttributes& a);

 private:
  std::vector<std::weak_ptr<const AdvertisedAttributes>> known_;
};

class RouteBuilder {
 public:
  /// Groups that are as before keep their routes; new ones are computed from everything known.
  void set_plan(const Plan& plan, std::vector<ObjectPtr<PoolSpec>> pools);
  void set_options(RouteOptions options);
  void set_node(NodePrefixes node);
  void set_service(const ObjectName& name, std::optional<ServiceFacts> facts);

  /// Everything for the speaker. Route sets are copies that share all their routes.
  Wanted wanted(bool complete) const;
  /// Aggregates that some peer of the instance is told of: each needs a blackhole route on the node, or packets to its
  /// free addresses would circle between node and router. Not those that overlap a network the node is on: its own
  /// neighbours would be cut off.
  std::vector<Prefix> aggregates(const std::string& instance) const;
  /// What such an aggregate is wider than: a network of the node's own that lies in it. Then packets to its free
  /// addresses follow the node's other routes and may circle. None when there is a blackhole, or when all of the
  /// aggregate is on the link: there nothing circles.
  std::optional<Prefix> wider_than(const Prefix& aggregate) const;
  /// Warnings about rules whose aggregates are announced without a blackhole; field, network and mend are named.
  Findings findings() const;

  const Plan& plan() const { return plan_; }
  const GroupRoutes* group(const std::string& instance, const std::string& name) const;
  const std::map<ObjectName, ServiceFacts>& services() const { return services_; }
  const NodePrefixes& node() const { return node_; }
  const RouteOptions& options() const { return options_; }

 private:
  struct Key {
    std::string instance;
    std::string group;
    auto operator<=>(const Key&) const = default;
  };
  std::vector<Claim> service_claims(const Group& group, const ServiceFacts& facts);
  std::vector<Claim> node_claims(const Group& group);
  AdvertisedAttributes of_rules(const Group& group, const Rule& rule, const Prefix& prefix, bool load_balancer) const;
  void fill(GroupRoutes& routes);

  Plan plan_;
  std::vector<ObjectPtr<PoolSpec>> pools_;
  RouteOptions options_;
  NodePrefixes node_;
  std::map<ObjectName, ServiceFacts> services_;
  std::map<Key, GroupRoutes> groups_;
  AttributeCache cache_;
};

/// "10.0.0.0/8, which has no blackhole on this node: its network …", and the mend; for RouteBuilder::wider_than().
std::string no_blackhole(const Prefix& aggregate, const Prefix& network);
std::string no_blackhole_mend(const Prefix& aggregate);

}  // namespace weft::bgp::control
