// Kernel over a real netlink socket. The pieces by object: links.cpp, addresses.cpp, routes.cpp, neighbours.cpp,
// nftables.cpp, legacy_tables.cpp.
#pragma once

#include "netlink/kernel.h"
#include "netlink/netns.h"
#include "netlink/socket.h"

namespace weft::netlink {

class LinuxKernel : public Kernel {
 public:
  LinuxKernel(Socket socket, Fd netns) : socket_(std::move(socket)), netns_(std::move(netns)) {}

  Result<std::unique_ptr<Kernel>> open(const std::string& netns) override;
  Result<std::uint64_t> netns_id(const std::string& netns) override;

  Result<std::vector<Link>> links() override;
  Result<Link> link(const std::string& name) override;
  Result<> create_veth(const VethSpec&) override;
  Result<> create_vxlan(const VxlanSpec&) override;
  Result<> change_link(int ifindex, const LinkChange&) override;
  Result<> delete_link(const std::string& name) override;

  Result<std::vector<LinkAddress>> addresses() override;
  Result<> add_address(const LinkAddress&) override;
  Result<> delete_address(const LinkAddress&) override;

  Result<std::vector<Route>> routes(const RouteFilter&) override;
  Result<> replace_route(const Route&) override;
  Result<> create_route(const Route&) override;
  Result<> delete_route(const Route&) override;

  Result<std::vector<Neighbour>> neighbours(int ifindex) override;
  Result<> replace_neighbour(const Neighbour&) override;
  Result<> delete_neighbour(const Neighbour&) override;

  Result<std::vector<FdbEntry>> fdb(int ifindex) override;
  Result<> replace_fdb(const FdbEntry&) override;
  Result<> delete_fdb(const FdbEntry&) override;

  Result<std::string> sysctl(const std::string& key) override;
  Result<> set_sysctl(const std::string& key, const std::string& value) override;
  Result<> nft(const std::string& commands) override;
  Result<std::string> nft_list(const std::string& command) override;
  Result<std::uint32_t> nft_generation() override;
  Result<std::vector<ForwardChain>> forward_chains() override;

 private:
  Result<Socket*> netfilter();
  Result<> set_route(const Route&, std::uint16_t flags);

  Socket socket_;
  std::optional<Socket> netfilter_;  // opened when first asked for
  Fd netns_;                         // unset: the namespace of the caller
};

/// The FORWARD chains of iptables-legacy and ip6tables-legacy in the caller's namespace, as far as their tables are in
/// use.
Result<std::vector<ForwardChain>> legacy_forward_chains();

inline unsigned char family_of(const Address& a) { return a.is_v4() ? 2 /* AF_INET */ : 10 /* AF_INET6 */; }

}  // namespace weft::netlink
