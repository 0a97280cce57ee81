#include <linux/if_addr.h>

#include <algorithm>

#include "netlink/linux_kernel.h"

namespace weft::netlink {

namespace {

void fill(Request& q, const LinkAddress& a) {
  auto& info = q.header<ifaddrmsg>();
  info.ifa_family = family_of(a.address);
  info.ifa_prefixlen = static_cast<std::uint8_t>(a.length);
  info.ifa_flags = a.address.is_v6() ? IFA_F_NODAD : 0;
  info.ifa_index = static_cast<std::uint32_t>(a.ifindex);
  q.put(IFA_LOCAL, a.address);
  q.put(IFA_ADDRESS, a.address);
}

}  // namespace

Result<std::vector<LinkAddress>> LinuxKernel::addresses() {
  std::vector<LinkAddress> out;
  Request q(RTM_GETADDR, 0);
  q.header<ifaddrmsg>().ifa_family = AF_UNSPEC;
  WEFT_TRY(socket_.dump(
      q, "listing addresses",
      [&](const nlmsghdr* m) {
        const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(m));
        const Attributes a(m, sizeof info);
        auto address = a.address(IFA_LOCAL);  // IFA_ADDRESS is the far end on point-to-point links
        if (!address) address = a.address(IFA_ADDRESS);
        if (address) out.push_back({static_cast<int>(info.ifa_index), *address, info.ifa_prefixlen});
      },
      [&] { out.clear(); }));
  std::sort(out.begin(), out.end());
  return out;
}

Result<> LinuxKernel::add_address(const LinkAddress& a) {
  Request q(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
  fill(q, a);
  return socket_.ask(q, "adding address " + a.address.to_string());
}

Result<> LinuxKernel::delete_address(const LinkAddress& a) {
  Request q(RTM_DELADDR, 0);
  fill(q, a);
  auto r = socket_.ask(q, "deleting address " + a.address.to_string());
  if (!r && r.error().code == Errc::not_found) return {};
  return r;
}

}  // namespace weft::netlink
