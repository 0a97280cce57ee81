#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "netlink/linux_kernel.h"

namespace weft::netlink {

namespace {

constexpr std::uint32_t kDefaultMetricV6 = 1024;  // what the kernel makes of 0 (IP6_RT_PRIO_USER)

std::uint8_t kernel_type(RouteType t) {
  switch (t) {
    case RouteType::unicast: return RTN_UNICAST;
    case RouteType::blackhole: return RTN_BLACKHOLE;
    case RouteType::unreachable: return RTN_UNREACHABLE;
  }
  return RTN_UNICAST;
}

// IPv6 next hops of IPv4 routes have an attribute of their own.
void put_gateway(Request& q, Family destination, const Address& via) {
  if (via.family() == destination) return q.put(RTA_GATEWAY, via);
  std::vector<std::uint8_t> bytes(sizeof(std::uint16_t));
  const std::uint16_t family = via.is_v4() ? AF_INET : AF_INET6;
  std::memcpy(bytes.data(), &family, sizeof family);
  bytes.insert(bytes.end(), via.bytes().begin(), via.bytes().end());
  mnl_attr_put(q.message(), RTA_VIA, bytes.size(), bytes.data());
}

void put_hops(Request& q, const Route& r) {
  q.nest(RTA_MULTIPATH, [&] {
    for (const RouteHop& hop : r.hops) {
      auto& next = q.header<rtnexthop>();
      const auto before = q.message()->nlmsg_len;
      next.rtnh_ifindex = hop.ifindex;
      if (r.onlink) next.rtnh_flags |= RTNH_F_ONLINK;
      if (hop.via) put_gateway(q, r.destination.family(), *hop.via);
      next.rtnh_len = static_cast<unsigned short>(sizeof(rtnexthop) + q.message()->nlmsg_len - before);
    }
  });
}

std::optional<Address> read_gateway(const Attributes& a) {
  if (a.has(RTA_GATEWAY)) return a.address(RTA_GATEWAY);
  const nlattr* via = a.get(RTA_VIA);
  if (via == nullptr || mnl_attr_get_payload_len(via) != sizeof(std::uint16_t) + 16) return std::nullopt;
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), static_cast<const std::uint8_t*>(mnl_attr_get_payload(via)) + sizeof(std::uint16_t), 16);
  return Address::v6(bytes);
}

std::vector<RouteHop> read_hops(const nlattr* list) {
  std::vector<RouteHop> out;
  const auto* at = static_cast<const std::uint8_t*>(mnl_attr_get_payload(list));
  std::size_t left = mnl_attr_get_payload_len(list);
  while (left >= sizeof(rtnexthop)) {
    const auto& next = *reinterpret_cast<const rtnexthop*>(at);
    if (next.rtnh_len < sizeof(rtnexthop) || next.rtnh_len > left) break;
    const Attributes a(at + sizeof(rtnexthop), next.rtnh_len - sizeof(rtnexthop));
    out.push_back({read_gateway(a), next.rtnh_ifindex});
    const std::size_t step = std::min<std::size_t>(RTNH_ALIGN(next.rtnh_len), left);
    at += step;
    left -= step;
  }
  std::sort(out.begin(), out.end());
  return out;
}

void fill(Request& q, const Route& r) {
  auto& info = q.header<rtmsg>();
  info.rtm_family = family_of(r.destination.address());
  info.rtm_dst_len = static_cast<std::uint8_t>(r.destination.length());
  info.rtm_table = r.table < 256 ? static_cast<std::uint8_t>(r.table) : static_cast<std::uint8_t>(RT_TABLE_COMPAT);
  info.rtm_protocol = r.protocol;
  info.rtm_type = kernel_type(r.type);
  const bool link_scope =
      r.type == RouteType::unicast && !r.via && r.hops.empty() && r.destination.family() == Family::v4;
  info.rtm_scope = link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  if (r.onlink) info.rtm_flags |= RTNH_F_ONLINK;
  q.put(RTA_DST, r.destination.address());
  q.put_u32(RTA_TABLE, r.table);
  if (!r.hops.empty()) {
    put_hops(q, r);
  } else {
    if (r.via) put_gateway(q, r.destination.family(), *r.via);
    if (r.ifindex > 0) q.put_u32(RTA_OIF, static_cast<std::uint32_t>(r.ifindex));
  }
  if (r.source) q.put(RTA_PREFSRC, *r.source);
  if (r.metric > 0) q.put_u32(RTA_PRIORITY, r.metric);
}

// None for what we do not deal in: cloned, multicast.
std::optional<Route> read_route(const nlmsghdr* m) {
  const auto& info = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(m));
  if (info.rtm_flags & RTM_F_CLONED) return std::nullopt;
  const Attributes a(m, sizeof info);
  Route r;
  switch (info.rtm_type) {
    case RTN_UNICAST: r.type = RouteType::unicast; break;
    case RTN_BLACKHOLE: r.type = RouteType::blackhole; break;
    case RTN_UNREACHABLE: r.type = RouteType::unreachable; break;
    default: return std::nullopt;
  }
  const Family family = info.rtm_family == AF_INET ? Family::v4 : Family::v6;
  r.destination = Prefix(a.address(RTA_DST).value_or(Address::any(family)), info.rtm_dst_len);
  r.via = read_gateway(a);
  if (const nlattr* hops = a.get(RTA_MULTIPATH)) r.hops = read_hops(hops);
  // Whole-type routes of IPv6 name the loopback device; for us they have none.
  r.ifindex = r.type == RouteType::unicast ? static_cast<int>(a.u32(RTA_OIF)) : 0;
  r.onlink = info.rtm_flags & RTNH_F_ONLINK;
  r.source = a.address(RTA_PREFSRC);
  r.table = a.u32(RTA_TABLE, info.rtm_table);
  r.protocol = info.rtm_protocol;
  r.metric = a.u32(RTA_PRIORITY);
  if (family == Family::v6 && r.metric == kDefaultMetricV6) r.metric = 0;
  return r;
}

}  // namespace

Result<std::vector<Route>> LinuxKernel::routes(const RouteFilter& filter) {
  std::vector<Route> out;
  for (const unsigned char family : {AF_INET, AF_INET6}) {
    const std::size_t before = out.size();
    Request q(RTM_GETROUTE, 0);
    auto& info = q.header<rtmsg>();
    info.rtm_family = family;
    info.rtm_protocol = filter.protocol.value_or(0);
    if (filter.table) q.put_u32(RTA_TABLE, *filter.table);
    auto r = socket_.dump(
        q, "listing routes",
        [&](const nlmsghdr* m) {
          auto route = read_route(m);
          if (!route || (filter.table && route->table != *filter.table)) return;
          if (filter.protocol && route->protocol != *filter.protocol) return;
          out.push_back(std::move(*route));
        },
        [&] { out.resize(before); });
    // A table that was never used does not exist, and a kernel without IPv6 has no routes of it.
    if (!r && r.error().code != Errc::not_found && r.error().code != Errc::unsupported)
      return fail(std::move(r).error());
  }
  return out;
}

Result<> LinuxKernel::replace_route(const Route& route) { return set_route(route, NLM_F_CREATE | NLM_F_REPLACE); }
Result<> LinuxKernel::create_route(const Route& route) { return set_route(route, NLM_F_CREATE | NLM_F_EXCL); }

Result<> LinuxKernel::set_route(const Route& route, std::uint16_t flags) {
  const auto impossible = [&](const std::optional<Address>& via) {
    return via && via->is_v4() && route.destination.family() == Family::v6;
  };
  if (impossible(route.via) ||
      std::any_of(route.hops.begin(), route.hops.end(), [&](const RouteHop& h) { return impossible(h.via); }))
    return fail(Errc::invalid, "route " + route.to_string() + ": an IPv6 destination needs an IPv6 next hop");
  Request q(RTM_NEWROUTE, flags);
  fill(q, route);
  return socket_.ask(q, "setting route " + route.to_string());
}

Result<> LinuxKernel::delete_route(const Route& route) {
  Request q(RTM_DELROUTE, 0);
  auto& info = q.header<rtmsg>();
  info.rtm_family = family_of(route.destination.address());
  info.rtm_dst_len = static_cast<std::uint8_t>(route.destination.length());
  info.rtm_table =
      route.table < 256 ? static_cast<std::uint8_t>(route.table) : static_cast<std::uint8_t>(RT_TABLE_COMPAT);
  info.rtm_protocol = route.protocol;
  info.rtm_scope = RT_SCOPE_NOWHERE;  // any
  q.put(RTA_DST, route.destination.address());
  q.put_u32(RTA_TABLE, route.table);
  if (route.metric > 0) q.put_u32(RTA_PRIORITY, route.metric);
  auto r = socket_.ask(q, "deleting route " + route.to_string());
  if (!r && r.error().code == Errc::not_found) return {};
  return r;
}

}  // namespace weft::netlink
