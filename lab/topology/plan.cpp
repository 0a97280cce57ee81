#include "lab/topology/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>

namespace weft::lab {
namespace {

// Places in a segment, the same in every cluster.
constexpr unsigned kRouterHost = 1;
// The control plane is behind the last of the routers: .2 where there is one.
constexpr unsigned kFirstNodeHost = 11;
constexpr unsigned kFirstClientHost = 10;

Address host_in(const Prefix& segment, unsigned n) {
  if (segment.family() == Family::v4) return segment.address().plus(n);
  // Decimal digits of n written as a group, so that node 172.18.1.11 is fd00:18:1::11.
  return segment.address().plus(std::stoul(fmt::format("{}", n), nullptr, 16));
}

std::vector<HostAddress> in_segment(const std::vector<Prefix>& segment, unsigned n) {
  std::vector<HostAddress> out;
  for (const Prefix& p : segment) out.push_back({host_in(p, n), p.length()});
  return out;
}

std::optional<Prefix> of_family(const std::vector<Prefix>& list, Family f) {
  for (const Prefix& p : list)
    if (p.family() == f) return p;
  return std::nullopt;
}

std::string link_interface(std::size_t link) { return fmt::format("link{}", link); }

// Link k takes four addresses of the fabric: .4k+1 on side a, .4k+2 on side b.
Address link_address(const Prefix& fabric, std::size_t link, bool side_a) {
  return fabric.address().plus(4 * link + (side_a ? 1 : 2));
}

// A router and its place: which cluster's, and which of it.
struct Place {
  const ClusterSpec* cluster;
  const RouterSpec* router;
  unsigned host() const { return kRouterHost + static_cast<unsigned>(router - cluster->routers.data()); }
  bool operator==(const Place&) const = default;
};

std::vector<Place> all_routers(const Topology& t) {
  std::vector<Place> out;
  for (const ClusterSpec& c : t.clusters)
    for (const RouterSpec& r : c.routers) out.push_back({&c, &r});
  return out;
}

// The first hop of a way: over a link, or to another router of the same segment.
struct Hop {
  std::optional<std::size_t> link;
  bool side_a = false;  // which end of the link is ours
  Place sibling{};
};

// From `from`, the first hop of the shortest way to each other cluster (breadth first), by cluster.
std::map<const ClusterSpec*, Hop> first_hops(const Topology& t, const Place& from) {
  std::map<const ClusterSpec*, Hop> out;
  std::vector<Place> seen{from};
  std::deque<std::pair<Place, std::optional<Hop>>> queue{{from, std::nullopt}};
  while (!queue.empty()) {
    const auto [at, first] = queue.front();
    queue.pop_front();
    if (first && at.cluster != from.cluster) out.try_emplace(at.cluster, *first);
    const auto visit = [&](const Place& next, const Hop& hop) {
      if (std::ranges::find(seen, next) != seen.end()) return;
      seen.push_back(next);
      queue.emplace_back(next, first ? first : std::optional(hop));
    };
    for (std::size_t k = 0; k < t.links.size(); ++k) {
      const auto [ca, ra] = t.router(t.links[k].a);
      const auto [cb, rb] = t.router(t.links[k].b);
      if (at.router == ra) visit({cb, rb}, {k, true, {}});
      if (at.router == rb) visit({ca, ra}, {k, false, {}});
    }
    for (const RouterSpec& r : at.cluster->routers) visit({at.cluster, &r}, {std::nullopt, false, {at.cluster, &r}});
  }
  return out;
}

std::vector<Prefix> node_pod_cidrs(const ClusterSpec& c, std::size_t node) {
  std::vector<Prefix> out;
  for (const Prefix& p : c.pod_cidrs)
    out.push_back(nth_subnet(p, p.family() == Family::v4 ? c.node_mask_v4 : c.node_mask_v6, node));
  return out;
}

Sandbox plain_host(const ClusterSpec& c, std::string name, SandboxKind kind, std::size_t bridge, unsigned host) {
  Sandbox s{std::move(name), kind, c.name, {}, {}, {}};
  s.ports.push_back({"eth0", fmt::format("br{}", bridge), "", "", in_segment(c.segment, host)});
  for (const Prefix& p : c.segment) s.routes.push_back({Prefix(Address::any(p.family()), 0), host_in(p, kRouterHost)});
  return s;
}

BgpRouter bgp_of(const Topology& t, const Place& self) {
  BgpRouter out{self.router->asn, self.router->bfd, self.cluster->segment, {}};
  for (std::size_t k = 0; k < t.links.size(); ++k) {
    const auto *a = t.router(t.links[k].a).second, *b = t.router(t.links[k].b).second;
    if ((a != self.router && b != self.router) || a->asn == 0 || b->asn == 0) continue;
    // One session a cable carries both families.
    out.neighbors.push_back(link_address(t.fabric.front(), k, a != self.router));
  }
  return out;
}

Sandbox make_router(const Topology& t, const Place& self) {
  const ClusterSpec& c = *self.cluster;
  const auto index = static_cast<std::size_t>(&c - t.clusters.data());
  const bool first = self.router == &c.routers.front();
  Sandbox s{self.router->name, SandboxKind::router, c.name, {}, {}, {}};
  if (self.router->asn != 0) s.bgp = bgp_of(t, self);
  s.ports.push_back({"eth0", fmt::format("br{}", index + 1), "", "", in_segment(c.segment, self.host())});
  if (!t.clients.empty() && first)
    s.ports.push_back({"eth1", "br0", "", "", in_segment(t.client_segment, static_cast<unsigned>(index) + 1)});
  for (std::size_t k = 0; k < t.links.size(); ++k) {
    const auto *a = t.router(t.links[k].a).second, *b = t.router(t.links[k].b).second;
    if (a != self.router && b != self.router) continue;
    const bool side_a = a == self.router;
    Port port{link_interface(k), "", "", "", {}};
    if (side_a) {
      port.peer = b->name;
      port.peer_interface = link_interface(k);
    }
    for (const Prefix& f : t.fabric)
      port.addresses.push_back({link_address(f, k, side_a), f.family() == Family::v4 ? 30u : 126u});
    s.ports.push_back(std::move(port));
  }
  if (!t.clients.empty() && !first)
    for (const Prefix& p : t.client_segment)
      if (const auto segment = of_family(c.segment, p.family()))
        s.routes.push_back({p, host_in(*segment, kRouterHost)});
  // Native routing: the pods of a node are behind the node. Who speaks BGP hears it from the node.
  for (std::size_t n = 0; !s.bgp && n < c.nodes.size(); ++n)
    for (const Prefix& cidr : node_pod_cidrs(c, n))
      s.routes.push_back(
          {cidr, host_in(*of_family(c.segment, cidr.family()), kFirstNodeHost + static_cast<unsigned>(n))});
  const auto hops = first_hops(t, self);
  for (const ClusterSpec& there : t.clusters) {
    const auto hop = hops.find(&there);
    if (hop == hops.end()) continue;
    const auto via = [&](Family f) -> std::optional<Address> {
      const auto range = of_family(hop->second.link ? t.fabric : c.segment, f);
      if (!range) return std::nullopt;
      return hop->second.link ? link_address(*range, *hop->second.link, !hop->second.side_a)
                              : host_in(*range, hop->second.sibling.host());
    };
    const bool learned = s.bgp && there.learns_pods();
    for (const auto* list : {&there.segment, &there.pod_cidrs})
      for (const Prefix& p : *list)
        if (const auto address = via(p.family()); address && !(learned && list == &there.pod_cidrs))
          s.routes.push_back({p, *address});
  }
  return s;
}

Sandbox make_client(const Topology& t, std::size_t index) {
  Sandbox s{t.clients[index].name, SandboxKind::client, "", {}, {}, {}};
  s.ports.push_back(
      {"eth0", "br0", "", "", in_segment(t.client_segment, kFirstClientHost + static_cast<unsigned>(index))});
  for (std::size_t c = 0; c < t.clusters.size(); ++c)
    for (const auto* list : {&t.clusters[c].segment, &t.clusters[c].pod_cidrs})
      for (const Prefix& p : *list)
        if (const auto seg = of_family(t.client_segment, p.family()))
          s.routes.push_back({p, host_in(*seg, static_cast<unsigned>(c) + 1)});
  return s;
}

}  // namespace

std::string_view to_string(SandboxKind kind) {
  switch (kind) {
    case SandboxKind::root: return "root";
    case SandboxKind::router: return "router";
    case SandboxKind::control_plane: return "control plane";
    case SandboxKind::node: return "node";
    case SandboxKind::client: return "client";
  }
  return "?";
}

const Address* Sandbox::address(Family f) const {
  if (ports.empty()) return nullptr;
  for (const HostAddress& a : ports.front().addresses)
    if (a.address.family() == f) return &a.address;
  return nullptr;
}

const Sandbox* Plan::sandbox(std::string_view name) const {
  for (const Sandbox& s : sandboxes)
    if (s.name == name) return &s;
  return nullptr;
}

Prefix nth_subnet(const Prefix& whole, unsigned length, std::uint64_t n) {
  // The subnet's number sits in the bits before `length`: add it there, byte by byte from the right.
  auto raw = whole.address().raw();
  unsigned bit = length;
  while (n != 0 && bit > whole.length()) {
    --bit;
    if (n & 1) raw[bit / 8] |= static_cast<std::uint8_t>(0x80 >> (bit % 8));
    n >>= 1;
  }
  if (whole.family() == Family::v4) return {Address::v4({raw[0], raw[1], raw[2], raw[3]}), length};
  return {Address::v6(raw), length};
}

std::vector<Address> dns_addresses(const ClusterSpec& cluster) {
  std::vector<Address> out;
  for (const Prefix& p : cluster.service_cidrs) out.push_back(p.address().plus(10));
  return out;
}

Result<LinkEnds> link_ends(const Topology& t, const std::string& a, const std::string& b) {
  for (std::size_t k = 0; k < t.links.size(); ++k) {
    const LinkSpec& l = t.links[k];
    const auto *ra = t.router(l.a).second, *rb = t.router(l.b).second;
    const auto *wa = t.router(a).second, *wb = t.router(b).second;
    if ((ra == wa && rb == wb) || (ra == wb && rb == wa))
      return LinkEnds{ra->name, link_interface(k), rb->name, link_interface(k)};
  }
  std::string known;
  for (const LinkSpec& l : t.links) known += (known.empty() ? "" : ", ") + l.a + " " + l.b;
  return fail(Errc::not_found,
              fmt::format("link {} {}: no such link; there are: {}", a, b, known.empty() ? "none" : known));
}

Plan make_plan(const Topology& t) {
  Plan plan;
  plan.sandboxes.push_back({"root", SandboxKind::root, "", {}, {}, {}});
  if (!t.clients.empty()) plan.bridges.push_back("br0");
  for (const Place& router : all_routers(t)) plan.sandboxes.push_back(make_router(t, router));
  for (std::size_t i = 0; i < t.clusters.size(); ++i) {
    const ClusterSpec& c = t.clusters[i];
    plan.bridges.push_back(fmt::format("br{}", i + 1));
    plan.sandboxes.push_back(plain_host(c, c.name + "-cp", SandboxKind::control_plane, i + 1,
                                        kRouterHost + static_cast<unsigned>(c.routers.size())));
    for (std::size_t n = 0; n < c.nodes.size(); ++n) {
      Sandbox s = plain_host(c, c.nodes[n].name, SandboxKind::node, i + 1, kFirstNodeHost + static_cast<unsigned>(n));
      s.pod_cidrs = node_pod_cidrs(c, n);
      plan.sandboxes.push_back(std::move(s));
    }
  }
  for (std::size_t i = 0; i < t.clients.size(); ++i) plan.sandboxes.push_back(make_client(t, i));
  return plan;
}

}  // namespace weft::lab
