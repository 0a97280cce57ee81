#include "lab/topology/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <optional>

namespace weft::lab {
namespace {

// Places in a segment, the same in every cluster.
constexpr unsigned kRouterHost = 1;
constexpr unsigned kControlPlaneHost = 2;
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

std::string router_name(const ClusterSpec& c) { return c.name + "-router"; }
std::string link_interface(std::size_t link) { return fmt::format("link{}", link); }

// Link k takes four addresses of the fabric: .4k+1 on side a, .4k+2 on side b.
Address link_address(const Prefix& fabric, std::size_t link, bool side_a) {
  return fabric.address().plus(4 * link + (side_a ? 1 : 2));
}

// For each router, over which link the shortest way to every other router begins (breadth first).
std::vector<std::vector<int>> first_links(const Topology& t) {
  const std::size_t n = t.clusters.size();
  const auto index = [&](const std::string& name) {
    return static_cast<std::size_t>(t.cluster(name) - t.clusters.data());
  };
  std::vector<std::vector<int>> out(n, std::vector<int>(n, -1));
  for (std::size_t from = 0; from < n; ++from) {
    std::vector<bool> seen(n, false);
    std::deque<std::size_t> queue{from};
    seen[from] = true;
    while (!queue.empty()) {
      const std::size_t at = queue.front();
      queue.pop_front();
      for (std::size_t k = 0; k < t.links.size(); ++k) {
        const std::size_t a = index(t.links[k].a), b = index(t.links[k].b);
        if (at != a && at != b) continue;
        const std::size_t next = at == a ? b : a;
        if (seen[next]) continue;
        seen[next] = true;
        out[from][next] = at == from ? static_cast<int>(k) : out[from][at];
        queue.push_back(next);
      }
    }
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

Sandbox make_router(const Topology& t, std::size_t index, const std::vector<int>& ways) {
  const ClusterSpec& c = t.clusters[index];
  Sandbox s{router_name(c), SandboxKind::router, c.name, {}, {}, {}};
  s.ports.push_back({"eth0", fmt::format("br{}", index + 1), "", "", in_segment(c.segment, kRouterHost)});
  if (!t.clients.empty())
    s.ports.push_back({"eth1", "br0", "", "", in_segment(t.client_segment, static_cast<unsigned>(index) + 1)});
  for (std::size_t k = 0; k < t.links.size(); ++k) {
    if (t.links[k].a != c.name && t.links[k].b != c.name) continue;
    const bool side_a = t.links[k].a == c.name;
    Port port{link_interface(k), "", "", "", {}};
    if (side_a) {
      port.peer = t.links[k].b + "-router";
      port.peer_interface = link_interface(k);
    }
    for (const Prefix& f : t.fabric)
      port.addresses.push_back({link_address(f, k, side_a), f.family() == Family::v4 ? 30u : 126u});
    s.ports.push_back(std::move(port));
  }
  // Native routing: the pods of a node are behind the node.
  for (std::size_t n = 0; n < c.nodes.size(); ++n)
    for (const Prefix& cidr : node_pod_cidrs(c, n))
      s.routes.push_back(
          {cidr, host_in(*of_family(c.segment, cidr.family()), kFirstNodeHost + static_cast<unsigned>(n))});
  for (std::size_t other = 0; other < t.clusters.size(); ++other) {
    if (other == index || ways[other] < 0) continue;
    const auto k = static_cast<std::size_t>(ways[other]);
    const bool side_a = t.links[k].a == c.name;
    const ClusterSpec& there = t.clusters[other];
    for (const auto* list : {&there.segment, &there.pod_cidrs})
      for (const Prefix& p : *list)
        if (const auto fabric = of_family(t.fabric, p.family()))
          s.routes.push_back({p, link_address(*fabric, k, !side_a)});
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
    if ((l.a == a && l.b == b) || (l.a == b && l.b == a))
      return LinkEnds{l.a + "-router", link_interface(k), l.b + "-router", link_interface(k)};
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
  const auto ways = first_links(t);
  for (std::size_t i = 0; i < t.clusters.size(); ++i) plan.sandboxes.push_back(make_router(t, i, ways[i]));
  for (std::size_t i = 0; i < t.clusters.size(); ++i) {
    const ClusterSpec& c = t.clusters[i];
    plan.bridges.push_back(fmt::format("br{}", i + 1));
    plan.sandboxes.push_back(plain_host(c, c.name + "-cp", SandboxKind::control_plane, i + 1, kControlPlaneHost));
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
