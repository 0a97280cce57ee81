#include "routing/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "base/encoding.h"

namespace weft::routing {

using netlink::Route;
using netlink::RouteType;

namespace {

std::optional<Prefix> first_cidr(const Node& n, Family f) {
  for (const auto& c : n.pod_cidrs)
    if (c.family() == f) return c;
  return std::nullopt;
}

// Collects routes; refuses those that would cut something off.
class Builder {
 public:
  Builder(const Config& config, const Underlay& underlay, const Node* local, int tunnel_ifindex, Plan& out)
      : config_(config), underlay_(underlay), local_(local), tunnel_ifindex_(tunnel_ifindex), out_(out) {}

  // Packets to a pod address that nobody has must not wander back to the fabric's default route.
  void add_local(const Node& n) {
    for (const auto& cidr : n.pod_cidrs) {
      taken_[cidr] = n.key().to_string();
      out_.routes.push_back({{.destination = cidr, .type = RouteType::unreachable}, n.key().to_string()});
    }
  }

  void add_native(const Node& n) {
    if (!config_.auto_direct_node_routes) return;
    for (const auto& cidr : n.pod_cidrs) {
      if (!acceptable(n, cidr)) continue;
      const auto ip = n.internal_ip(cidr.family());
      if (!ip) {
        problem(n, "has no InternalIP of family " + std::string(to_string(cidr.family())) + " for its pod CIDR " +
                       cidr.to_string() + ": give the node one, or use routing-mode tunnel");
        continue;
      }
      const auto link = std::find_if(underlay_.on_link.begin(), underlay_.on_link.end(),
                                     [&](const auto& o) { return o.prefix.contains(*ip); });
      if (link == underlay_.on_link.end()) continue;  // the fabric's business
      claim(n, cidr);
      out_.routes.push_back({{.destination = cidr, .via = ip, .ifindex = link->ifindex}, n.key().to_string()});
    }
  }

  void add_tunnel(const Node& n) {
    const Family outer = outer_family(config_, underlay_);
    const auto remote = n.internal_ip(outer);
    if (!remote) {
      problem(n, "has no InternalIP of family " + std::string(to_string(outer)) +
                     ", over which this node's tunnel runs: give the node one" + other_family(n, outer));
      return;
    }
    if (const Family theirs = outer_family(config_.underlay, n.internal_ip(Family::v4).has_value()); theirs != outer) {
      problem(n, "runs its tunnel over " + std::string(to_string(theirs)) + " from " +
                     n.internal_ip(theirs)->to_string() +
                     ", and this node has no InternalIP of that family: give this "
                     "node one" +
                     other_family(n, theirs));
      return;
    }
    TunnelPeer peer{n.key(), tunnel_mac(*remote), *remote, {}};
    for (const Family f : {Family::v4, Family::v6}) {
      const auto gateway = pod_network_address(n, f);
      if (!gateway) continue;
      bool used = false;
      for (const auto& cidr : n.pod_cidrs) {
        if (cidr.family() != f || !acceptable(n, cidr)) continue;
        claim(n, cidr);
        used = true;
        // Our own packets leave with the pod-network address, so that answers come back through the tunnel.
        out_.routes.push_back({{.destination = cidr,
                                .via = gateway,
                                .ifindex = tunnel_ifindex_,
                                .onlink = true,
                                .source = local_ ? pod_network_address(*local_, f) : std::nullopt},
                               n.key().to_string()});
      }
      if (used) peer.gateways.push_back(*gateway);
    }
    if (!peer.gateways.empty()) out_.peers.push_back(std::move(peer));
  }

 private:
  // The other mend, where both nodes have what it takes.
  std::string other_family(const Node& n, Family not_this) const {
    const Family other = not_this == Family::v4 ? Family::v6 : Family::v4;
    if (!n.internal_ip(other) || !underlay_.address(other)) return "";
    return fmt::format(", or set underlay-protocol to {} in every cluster of the mesh",
                       other == Family::v4 ? "ipv4" : "ipv6");
  }
  void problem(const Node& n, const std::string& what) {
    out_.problems.push_back("node " + n.key().to_string() + " " + what);
  }
  void claim(const Node& n, const Prefix& cidr) { taken_[cidr] = n.key().to_string(); }

  bool acceptable(const Node& n, const Prefix& cidr) {
    if (const auto it = taken_.find(cidr); it != taken_.end()) {
      problem(n, "claims pod CIDR " + cidr.to_string() + ", which node " + it->second +
                     " has: give the clusters pod CIDRs that do not overlap");
      return false;
    }
    if (local_ != nullptr)
      for (const auto& own : local_->pod_cidrs)
        if (own.overlaps(cidr)) {
          problem(n, "claims pod CIDR " + cidr.to_string() + ", which overlaps this node's " + own.to_string() +
                         ": give the clusters pod CIDRs that do not overlap");
          return false;
        }
    for (const auto& own : {underlay_.v4, underlay_.v6})
      if (own && cidr.contains(*own)) {
        problem(n, "claims pod CIDR " + cidr.to_string() + ", which holds this node's own address " + own->to_string() +
                       ": choose pod CIDRs outside the node network");
        return false;
      }
    return true;
  }

  const Config& config_;
  const Underlay& underlay_;
  const Node* local_;
  int tunnel_ifindex_;
  Plan& out_;
  std::map<Prefix, std::string> taken_;
};

}  // namespace

Family outer_family(UnderlayProtocol rule, bool has_v4) {
  if (rule == UnderlayProtocol::automatic) return has_v4 ? Family::v4 : Family::v6;
  return rule == UnderlayProtocol::ipv4 ? Family::v4 : Family::v6;
}

Family outer_family(const Config& c, const Underlay& u) {
  return outer_family(c.underlay, u.v4.has_value() || u.publishes_v4);
}

Result<Underlay> find_underlay(const std::vector<netlink::Link>& links,
                               const std::vector<netlink::LinkAddress>& addresses,
                               const std::vector<Address>& node_ips) {
  const auto ours = [](const netlink::Link& l) {
    return l.loopback || l.name.starts_with("weft_") || l.name.starts_with("lxc");
  };
  Underlay u;
  for (const auto& ip : node_ips) {
    u.publishes_v4 = u.publishes_v4 || ip.is_v4();
    for (const auto& a : addresses) {
      if (a.address != ip) continue;
      const auto link = std::find_if(links.begin(), links.end(), [&](const auto& l) { return l.index == a.ifindex; });
      if (link == links.end()) continue;
      // The first of a family is the one that others send to.
      if (auto& mine = ip.is_v4() ? u.v4 : u.v6; !mine) mine = ip;
      if (u.ifindex != 0) continue;
      u.ifindex = link->index;
      u.device = link->name;
      u.mtu = link->mtu;
    }
  }
  if (u.ifindex == 0) {
    std::string names;
    for (const auto& ip : node_ips) names += (names.empty() ? "" : ", ") + ip.to_string();
    return fail(Errc::not_found,
                "node addresses " + (names.empty() ? "(none)" : names) +
                    ": no interface of this machine has one of them; check status.addresses of the Node object");
  }
  for (const auto& a : addresses) {
    const auto link = std::find_if(links.begin(), links.end(), [&](const auto& l) { return l.index == a.ifindex; });
    if (link == links.end() || ours(*link) || !link->up || a.address.is_link_local() || a.length == a.address.bits())
      continue;
    u.on_link.push_back({a.prefix(), a.ifindex});
  }
  std::stable_sort(u.on_link.begin(), u.on_link.end(),
                   [](const auto& a, const auto& b) { return a.prefix.length() > b.prefix.length(); });
  return u;
}

unsigned pod_mtu(const Config& c, const Underlay& u) {
  const unsigned underlay_mtu = c.mtu != 0 ? c.mtu : u.mtu;
  if (c.mode == Mode::native) return underlay_mtu;
  const unsigned overhead = outer_family(c, u) == Family::v4 ? 50 : 70;
  // IPv6 does not work below 1280 (RFC 8200 section 5); fragmenting the outer packet is the lesser evil.
  return std::max(underlay_mtu - std::min(underlay_mtu, overhead), 1280u);
}

Mac tunnel_mac(const Address& ip) {
  Mac m;
  if (ip.is_v4()) {  // readable in a packet dump: 0e:57:<the address>
    m.bytes = {0x0e, 0x57, ip.bytes()[0], ip.bytes()[1], ip.bytes()[2], ip.bytes()[3]};
    return m;
  }
  const auto hash = sha256("weft tunnel " + ip.to_string());
  std::copy_n(hash.begin(), 6, m.bytes.begin());
  m.bytes[0] = static_cast<std::uint8_t>((m.bytes[0] & 0xfc) | 0x02);
  return m;
}

std::optional<Address> pod_network_address(const Node& n, Family f) {
  for (const auto& a : n.addresses) {
    if (a.type != NodeAddressType::cilium_internal_ip) continue;
    if (auto ip = Address::parse(a.value); ip && ip->family() == f) return *ip;
  }
  if (const auto cidr = first_cidr(n, f); cidr && !cidr->is_host()) return cidr->address().plus(1);
  return std::nullopt;
}

Plan plan(const Config& config, const Underlay& underlay, int tunnel_ifindex,
          const std::vector<std::shared_ptr<const Node>>& nodes) {
  Plan out;
  std::vector<const Node*> order;
  const Node* local = nullptr;
  for (const auto& n : nodes) {
    if (n->key() == config.local) {
      local = n.get();
    } else {
      order.push_back(n.get());
    }
  }
  std::stable_sort(order.begin(), order.end(), [&](const Node* a, const Node* b) {
    const bool a_near = a->cluster == config.local.cluster, b_near = b->cluster == config.local.cluster;
    return a_near != b_near ? a_near : a->key() < b->key();
  });
  Builder build(config, underlay, local, tunnel_ifindex, out);
  if (local != nullptr) build.add_local(*local);
  for (const Node* n : order) config.mode == Mode::native ? build.add_native(*n) : build.add_tunnel(*n);
  return out;
}

}  // namespace weft::routing
