// FakeKernel: the same interface in memory. A FakeWorld holds the namespaces, so that a test can look into a
// pod's and let one vanish. Only what our code asks the kernel for is modelled.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "netlink/kernel.h"

namespace weft::netlink {

struct FakeWorld {
  struct Namespace {
    std::uint64_t id = 0;
    std::map<int, Link> links;
    std::map<int, int> peers;  // veth: this end's index → the other end's (see peer_netns)
    std::map<int, std::string> peer_netns;
    std::vector<LinkAddress> addresses;
    std::vector<Route> routes;
    std::vector<Neighbour> neighbours;
    std::vector<FdbEntry> fdb;
    std::map<std::string, std::string> sysctls;
    std::vector<std::string> nft;  // every transaction so far
    std::uint32_t nft_generation = 1;
    std::vector<ForwardChain> forward_chains;      // nft() does "insert rule" and "delete rule" to them
    std::map<std::string, std::string> nft_lists;  // what list commands print
  };
  std::map<std::string, Namespace> namespaces{{"", Namespace{1}}};  // "" is the node's own
  int next_ifindex = 10;
  std::uint64_t next_id = 100;
  /// The next call whose name this is fails once with this error ("create_veth", "replace_route", …).
  std::map<std::string, Error> fail_next;

  void add_netns(const std::string& path) { namespaces[path].id = next_id++; }
  /// As the kernel does: the veth ends inside die and take their peers along.
  void remove_netns(const std::string& path);
  /// A hardware link for the node.
  int add_nic(const std::string& name, std::vector<std::string> addresses, unsigned mtu = 1500);
};

class FakeKernel : public Kernel {
 public:
  explicit FakeKernel(std::shared_ptr<FakeWorld> world, std::string path = "")
      : world_(std::move(world)), path_(std::move(path)) {}

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

  FakeWorld& world() { return *world_; }

 private:
  FakeWorld::Namespace& here() { return world_->namespaces[path_]; }
  Result<> trip(const std::string& call);
  Result<Link*> by_index(int ifindex);

  std::shared_ptr<FakeWorld> world_;
  std::string path_;
};

}  // namespace weft::netlink
