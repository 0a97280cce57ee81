#include <linux/rtnetlink.h>

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

void fill(Request& q, const Route& r) {
  auto& info = q.header<rtmsg>();
  info.rtm_family = family_of(r.destination.address());
  info.rtm_dst_len = static_cast<std::uint8_t>(r.destination.length());
  info.rtm_table = r.table < 256 ? static_cast<std::uint8_t>(r.table) : static_cast<std::uint8_t>(RT_TABLE_COMPAT);
  info.rtm_protocol = r.protocol;
  info.rtm_type = kernel_type(r.type);
  const bool link_scope = r.type == RouteType::unicast && !r.via && r.destination.family() == Family::v4;
  info.rtm_scope = link_scope ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  if (r.onlink) info.rtm_flags |= RTNH_F_ONLINK;
  q.put(RTA_DST, r.destination.address());
  q.put_u32(RTA_TABLE, r.table);
  if (r.via) {
    if (r.via->family() == r.destination.family()) {
      q.put(RTA_GATEWAY, *r.via);
    }
  }
  if (r.ifindex > 0) q.put_u32(RTA_OIF, static_cast<std::uint32_t>(r.ifindex));
  if (r.source) q.put(RTA_PREFSRC, *r.source);
  if (r.metric > 0) q.put_u32(RTA_PRIORITY, r.metric);
}

// False for what we do not deal in: cloned, multicast, multipath.
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
  r.via = a.address(RTA_GATEWAY);
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

Result<> LinuxKernel::replace_route(const Route& route) {
  if (route.via && route.via->family() != route.destination.family())
    return fail(Errc::invalid, "route " + route.to_string() + ": destination and next hop are of different families");
  Request q(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE);
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
