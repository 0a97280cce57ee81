#include "bgp/control/why.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "bgp/control/parse.h"

namespace weft::bgp::control {

namespace {

using Type = AdvertisementSpec::Entry::Type;
using Wanted = std::function<bool(const Prefix&)>;  // is this address or network asked about?

struct Peer {
  const Plan::Instance& instance;
  const PeerConfig& peer;
};

// What holds for a peer before any rule is looked at; empty when nothing does. `group` is then its group.
std::string peer_trouble(const RouteBuilder& routes, const Peer& p, Family family, const GroupRoutes*& group) {
  const AfiSafi wanted = unicast(family);
  const auto& families = p.peer.families;
  if (std::find(families.begin(), families.end(), wanted) == families.end())
    return fmt::format("the peer does not take {}: add the family to it", wanted.to_string());
  if (p.instance.withdrawn.contains(p.peer.name))
    return "the node is draining and its time is over: uncordon it, or remove weft.io/drain";
  const auto it = p.peer.routes.find(wanted);
  if (it != p.peer.routes.end()) group = routes.group(p.instance.config.name, it->second);
  if (!group) return fmt::format("no advertisement is selected for {} of this peer", wanted.to_string());
  return {};
}

void conclude(const RouteBuilder& routes, const GroupRoutes& group, const std::set<Prefix>& claimed,
              const std::string& by, const PeerConfig& peer, Reason& r) {
  r.advertised = true;
  r.because = by;
  const bool aggregated = !claimed.contains(*r.prefix);
  r.announced = aggregated ? *claimed.begin() : r.prefix;
  if (aggregated && group.aggregate_is_split(*r.announced)) {
    r.because +=
        fmt::format("; not aggregated into {}, where Services with other attributes are", r.announced->to_string());
    r.announced = r.prefix;
  } else if (aggregated) {
    if (const auto network = routes.wider_than(*r.announced))
      r.because += "; sent as " + no_blackhole(*r.announced, *network) + ": " + no_blackhole_mend(*r.announced);
  }
  if (const auto a = group.attributes(*r.announced)) r.attributes = to_string(*a);
  if (peer.graceful_shutdown) r.because += "; the node is draining: sent with the graceful-shutdown community";
  if (!peer.held_down.empty()) {
    r.advertised = false;
    r.because = "the session is held down: " + peer.held_down;
  }
}

Reason judge(const RouteBuilder& routes, const GroupRoutes& group, const PeerConfig& peer, const ServiceFacts& facts,
             ServiceAddress type, Reason r) {
  const Service& service = *facts.service;
  const Labels labels = selectable_labels(service);
  std::set<Prefix> claimed;
  std::string by, against;
  for (const Rule& rule : group.group().rules) {
    if (rule.entry.type != Type::service) continue;
    if (!matches_or_none(rule.entry.selector, labels)) {
      const std::string selector = rule.entry.selector ? rule.entry.selector->to_string() : "nothing";
      if (against.empty()) against = fmt::format("{} selects {}, not this Service", rule.to_string(), selector);
      continue;
    }
    const auto& types = rule.entry.addresses;
    if (std::find(types.begin(), types.end(), type) == types.end()) {
      against = fmt::format("{} does not list {}", rule.to_string(), to_string(type));
      continue;
    }
    const auto& length = r.prefix->family() == Family::v4 ? rule.entry.aggregate_v4 : rule.entry.aggregate_v6;
    claimed.insert(length && !is_local(service, type) ? Prefix(r.prefix->address(), *length) : *r.prefix);
    by += (by.empty() ? "" : ", ") + rule.to_string();
  }
  if (claimed.empty()) {
    r.because = against.empty() ? "no advertisement of Services goes to this peer" : against;
    return r;
  }
  if (auto trouble = why_not(facts, type, r.prefix->family(), routes.options().services); !trouble.empty()) {
    r.because = std::move(trouble);
    return r;
  }
  conclude(routes, group, claimed, by, peer, r);
  return r;
}

void service_reasons(const RouteBuilder& routes, const Peer& p, const ServiceFacts& facts, const Wanted& wanted,
                     Reasons& out) {
  for (const auto type : {ServiceAddress::load_balancer_ip, ServiceAddress::external_ip, ServiceAddress::cluster_ip})
    for (const Address& a : addresses_of(*facts.service, type)) {
      if (!wanted(Prefix::host(a))) continue;
      Reason r{.instance = p.instance.config.name,
               .peer = p.peer.name,
               .service = facts.service->name.to_string(),
               .type = std::string(to_string(type)),
               .prefix = Prefix::host(a),
               .advertised = false,
               .announced = std::nullopt,
               .because = {},
               .attributes = {}};
      const GroupRoutes* group = nullptr;
      r.because = peer_trouble(routes, p, a.family(), group);
      out.push_back(r.because.empty() ? judge(routes, *group, p.peer, facts, type, std::move(r)) : std::move(r));
    }
}

void node_reason(const RouteBuilder& routes, const Peer& p, const std::string& type, const Prefix& prefix,
                 const std::string& interface, Reasons& out) {
  Reason r{.instance = p.instance.config.name,
           .peer = p.peer.name,
           .service = {},
           .type = type,
           .prefix = prefix,
           .advertised = false,
           .announced = std::nullopt,
           .because = {},
           .attributes = {}};
  const GroupRoutes* group = nullptr;
  r.because = peer_trouble(routes, p, prefix.family(), group);
  if (r.because.empty()) {
    std::string by;
    for (const Rule& rule : group->group().rules)
      if ((rule.entry.type == Type::pod_cidr && interface.empty()) ||
          (rule.entry.type == Type::interface && rule.entry.interface == interface && !interface.empty()))
        by += (by.empty() ? "" : ", ") + rule.to_string();
    if (by.empty()) {
      r.because = fmt::format("no advertisement of type {} goes to this peer", type);
    } else {
      conclude(routes, *group, {prefix}, by, p.peer, r);
    }
  }
  out.push_back(std::move(r));
}

Reasons collect(const RouteBuilder& routes, const ObjectName* only, const Wanted& wanted) {
  Reasons out;
  for (const auto& [name, instance] : routes.plan().instances)
    for (const PeerConfig& peer : instance.config.peers) {
      const Peer p{instance, peer};
      for (const auto& [service, facts] : routes.services())
        if (!only || service == *only) service_reasons(routes, p, facts, wanted, out);
      if (only) continue;
      for (const Prefix& cidr : routes.node().pod_cidrs)
        if (wanted(cidr)) node_reason(routes, p, "PodCIDR", cidr, "", out);
      for (const auto& [interface, addresses] : routes.node().interfaces)
        for (const Address& a : addresses) {
          const bool asked_for = std::any_of(instance.groups.begin(), instance.groups.end(), [&](const auto& g) {
            return std::any_of(g.second.rules.begin(), g.second.rules.end(),
                               [&](const Rule& r) { return r.entry.interface == interface; });
          });
          if (asked_for && wanted(Prefix::host(a)))
            node_reason(routes, p, "Interface", Prefix::host(a), interface, out);
        }
    }
  return out;
}

Reason sentence(std::string words, std::string service = {}, std::string type = {}) {
  return {.instance = {},
          .peer = {},
          .service = std::move(service),
          .type = std::move(type),
          .prefix = std::nullopt,
          .advertised = false,
          .announced = std::nullopt,
          .because = std::move(words),
          .attributes = {}};
}

// Why nothing at all goes out from this node; empty when something could.
std::string nobody_to_tell(const Plan& plan) {
  if (plan.source.empty()) {
    const std::string what = plan.findings.empty() ? "" : ": " + join(plan.findings);
    return fmt::format(
        "no {} selects this node, and no usable {} is there for it{}; give it one, or a {} whose nodeSelector matches "
        "it",
        kPolicyKind, kNodeConfigKind, what, kClusterConfigKind);
  }
  for (const auto& [name, instance] : plan.instances)
    if (!instance.config.peers.empty()) return {};
  return plan.source + " is in force on this node and gives it no peer" +
         (plan.findings.empty() ? "" : ": " + join(plan.findings));
}

// Addresses that a Service should have and has not.
void note_missing_addresses(const Service& s, Reasons& out) {
  if (s.type == ServiceType::load_balancer && s.load_balancer_ips.empty())
    out.push_back(
        sentence("status.loadBalancer.ingress has no IP address yet: a pool or a load balancer's controller gives one",
                 s.name.to_string(), std::string(to_string(ServiceAddress::load_balancer_ip))));
  for (const auto type : {ServiceAddress::load_balancer_ip, ServiceAddress::external_ip, ServiceAddress::cluster_ip})
    if (!addresses_of(s, type).empty()) return;
  if (s.type != ServiceType::load_balancer)
    out.push_back(
        sentence("the Service has no address of its own: it is headless, or only a name", s.name.to_string()));
}

}  // namespace

Result<Reasons> why(const RouteBuilder& routes, const WhyQuestion& question, const std::string& waiting_for) {
  Reasons out;
  const Plan& plan = routes.plan();
  const std::string waiting =
      waiting_for.empty() ? "" : "not everything is known yet, the answer may change: waiting for " + waiting_for;
  if (question.service) {
    const auto it = routes.services().find(*question.service);
    if (it == routes.services().end()) {
      if (waiting.empty())
        return fail(Errc::not_found, "there is no Service " + question.service->to_string() + ": give namespace/name");
      out.push_back(sentence("this Service is not known; " + waiting, question.service->to_string()));
      return out;
    }
  }
  if (auto nobody = nobody_to_tell(plan); !nobody.empty()) {
    out.push_back(sentence(std::move(nobody), question.service ? question.service->to_string() : ""));
  } else if (question.service) {
    out = why_service(routes, *question.service);
    note_missing_addresses(*routes.services().at(*question.service).service, out);
  } else if (question.prefix) {
    out = why_prefix(routes, *question.prefix);
    if (out.empty())
      out.push_back(
          sentence(fmt::format("{} is in force on this node, and no Service, pod CIDR or interface that it "
                               "announces has an address in {}",
                               plan.source, question.prefix->to_string())));
  } else {
    out = why_all(routes);
    for (const auto& [name, facts] : routes.services()) note_missing_addresses(*facts.service, out);
    if (out.empty())
      out.push_back(sentence(plan.source +
                             " is in force on this node, and there is nothing to announce: no Service has "
                             "an address, and the node has no pod CIDR"));
  }
  if (!waiting.empty()) out.push_back(sentence(waiting));
  return out;
}

Reasons why_service(const RouteBuilder& routes, const ObjectName& service) {
  return collect(routes, &service, [](const Prefix&) { return true; });
}

Reasons why_prefix(const RouteBuilder& routes, const Prefix& prefix) {
  return collect(routes, nullptr, [&](const Prefix& p) { return p.overlaps(prefix); });
}

Reasons why_all(const RouteBuilder& routes) {
  return collect(routes, nullptr, [](const Prefix&) { return true; });
}

}  // namespace weft::bgp::control
