#include "netlink/fake.h"

#include <algorithm>
#include <sstream>

namespace weft::netlink {

namespace {

void erase_link(FakeWorld::Namespace& ns, int index) {
  ns.links.erase(index);
  ns.peers.erase(index);
  ns.peer_netns.erase(index);
  std::erase_if(ns.addresses, [&](const auto& a) { return a.ifindex == index; });
  std::erase_if(ns.routes, [&](const auto& r) { return r.ifindex == index; });
  std::erase_if(ns.neighbours, [&](const auto& n) { return n.ifindex == index; });
  std::erase_if(ns.fdb, [&](const auto& e) { return e.ifindex == index; });
}

void erase_pair(FakeWorld& world, const std::string& path, int index) {
  auto& ns = world.namespaces[path];
  if (const auto peer = ns.peers.find(index); peer != ns.peers.end()) {
    const auto other = ns.peer_netns[index];
    const int other_index = peer->second;
    if (world.namespaces.contains(other)) erase_link(world.namespaces[other], other_index);
  }
  erase_link(ns, index);
}

bool same_place(const Route& a, const Route& b) {
  return a.destination == b.destination && a.table == b.table && a.metric == b.metric;
}

bool taken(const FakeWorld::Namespace& ns, const std::string& name) {
  return std::any_of(ns.links.begin(), ns.links.end(), [&](const auto& l) { return l.second.name == name; });
}

}  // namespace

void FakeWorld::remove_netns(const std::string& path) {
  const auto it = namespaces.find(path);
  if (it == namespaces.end()) return;
  std::vector<int> all;
  for (const auto& [index, link] : it->second.links) all.push_back(index);
  for (const int index : all) erase_pair(*this, path, index);
  namespaces.erase(path);
}

int FakeWorld::add_nic(const std::string& name, std::vector<std::string> addresses, unsigned mtu) {
  auto& ns = namespaces[""];
  Link l;
  l.index = next_ifindex++;
  l.name = name;
  l.mtu = mtu;
  l.up = true;
  ns.links[l.index] = l;
  for (const auto& text : addresses) {
    const auto slash = text.find('/');
    ns.addresses.push_back(
        {l.index, *Address::parse(text.substr(0, slash)), static_cast<unsigned>(std::stoi(text.substr(slash + 1)))});
  }
  return l.index;
}

Result<> FakeKernel::trip(const std::string& call) {
  if (!world_->namespaces.contains(path_)) return fail(Errc::not_found, "network namespace " + path_ + ": gone");
  const auto it = world_->fail_next.find(call);
  if (it == world_->fail_next.end()) return {};
  Error e = it->second;
  world_->fail_next.erase(it);
  return fail(std::move(e));
}

Result<Link*> FakeKernel::by_index(int ifindex) {
  const auto it = here().links.find(ifindex);
  if (it == here().links.end()) return fail(Errc::not_found, "link " + std::to_string(ifindex) + ": No such device");
  return &it->second;
}

Result<std::unique_ptr<Kernel>> FakeKernel::open(const std::string& netns) {
  if (netns.empty() || !world_->namespaces.contains(netns))
    return fail(Errc::not_found, "network namespace " + netns + ": No such file or directory");
  return std::make_unique<FakeKernel>(world_, netns);
}

Result<std::uint64_t> FakeKernel::netns_id(const std::string& netns) {
  if (netns.empty() || !world_->namespaces.contains(netns))
    return fail(Errc::not_found, "network namespace " + netns + ": No such file or directory");
  return world_->namespaces[netns].id;
}

Result<std::vector<Link>> FakeKernel::links() {
  WEFT_TRY(trip("links"));
  std::vector<Link> out;
  for (const auto& [index, link] : here().links) out.push_back(link);
  return out;
}

Result<Link> FakeKernel::link(const std::string& name) {
  WEFT_TRY(trip("link"));
  for (const auto& [index, link] : here().links)
    if (link.name == name) return link;
  return fail(Errc::not_found, "link " + name + ": No such device");
}

Result<> FakeKernel::create_veth(const VethSpec& s) {
  WEFT_TRY(trip("create_veth"));
  const std::string other = s.peer_netns.empty() ? path_ : s.peer_netns;
  if (!world_->namespaces.contains(other))
    return fail(Errc::not_found, "network namespace " + other + ": No such file or directory");
  auto& there = world_->namespaces[other];
  if (taken(here(), s.name)) return fail(Errc::exists, "creating the veth pair " + s.name + ": File exists");
  if (taken(there, s.peer_name)) return fail(Errc::exists, "creating the veth pair " + s.peer_name + ": File exists");
  Link a{.index = world_->next_ifindex++, .name = s.name, .kind = "veth", .alias = s.alias, .mac = s.mac, .mtu = s.mtu};
  Link b{.index = world_->next_ifindex++, .name = s.peer_name, .kind = "veth", .mac = s.peer_mac, .mtu = s.mtu};
  here().peers[a.index] = b.index;
  here().peer_netns[a.index] = other;
  there.peers[b.index] = a.index;
  there.peer_netns[b.index] = path_;
  here().links[a.index] = a;
  there.links[b.index] = b;
  return {};
}

Result<> FakeKernel::create_vxlan(const VxlanSpec& s) {
  WEFT_TRY(trip("create_vxlan"));
  if (taken(here(), s.name)) return fail(Errc::exists, "creating the tunnel device " + s.name + ": File exists");
  Link l{
      .index = world_->next_ifindex++, .name = s.name, .kind = "vxlan", .mac = s.mac, .mtu = s.mtu, .vxlan = s.vxlan};
  here().links[l.index] = l;
  return {};
}

Result<> FakeKernel::change_link(int ifindex, const LinkChange& c) {
  WEFT_TRY(trip("change_link"));
  auto l = by_index(ifindex);
  if (!l) return fail(std::move(l).error());
  if (c.name) (*l)->name = *c.name;
  if (c.mtu) (*l)->mtu = *c.mtu;
  if (c.mac) (*l)->mac = *c.mac;
  if (c.up) (*l)->up = *c.up;
  return {};
}

Result<> FakeKernel::delete_link(const std::string& name) {
  WEFT_TRY(trip("delete_link"));
  for (const auto& [index, link] : here().links) {
    if (link.name != name) continue;
    erase_pair(*world_, path_, index);
    break;
  }
  return {};
}

Result<std::vector<LinkAddress>> FakeKernel::addresses() {
  WEFT_TRY(trip("addresses"));
  return here().addresses;
}

Result<> FakeKernel::add_address(const LinkAddress& a) {
  WEFT_TRY(trip("add_address"));
  if (auto l = by_index(a.ifindex); !l) return fail(std::move(l).error());
  auto& all = here().addresses;
  if (std::find(all.begin(), all.end(), a) == all.end()) all.push_back(a);
  return {};
}

Result<> FakeKernel::delete_address(const LinkAddress& a) {
  WEFT_TRY(trip("delete_address"));
  std::erase(here().addresses, a);
  return {};
}

Result<std::vector<Route>> FakeKernel::routes(const RouteFilter& f) {
  WEFT_TRY(trip("routes"));
  std::vector<Route> out;
  for (const auto& r : here().routes)
    if ((!f.table || *f.table == r.table) && (!f.protocol || *f.protocol == r.protocol)) out.push_back(r);
  return out;
}

Result<> FakeKernel::replace_route(const Route& r) {
  WEFT_TRY(trip("replace_route"));
  if (r.ifindex > 0)
    if (auto l = by_index(r.ifindex); !l) return fail(std::move(l).error());
  std::erase_if(here().routes, [&](const Route& o) { return same_place(o, r); });
  here().routes.push_back(r);
  return {};
}

Result<> FakeKernel::create_route(const Route& r) {
  WEFT_TRY(trip("create_route"));
  for (const Route& o : here().routes)
    if (same_place(o, r)) return fail(Errc::exists, "route " + r.to_string() + ": there is one");
  return replace_route(r);
}

Result<> FakeKernel::delete_route(const Route& r) {
  WEFT_TRY(trip("delete_route"));
  std::erase_if(here().routes, [&](const Route& o) { return same_place(o, r) && o.protocol == r.protocol; });
  return {};
}

Result<std::vector<Neighbour>> FakeKernel::neighbours(int ifindex) {
  WEFT_TRY(trip("neighbours"));
  std::vector<Neighbour> out;
  for (const auto& n : here().neighbours)
    if (n.ifindex == ifindex) out.push_back(n);
  return out;
}

Result<> FakeKernel::replace_neighbour(const Neighbour& n) {
  WEFT_TRY(trip("replace_neighbour"));
  if (auto l = by_index(n.ifindex); !l) return fail(std::move(l).error());
  std::erase_if(here().neighbours,
                [&](const auto& o) { return o.ifindex == n.ifindex && o.address == n.address && o.proxy == n.proxy; });
  here().neighbours.push_back(n);
  return {};
}

Result<> FakeKernel::delete_neighbour(const Neighbour& n) {
  WEFT_TRY(trip("delete_neighbour"));
  std::erase_if(here().neighbours,
                [&](const auto& o) { return o.ifindex == n.ifindex && o.address == n.address && o.proxy == n.proxy; });
  return {};
}

Result<std::vector<FdbEntry>> FakeKernel::fdb(int ifindex) {
  WEFT_TRY(trip("fdb"));
  std::vector<FdbEntry> out;
  for (const auto& e : here().fdb)
    if (e.ifindex == ifindex) out.push_back(e);
  return out;
}

Result<> FakeKernel::replace_fdb(const FdbEntry& e) {
  WEFT_TRY(trip("replace_fdb"));
  if (auto l = by_index(e.ifindex); !l) return fail(std::move(l).error());
  std::erase_if(here().fdb, [&](const auto& o) { return o.ifindex == e.ifindex && o.mac == e.mac; });
  here().fdb.push_back(e);
  return {};
}

Result<> FakeKernel::delete_fdb(const FdbEntry& e) {
  WEFT_TRY(trip("delete_fdb"));
  std::erase(here().fdb, e);
  return {};
}

Result<std::string> FakeKernel::sysctl(const std::string& key) {
  WEFT_TRY(trip("sysctl"));
  const auto it = here().sysctls.find(key);
  return it == here().sysctls.end() ? std::string("0") : it->second;
}

Result<> FakeKernel::set_sysctl(const std::string& key, const std::string& value) {
  WEFT_TRY(trip("set_sysctl"));
  here().sysctls[key] = value;
  return {};
}

namespace {

// "insert rule FAMILY TABLE CHAIN … comment "TEXT"" and "delete rule FAMILY TABLE CHAIN handle N", as far as a chain is
// there that it is about.
void change_rules(std::vector<ForwardChain>& chains, const std::string& command, std::uint64_t& next_handle) {
  for (auto& chain : chains) {
    if (chain.legacy) continue;
    if (command.starts_with("insert rule " + chain.to_string() + " ")) {
      const auto begin = command.find("comment \"");
      const std::string text = begin == std::string::npos ? "" : command.substr(begin + 9);
      chain.rules.insert(chain.rules.begin(), {next_handle++, text.substr(0, text.find('"'))});
    }
    const std::string drop = "delete rule " + chain.to_string() + " handle ";
    if (command.starts_with(drop))
      std::erase_if(chain.rules,
                    [&](const auto& r) { return std::to_string(r.handle) == command.substr(drop.size()); });
  }
}

}  // namespace

Result<> FakeKernel::nft(const std::string& commands) {
  WEFT_TRY(trip("nft"));
  constexpr std::string_view list = "list table ";
  if (!commands.starts_with(list)) {
    here().nft.push_back(commands);
    std::istringstream lines(commands);
    for (std::string line; std::getline(lines, line);) change_rules(here().forward_chains, line, world_->next_id);
    ++here().nft_generation;
    return {};
  }
  const std::string table = commands.substr(list.size());
  for (auto it = here().nft.rbegin(); it != here().nft.rend(); ++it) {
    if (it->find("\ntable " + table + " {") != std::string::npos) return {};
    if (it->find("delete table " + table) != std::string::npos) break;
  }
  return fail(Errc::not_found, "nftables: no such table");
}

Result<std::string> FakeKernel::nft_list(const std::string& command) {
  WEFT_TRY(trip("nft_list"));
  return here().nft_lists[command];
}

Result<std::uint32_t> FakeKernel::nft_generation() {
  WEFT_TRY(trip("nft_generation"));
  return here().nft_generation;
}

Result<std::vector<ForwardChain>> FakeKernel::forward_chains() {
  WEFT_TRY(trip("forward_chains"));
  return here().forward_chains;
}

}  // namespace weft::netlink
