#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>

#include <arpa/inet.h>

#include "netlink/linux_kernel.h"

namespace weft::netlink {

namespace {

constexpr std::size_t kMaxName = IFNAMSIZ - 1;

Result<> check_name(const std::string& name) {
  if (!name.empty() && name.size() <= kMaxName) return {};
  return fail(Errc::invalid, "interface name \"" + name + "\": must have 1 to 15 characters");
}

Link read_link(const nlmsghdr* msg) {
  const auto& info = *static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(msg));
  const Attributes a(msg, sizeof info);
  Link l;
  l.index = info.ifi_index;
  l.up = info.ifi_flags & IFF_UP;
  l.loopback = info.ifi_flags & IFF_LOOPBACK;
  l.name = a.text(IFLA_IFNAME);
  l.alias = a.text(IFLA_IFALIAS);
  l.mtu = a.u32(IFLA_MTU);
  l.mac = a.mac(IFLA_ADDRESS).value_or(Mac{});
  const Attributes link_info(a.get(IFLA_LINKINFO));
  l.kind = link_info.text(IFLA_INFO_KIND);
  if (l.kind == "vxlan") {
    const Attributes data(link_info.get(IFLA_INFO_DATA));
    Vxlan v;
    v.vni = data.u32(IFLA_VXLAN_ID);
    v.port = ntohs(data.u16(IFLA_VXLAN_PORT));
    v.learning = data.u8(IFLA_VXLAN_LEARNING) != 0;
    if (const auto local4 = data.address(IFLA_VXLAN_LOCAL)) v.local = *local4;
    if (const auto local6 = data.address(IFLA_VXLAN_LOCAL6)) v.local = *local6;
    l.vxlan = v;
  }
  return l;
}

}  // namespace

Result<std::vector<Link>> LinuxKernel::links() {
  std::vector<Link> out;
  Request q(RTM_GETLINK, 0);
  q.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  WEFT_TRY(
      socket_.dump(q, "listing links", [&](const nlmsghdr* m) { out.push_back(read_link(m)); }, [&] { out.clear(); }));
  return out;
}

Result<Link> LinuxKernel::link(const std::string& name) {
  WEFT_TRY(check_name(name));
  std::optional<Link> found;
  Request q(RTM_GETLINK, 0);
  q.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  q.put(IFLA_IFNAME, name);
  WEFT_TRY(socket_.get(q, "link " + name, [&](const nlmsghdr* m) { found = read_link(m); }));
  if (!found) return fail(Errc::not_found, "link " + name + ": the kernel did not describe it");
  return *found;
}

Result<> LinuxKernel::create_veth(const VethSpec& spec) {
  WEFT_TRY(check_name(spec.name));
  WEFT_TRY(check_name(spec.peer_name));
  Fd netns;
  if (!spec.peer_netns.empty()) {
    auto opened = open_netns(spec.peer_netns);
    if (!opened) return fail(std::move(opened).error());
    netns = std::move(*opened);
  }
  Request q(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  q.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  q.put(IFLA_IFNAME, spec.name);
  q.put_u32(IFLA_MTU, spec.mtu);
  q.put(IFLA_ADDRESS, spec.mac);
  q.nest(IFLA_LINKINFO, [&] {
    q.put(IFLA_INFO_KIND, "veth");
    q.nest(IFLA_INFO_DATA, [&] {
      q.nest(VETH_INFO_PEER, [&] {
        q.header<ifinfomsg>().ifi_family = AF_UNSPEC;
        q.put(IFLA_IFNAME, spec.peer_name);
        q.put_u32(IFLA_MTU, spec.mtu);
        q.put(IFLA_ADDRESS, spec.peer_mac);
        if (netns) q.put_u32(IFLA_NET_NS_FD, static_cast<std::uint32_t>(netns.get()));
      });
    });
  });
  WEFT_TRY(socket_.ask(q, "creating the veth pair " + spec.name + " / " + spec.peer_name));
  if (spec.alias.empty()) return {};
  // Not taken at creation by every kernel.
  Request alias(RTM_SETLINK, 0);
  alias.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  alias.put(IFLA_IFNAME, spec.name);
  alias.put(IFLA_IFALIAS, spec.alias.substr(0, 255));
  return socket_.ask(alias, "naming the owner of " + spec.name);
}

Result<> LinuxKernel::create_vxlan(const VxlanSpec& spec) {
  WEFT_TRY(check_name(spec.name));
  Request q(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  q.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  q.put(IFLA_IFNAME, spec.name);
  q.put_u32(IFLA_MTU, spec.mtu);
  q.put(IFLA_ADDRESS, spec.mac);
  q.nest(IFLA_LINKINFO, [&] {
    q.put(IFLA_INFO_KIND, "vxlan");
    q.nest(IFLA_INFO_DATA, [&] {
      q.put_u32(IFLA_VXLAN_ID, spec.vxlan.vni);
      q.put_u16(IFLA_VXLAN_PORT, htons(spec.vxlan.port));
      q.put_u8(IFLA_VXLAN_LEARNING, spec.vxlan.learning ? 1 : 0);
      q.put(spec.vxlan.local.is_v4() ? IFLA_VXLAN_LOCAL : IFLA_VXLAN_LOCAL6, spec.vxlan.local);
    });
  });
  return socket_.ask(q, "creating the tunnel device " + spec.name);
}

Result<> LinuxKernel::change_link(int ifindex, const LinkChange& c) {
  Request q(RTM_SETLINK, 0);
  auto& info = q.header<ifinfomsg>();
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = ifindex;
  if (c.up) {
    info.ifi_change = IFF_UP;
    info.ifi_flags = *c.up ? static_cast<unsigned>(IFF_UP) : 0u;
  }
  if (c.name) {
    WEFT_TRY(check_name(*c.name));
    q.put(IFLA_IFNAME, *c.name);
  }
  if (c.mtu) q.put_u32(IFLA_MTU, *c.mtu);
  if (c.mac) q.put(IFLA_ADDRESS, *c.mac);
  if (c.no_link_local)
    q.nest(IFLA_AF_SPEC,
           [&] { q.nest(AF_INET6, [&] { q.put_u8(IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE); }); });
  return socket_.ask(q, "changing link " + std::to_string(ifindex));
}

Result<> LinuxKernel::delete_link(const std::string& name) {
  WEFT_TRY(check_name(name));
  Request q(RTM_DELLINK, 0);
  q.header<ifinfomsg>().ifi_family = AF_UNSPEC;
  q.put(IFLA_IFNAME, name);
  auto r = socket_.ask(q, "deleting link " + name);
  if (!r && r.error().code == Errc::not_found) return {};
  return r;
}

}  // namespace weft::netlink
