#include <linux/neighbour.h>

#include "netlink/linux_kernel.h"

namespace weft::netlink {

namespace {

void fill(Request& q, const Neighbour& n) {
  auto& info = q.header<ndmsg>();
  info.ndm_family = family_of(n.address);
  info.ndm_ifindex = n.ifindex;
  info.ndm_state = NUD_PERMANENT;
  info.ndm_flags = n.proxy ? NTF_PROXY : 0;
  q.put(NDA_DST, n.address);
  if (!n.proxy) q.put(NDA_LLADDR, n.mac);
}

void fill(Request& q, const FdbEntry& e) {
  auto& info = q.header<ndmsg>();
  info.ndm_family = AF_BRIDGE;
  info.ndm_ifindex = e.ifindex;
  info.ndm_state = NUD_PERMANENT | NUD_NOARP;
  info.ndm_flags = NTF_SELF;
  q.put(NDA_LLADDR, e.mac);
  q.put(NDA_DST, e.remote);
}

Result<> absent_is_fine(Result<> r) {
  if (!r && r.error().code == Errc::not_found) return {};
  return r;
}

}  // namespace

Result<std::vector<Neighbour>> LinuxKernel::neighbours(int ifindex) {
  std::vector<Neighbour> out;
  for (const bool proxies : {false, true}) {
    const std::size_t before = out.size();
    Request q(RTM_GETNEIGH, 0);
    auto& info = q.header<ndmsg>();
    info.ndm_family = AF_UNSPEC;
    info.ndm_flags = proxies ? NTF_PROXY : 0;
    if (!proxies) q.put_u32(NDA_IFINDEX, static_cast<std::uint32_t>(ifindex));
    WEFT_TRY(socket_.dump(
        q, "listing neighbours",
        [&](const nlmsghdr* m) {
          const auto& n = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(m));
          const Attributes a(m, sizeof n);
          const auto address = a.address(NDA_DST);
          if (n.ndm_ifindex != ifindex || !address || n.ndm_family == AF_BRIDGE) return;
          const bool proxy = n.ndm_flags & NTF_PROXY;
          if (proxy != proxies || (!proxy && !(n.ndm_state & NUD_PERMANENT))) return;
          out.push_back({n.ndm_ifindex, *address, a.mac(NDA_LLADDR).value_or(Mac{}), proxy});
        },
        [&] { out.resize(before); }));
  }
  return out;
}

Result<> LinuxKernel::replace_neighbour(const Neighbour& n) {
  Request q(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  fill(q, n);
  return socket_.ask(q, "setting the neighbour entry of " + n.address.to_string());
}

Result<> LinuxKernel::delete_neighbour(const Neighbour& n) {
  Request q(RTM_DELNEIGH, 0);
  fill(q, n);
  return absent_is_fine(socket_.ask(q, "deleting the neighbour entry of " + n.address.to_string()));
}

Result<std::vector<FdbEntry>> LinuxKernel::fdb(int ifindex) {
  std::vector<FdbEntry> out;
  Request q(RTM_GETNEIGH, 0);
  auto& info = q.header<ndmsg>();
  info.ndm_family = AF_BRIDGE;
  info.ndm_ifindex = ifindex;
  WEFT_TRY(socket_.dump(
      q, "listing forwarding entries",
      [&](const nlmsghdr* m) {
        const auto& n = *static_cast<const ndmsg*>(mnl_nlmsg_get_payload(m));
        const Attributes a(m, sizeof n);
        const auto mac = a.mac(NDA_LLADDR);
        const auto remote = a.address(NDA_DST);
        if (n.ndm_ifindex == ifindex && mac && remote) out.push_back({n.ndm_ifindex, *mac, *remote});
      },
      [&] { out.clear(); }));
  return out;
}

Result<> LinuxKernel::replace_fdb(const FdbEntry& e) {
  Request q(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE);
  fill(q, e);
  return socket_.ask(q, "setting the forwarding entry to " + e.remote.to_string());
}

Result<> LinuxKernel::delete_fdb(const FdbEntry& e) {
  Request q(RTM_DELNEIGH, 0);
  fill(q, e);
  return absent_is_fine(socket_.ask(q, "deleting the forwarding entry to " + e.remote.to_string()));
}

}  // namespace weft::netlink
