#include "bgp/control/routes.h"

#include <fmt/format.h>

#include <algorithm>

namespace weft::bgp::control {

namespace {

using Type = AdvertisementSpec::Entry::Type;

bgp::RouteAttributes wire_attributes(const AdvertisedAttributes& a, Family family) {
  bgp::RouteAttributes out;
  out.path.origin = a.origin.value_or(Origin::igp);
  out.path.med = a.med;
  out.path.local_pref = a.local_pref;
  out.path.communities = a.communities;
  out.path.large_communities = a.large;
  out.path.extended_communities = a.extended;
  out.prepend = a.prepend.value_or(0);
  const auto& hop = family == Family::v4 ? a.next_hop_v4 : a.next_hop_v6;
  if (hop) out.next_hop = NextHop{*hop, std::nullopt};
  return out;
}

std::optional<Prefix> aggregate_of(const AdvertisementSpec::Entry& entry, const Address& a) {
  const auto& length = a.is_v4() ? entry.aggregate_v4 : entry.aggregate_v6;
  if (!length) return std::nullopt;
  return Prefix(a, *length);
}

}  // namespace

// ---- one group

bool GroupRoutes::aggregate_is_split(const Prefix& aggregate) const {
  const auto it = aggregates_.find(aggregate);
  return it != aggregates_.end() && it->second.split();
}

std::vector<Prefix> GroupRoutes::aggregates() const {
  std::vector<Prefix> out;
  for (const auto& [prefix, aggregate] : aggregates_)
    if (!aggregate.split()) out.push_back(prefix);
  return out;
}

void GroupRoutes::note_split(const Prefix& prefix, bool before, std::set<Prefix>& dirty) const {
  const auto it = aggregates_.find(prefix);
  if (it == aggregates_.end() || it->second.split() == before) return;
  for (const auto& [host, count] : it->second.hosts) dirty.insert(host);
}

void GroupRoutes::withdraw(const Claim& c, std::set<Prefix>& dirty) {
  auto& on_host = on_host_[c.host];
  std::erase_if(on_host, [&](const Claim& o) { return o.service == c.service && o.announced == c.announced; });
  if (on_host.empty()) on_host_.erase(c.host);
  dirty.insert(c.host);
  dirty.insert(c.announced);
  if (c.host == c.announced) return;
  Aggregate& a = aggregates_[c.announced];
  const bool before = a.split();
  if (--a.attributes[c.attributes] == 0) a.attributes.erase(c.attributes);
  if (--a.hosts[c.host] == 0) a.hosts.erase(c.host);
  note_split(c.announced, before, dirty);
  if (a.hosts.empty()) aggregates_.erase(c.announced);
}

void GroupRoutes::add(const Claim& c, std::set<Prefix>& dirty) {
  on_host_[c.host].push_back(c);
  dirty.insert(c.host);
  dirty.insert(c.announced);
  if (c.host == c.announced) return;
  Aggregate& a = aggregates_[c.announced];
  const bool before = a.split();
  ++a.attributes[c.attributes];
  ++a.hosts[c.host];
  note_split(c.announced, before, dirty);
}

std::optional<AdvertisedAttributes> GroupRoutes::attributes(const Prefix& prefix) const {
  std::optional<AdvertisedAttributes> out;
  const auto join = [&](const AdvertisedAttributes& a) { out = out ? merge(std::move(*out), a) : a; };
  if (const auto it = on_host_.find(prefix); it != on_host_.end())
    for (const Claim& c : it->second)
      if (c.announced == prefix || aggregate_is_split(c.announced)) join(*c.attributes);
  if (const auto it = aggregates_.find(prefix); it != aggregates_.end() && !it->second.split())
    join(*it->second.attributes.begin()->first);
  return out;
}

void GroupRoutes::refresh(const Prefix& prefix) {
  if (const auto a = attributes(prefix)) {
    routes_.set({prefix, pool_.intern(wire_attributes(*a, prefix.family()))});
  } else {
    routes_.remove(prefix);
  }
}

void GroupRoutes::set(const ObjectName& owner, std::vector<Claim> claims) {
  std::set<Prefix> dirty;
  const auto old = claims_.find(owner);
  if (old == claims_.end() ? claims.empty() : old->second == claims) return;
  if (old != claims_.end())
    for (const Claim& c : old->second) withdraw(c, dirty);
  for (const Claim& c : claims) add(c, dirty);
  if (claims.empty()) {
    claims_.erase(old);
  } else {
    claims_[owner] = std::move(claims);
  }
  for (const Prefix& p : dirty) refresh(p);
}

// ---- all groups

std::shared_ptr<const AdvertisedAttributes> AttributeCache::get(const AdvertisedAttributes& a) {
  std::erase_if(known_, [](const auto& weak) { return weak.expired(); });
  for (const auto& weak : known_)
    if (auto p = weak.lock(); p && *p == a) return p;
  auto p = std::make_shared<const AdvertisedAttributes>(a);
  known_.push_back(p);
  return p;
}

AdvertisedAttributes RouteBuilder::of_rules(const Group& group, const Rule& rule, const Prefix& prefix,
                                            bool load_balancer) const {
  AdvertisedAttributes out = rule.entry.attributes;
  using Kind = PathAttributeRule::Type;
  for (const PathAttributeRule& r : group.path_attributes) {
    bool hit = false;
    if (r.type == Kind::pod_cidr && rule.entry.type == Type::pod_cidr) {
      hit = matches_or_all(r.selector, node_.labels);
    } else if (r.type == Kind::load_balancer_ip_pool && load_balancer) {
      hit = std::any_of(pools_.begin(), pools_.end(), [&](const auto& pool) {
        return pool->good && matches_or_all(r.selector, pool->meta.labels) && pool->good->contains(prefix.address());
      });
    }
    if (hit) out = merge(std::move(out), r.attributes);
  }
  if (load_balancer && options_.legacy_origin && !out.origin) out.origin = Origin::incomplete;
  return out;
}

std::vector<Claim> RouteBuilder::service_claims(const Group& group, const ServiceFacts& facts) {
  std::vector<Claim> out;
  const Service& service = *facts.service;
  const auto family = family_of(group.family);
  std::optional<Labels> labels;
  for (const Rule& rule : group.rules) {
    if (rule.entry.type != Type::service) continue;
    if (!labels) labels = selectable_labels(service);
    if (!matches_or_none(rule.entry.selector, *labels)) continue;
    for (const ServiceAddress type : rule.entry.addresses) {
      if (!why_not(facts, type, *family, options_.services).empty()) continue;
      for (const Address& a : addresses_of(service, type)) {
        if (a.family() != *family) continue;
        const Prefix host = Prefix::host(a);
        const auto aggregate = is_local(service, type) ? std::nullopt : aggregate_of(rule.entry, a);
        const auto attributes = of_rules(group, rule, host, type == ServiceAddress::load_balancer_ip);
        const Prefix announced = aggregate.value_or(host);
        const auto same = std::find_if(out.begin(), out.end(),
                                       [&](const Claim& c) { return c.host == host && c.announced == announced; });
        if (same != out.end()) {
          same->attributes = cache_.get(merge(*same->attributes, attributes));
        } else {
          out.push_back({service.name, host, announced, cache_.get(attributes)});
        }
      }
    }
  }
  return out;
}

std::vector<Claim> RouteBuilder::node_claims(const Group& group) {
  std::vector<Claim> out;
  const auto family = family_of(group.family);
  const auto add = [&](const Rule& rule, const Prefix& prefix) {
    if (prefix.family() != *family) return;
    const auto attributes = of_rules(group, rule, prefix, false);
    const auto same = std::find_if(out.begin(), out.end(), [&](const Claim& c) { return c.host == prefix; });
    if (same != out.end()) {
      same->attributes = cache_.get(merge(*same->attributes, attributes));
    } else {
      out.push_back({{}, prefix, prefix, cache_.get(attributes)});
    }
  };
  for (const Rule& rule : group.rules) {
    if (rule.entry.type == Type::pod_cidr)
      for (const Prefix& p : node_.pod_cidrs) add(rule, p);
    if (rule.entry.type == Type::interface)
      if (const auto it = node_.interfaces.find(rule.entry.interface); it != node_.interfaces.end())
        for (const Address& a : it->second) add(rule, Prefix::host(a));
  }
  return out;
}

void RouteBuilder::fill(GroupRoutes& routes) {
  routes.set({}, node_claims(routes.group()));
  for (const auto& [name, facts] : services_) routes.set(name, service_claims(routes.group(), facts));
}

void RouteBuilder::set_plan(const Plan& plan, std::vector<ObjectPtr<PoolSpec>> pools) {
  const bool same_pools = std::equal(pools.begin(), pools.end(), pools_.begin(), pools_.end(),
                                     [](const auto& a, const auto& b) { return a == b || *a == *b; });
  pools_ = std::move(pools);
  std::map<Key, GroupRoutes> next;
  for (const auto& [instance, planned] : plan.instances)
    for (const auto& [name, group] : planned.groups) {
      const Key key{instance, name};
      const auto old = groups_.find(key);
      if (same_pools && old != groups_.end() && old->second.group() == group) {
        next.emplace(key, std::move(old->second));
        continue;
      }
      auto [it, fresh] = next.emplace(key, GroupRoutes(group));
      fill(it->second);
    }
  groups_ = std::move(next);
  plan_ = plan;
}

void RouteBuilder::set_options(RouteOptions options) {
  if (options == options_) return;
  options_ = options;
  for (auto& [key, group] : groups_) fill(group);
}

void RouteBuilder::set_node(NodePrefixes node) {
  if (node == node_) return;
  node_ = std::move(node);
  for (auto& [key, group] : groups_) group.set({}, node_claims(group.group()));
}

void RouteBuilder::set_service(const ObjectName& name, std::optional<ServiceFacts> facts) {
  if (!facts) {
    services_.erase(name);
    for (auto& [key, group] : groups_) group.set(name, {});
    return;
  }
  const ServiceFacts& known = services_[name] = std::move(*facts);
  for (auto& [key, group] : groups_) group.set(name, service_claims(group.group(), known));
}

Wanted RouteBuilder::wanted(bool complete) const {
  Wanted out;
  out.complete = complete;
  for (const auto& [name, instance] : plan_.instances) {
    auto& wanted = out.instances[name];
    wanted.config = instance.config;
    for (const auto& [group_name, group] : instance.groups)
      wanted.route_sets[group_name] = groups_.at({name, group_name}).routes();
    wanted.blackholes = aggregates(name);
  }
  return out;
}

std::vector<Prefix> RouteBuilder::aggregates(const std::string& instance) const {
  std::set<Prefix> out;
  for (auto it = groups_.lower_bound({instance, ""}); it != groups_.end() && it->first.instance == instance; ++it)
    for (const Prefix& p : it->second.aggregates())
      if (std::none_of(node_.on_link.begin(), node_.on_link.end(), [&](const Prefix& l) { return l.overlaps(p); }))
        out.insert(p);
  return {out.begin(), out.end()};
}

std::optional<Prefix> RouteBuilder::wider_than(const Prefix& aggregate) const {
  std::optional<Prefix> out;
  for (const Prefix& l : node_.on_link) {
    if (!l.overlaps(aggregate)) continue;
    if (l.length() <= aggregate.length()) return std::nullopt;
    if (!out || l < *out) out = l;
  }
  return out;
}

Findings RouteBuilder::findings() const {
  Findings out;
  for (const auto& [key, routes] : groups_)
    for (const Prefix& p : routes.aggregates()) {
      const auto network = wider_than(p);
      if (!network) continue;
      const bool v4 = p.family() == Family::v4;
      for (const Rule& rule : routes.group().rules) {
        if ((v4 ? rule.entry.aggregate_v4 : rule.entry.aggregate_v6) != p.length()) continue;
        Finding f{Finding::Severity::warning,
                  rule.object,
                  fmt::format("{}.service.aggregationLengthIPv{}", rule.field, v4 ? 4 : 6),
                  std::to_string(p.length()),
                  "makes " + no_blackhole(p, *network),
                  no_blackhole_mend(p)};
        if (std::find(out.begin(), out.end(), f) == out.end()) out.push_back(std::move(f));
      }
    }
  return out;
}

std::string no_blackhole(const Prefix& aggregate, const Prefix& network) {
  return fmt::format(
      "{}, which has no blackhole on this node: its network {} lies in it, and so may hosts that other routes lead to; "
      "packets to free addresses of the aggregate can circle between node and router",
      aggregate.to_string(), network.to_string());
}

std::string no_blackhole_mend(const Prefix& aggregate) {
  return fmt::format(
      "give a longer aggregationLengthIPv{}, or Services addresses whose aggregate holds no network of the node",
      aggregate.family() == Family::v4 ? 4 : 6);
}

const GroupRoutes* RouteBuilder::group(const std::string& instance, const std::string& name) const {
  const auto it = groups_.find({instance, name});
  return it == groups_.end() ? nullptr : &it->second;
}

}  // namespace weft::bgp::control
