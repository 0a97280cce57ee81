#include "routing/ops.h"

#include <algorithm>
#include <set>

namespace weft::routing {

using netlink::Route;

Result<> RouteOps::set(const Route& route) {
  auto r = kernel_.replace_route(route);
  if (r || r.error().code != Errc::invalid) return r;
  // IPv6 judges the new next hop by the route that is there (a change of mode moves it to another device): start clean.
  WEFT_TRY(kernel_.delete_route(route));
  return kernel_.replace_route(route);
}

Task<Result<>> RouteOps::update(const WantedRoute& row) { co_return set(row.route); }

Task<Result<>> RouteOps::remove(const Prefix& destination) {
  co_return kernel_.delete_route({.destination = destination});
}

Task<Result<>> RouteOps::prune(const Table<WantedRoute>& table) {
  auto there = kernel_.routes({.table = netlink::kMainTable, .protocol = netlink::kRouteProtocol});
  if (!there) co_return fail(std::move(there).error());
  std::set<Prefix> right;
  for (const auto& r : *there) {
    const auto row = table.get(r.destination);
    if (row && row->route == r) {
      right.insert(r.destination);
    } else if (!row || row->route.metric != r.metric) {
      WEFT_CO_TRY(kernel_.delete_route(r));
    }
  }
  for (const auto& row : table.all())
    if (!right.contains(row->key())) WEFT_CO_TRY(set(row->route));
  co_return Result<>{};
}

Result<> PeerOps::set(const TunnelPeer& p) {
  if (ifindex_ == 0) return fail(Errc::unavailable, "weft_vxlan: not there yet");
  WEFT_TRY(kernel_.replace_fdb({ifindex_, p.mac, p.remote}));
  for (const auto& g : p.gateways) WEFT_TRY(kernel_.replace_neighbour({ifindex_, g, p.mac}));
  return {};
}

// What `peer` had and `keep` does not want.
Result<> PeerOps::drop(const TunnelPeer& peer, const TunnelPeer* keep) {
  if (ifindex_ == 0) return {};
  if (keep == nullptr || keep->mac != peer.mac) WEFT_TRY(kernel_.delete_fdb({ifindex_, peer.mac, peer.remote}));
  for (const auto& g : peer.gateways)
    if (keep == nullptr || std::find(keep->gateways.begin(), keep->gateways.end(), g) == keep->gateways.end())
      WEFT_TRY(kernel_.delete_neighbour({ifindex_, g, peer.mac}));
  return {};
}

Task<Result<>> PeerOps::update(const TunnelPeer& row) {
  if (const auto old = applied_.find(row.key()); old != applied_.end()) WEFT_CO_TRY(drop(old->second, &row));
  WEFT_CO_TRY(set(row));
  applied_[row.key()] = row;
  co_return Result<>{};
}

Task<Result<>> PeerOps::remove(const Node::Key& key) {
  const auto old = applied_.find(key);
  if (old == applied_.end()) co_return Result<>{};
  WEFT_CO_TRY(drop(old->second, nullptr));
  applied_.erase(old);
  co_return Result<>{};
}

Task<Result<>> PeerOps::prune(const Table<TunnelPeer>& table) {
  if (ifindex_ == 0) co_return Result<>{};
  auto neighbours = kernel_.neighbours(ifindex_);
  if (!neighbours) co_return fail(std::move(neighbours).error());
  auto fdb = kernel_.fdb(ifindex_);
  if (!fdb) co_return fail(std::move(fdb).error());
  std::set<netlink::Neighbour> want_neighbours;
  std::set<netlink::FdbEntry> want_fdb;
  for (const auto& p : table.all()) {
    want_fdb.insert({ifindex_, p->mac, p->remote});
    for (const auto& g : p->gateways) want_neighbours.insert({ifindex_, g, p->mac});
  }
  for (const auto& n : *neighbours)
    if (want_neighbours.erase(n) == 0) WEFT_CO_TRY(kernel_.delete_neighbour(n));
  for (const auto& e : *fdb)
    if (want_fdb.erase(e) == 0) WEFT_CO_TRY(kernel_.delete_fdb(e));
  for (const auto& n : want_neighbours) WEFT_CO_TRY(kernel_.replace_neighbour(n));
  for (const auto& e : want_fdb) WEFT_CO_TRY(kernel_.replace_fdb(e));
  co_return Result<>{};
}

Result<int> ensure_tunnel_device(netlink::Kernel& k, const Config& c, const Underlay& u) {
  auto there = k.link(kTunnelDevice);
  if (!there && there.error().code != Errc::not_found) return fail(std::move(there).error());
  if (c.mode == Mode::native) {
    if (there) WEFT_TRY(k.delete_link(kTunnelDevice));
    return 0;
  }
  const Family outer = outer_family(c, u);
  const auto local = u.address(outer);
  if (!local)
    return fail(Errc::invalid, "tunnel: no interface of this node has an InternalIP of family " +
                                   std::string(to_string(outer)) +
                                   ": correct status.addresses of its Node object, or set underlay-protocol to " +
                                   (outer == Family::v4 ? "ipv6" : "ipv4") + " in every cluster of the mesh");
  const netlink::Vxlan want{.vni = kVni, .port = c.tunnel_port, .local = *local, .learning = false};
  const unsigned mtu = pod_mtu(c, u);
  if (there && there->vxlan != want) {
    WEFT_TRY(k.delete_link(kTunnelDevice));
    there = fail(Errc::not_found, "");
  }
  if (!there) {
    WEFT_TRY(k.create_vxlan({.name = kTunnelDevice, .mac = tunnel_mac(*local), .mtu = mtu, .vxlan = want}));
    there = k.link(kTunnelDevice);
    if (!there) return fail(std::move(there).error());
  }
  // Only what differs: every change comes back as an event, and events lead here.
  netlink::LinkChange change;
  if (there->mtu != mtu) change.mtu = mtu;
  if (there->mac != tunnel_mac(*local)) change.mac = tunnel_mac(*local);
  if (!there->up) {
    change.up = true;
    change.no_link_local = true;
  }
  if (change.mtu || change.mac || change.up) WEFT_TRY(k.change_link(there->index, change));
  return there->index;
}

}  // namespace weft::routing
