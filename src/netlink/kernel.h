// Kernel: one network namespace's stack, as far as we change it. LinuxKernel speaks netlink; FakeKernel keeps
// everything in memory, so that the agent runs in a test without root. Calls are short and synchronous.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "netlink/types.h"

namespace weft::netlink {

/// Creating or replacing what is already so is success, and so is deleting what is absent, unless said otherwise.
/// Errors carry the kernel's own explanation (extended ack) where it gave one. Errc::not_found: no such link;
/// Errc::exists: the name is taken; Errc::unauthorized: no CAP_NET_ADMIN; Errc::unsupported: not in this kernel.
class Kernel {
 public:
  virtual ~Kernel() = default;

  /// The stack of another namespace, by path (/var/run/netns/x, /proc/7/ns/net). not_found if there is none.
  virtual Result<std::unique_ptr<Kernel>> open(const std::string& netns) = 0;
  /// A number that tells namespaces apart for as long as they live (the inode); not_found if the path is no namespace.
  virtual Result<std::uint64_t> netns_id(const std::string& netns) = 0;

  virtual Result<std::vector<Link>> links() = 0;
  virtual Result<Link> link(const std::string& name) = 0;
  virtual Result<> create_veth(const VethSpec&) = 0;    // Errc::exists when a name is taken
  virtual Result<> create_vxlan(const VxlanSpec&) = 0;  // Errc::exists when the name is taken
  virtual Result<> change_link(int ifindex, const LinkChange&) = 0;
  virtual Result<> delete_link(const std::string& name) = 0;

  virtual Result<std::vector<LinkAddress>> addresses() = 0;
  virtual Result<> add_address(const LinkAddress&) = 0;  // IPv6 without duplicate address detection
  virtual Result<> delete_address(const LinkAddress&) = 0;

  virtual Result<std::vector<Route>> routes(const RouteFilter&) = 0;
  virtual Result<> replace_route(const Route&) = 0;
  virtual Result<> create_route(
      const Route&) = 0;  // Errc::exists: there is one to this prefix of this table and metric
  virtual Result<> delete_route(const Route&) = 0;  // by destination, table, protocol and metric

  virtual Result<std::vector<Neighbour>> neighbours(int ifindex) = 0;  // permanent ones and proxies
  virtual Result<> replace_neighbour(const Neighbour&) = 0;
  virtual Result<> delete_neighbour(const Neighbour&) = 0;

  virtual Result<std::vector<FdbEntry>> fdb(int ifindex) = 0;  // those with a remote end
  virtual Result<> replace_fdb(const FdbEntry&) = 0;           // one remote end for a MAC
  virtual Result<> delete_fdb(const FdbEntry&) = 0;

  /// `key` with slashes: "net/ipv4/ip_forward".
  virtual Result<std::string> sysctl(const std::string& key) = 0;
  virtual Result<> set_sysctl(const std::string& key, const std::string& value) = 0;

  /// Runs nftables commands as one transaction: all of them or none.
  virtual Result<> nft(const std::string& commands) = 0;
  /// What an nftables list command prints; elements of sets are left out.
  virtual Result<std::string> nft_list(const std::string& command) = 0;
  /// Another number after every change of this namespace's nftables rules, by whoever (iptables-nft included). Cheap.
  virtual Result<std::uint32_t> nft_generation() = 0;
  /// Of nftables and of iptables-legacy; a kernel that lacks one of them has none of its chains.
  virtual Result<std::vector<ForwardChain>> forward_chains() = 0;
};

/// The kernel of the namespace that the caller stands in. Needs CAP_NET_ADMIN for changes.
Result<std::unique_ptr<Kernel>> make_linux_kernel();

}  // namespace weft::netlink
