#include "netlink/node_addresses.h"

#include <linux/if_addr.h>

#include "netlink/socket.h"

namespace weft::netlink {

Result<std::vector<NodeAddress>> node_addresses() {
  auto socket = Socket::open();
  if (!socket) return fail(socket.error());
  std::vector<NodeAddress> out;
  Request q(RTM_GETADDR, 0);
  q.header<ifaddrmsg>().ifa_family = AF_UNSPEC;
  const auto row = [&](const nlmsghdr* m) {
    const auto& info = *static_cast<const ifaddrmsg*>(mnl_nlmsg_get_payload(m));
    const Attributes a(m, sizeof info);
    auto address = a.address(IFA_LOCAL);  // IFA_ADDRESS is the far end on point-to-point links
    if (!address) address = a.address(IFA_ADDRESS);
    if (!address) return;
    const std::uint32_t flags = a.u32(IFA_FLAGS, info.ifa_flags);
    NodeAddress n{.ifindex = static_cast<int>(info.ifa_index), .address = *address, .length = info.ifa_prefixlen};
    n.lasting = (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_DEPRECATED)) == 0;
    // One bit with two meanings.
    if (address->is_v4())
      n.secondary = (flags & IFA_F_SECONDARY) != 0;
    else
      n.lasting = n.lasting && (flags & IFA_F_TEMPORARY) == 0;
    if (const nlattr* times = a.get(IFA_CACHEINFO); times != nullptr)
      n.created = static_cast<const ifa_cacheinfo*>(mnl_attr_get_payload(times))->cstamp;
    out.push_back(n);
  };
  WEFT_TRY(socket->dump(q, "listing addresses", row, [&] { out.clear(); }));
  return out;
}

}  // namespace weft::netlink
