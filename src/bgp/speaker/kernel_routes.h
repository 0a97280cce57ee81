// KernelRoutes: the routes of the speaker in the kernel's tables, marked with a protocol of ours so that what an
// earlier run left is known again. Never touches a route of somebody else.
#pragma once

#include <map>
#include <tuple>

#include "bgp/speaker/edges.h"
#include "netlink/kernel.h"

namespace weft::bgp {

class KernelRoutes : public KernelEdge {
 public:
  explicit KernelRoutes(netlink::Kernel& kernel) : kernel_(kernel) {}
  std::vector<Error> apply(const std::vector<KernelRoute>& routes, bool prune) override;
  std::map<Prefix, std::string> missing() const override { return missing_; }

  /// Aggregates are discarded only when nothing else of the same length is there.
  static constexpr std::uint32_t kBlackholeMetric = 0xfffffffe;
  /// Next hops of one route at most.
  static constexpr std::size_t kMaxHops = 32;

 private:
  /// What tells routes apart for the kernel.
  using Place = std::tuple<Prefix, std::uint32_t, std::uint32_t>;  // prefix, table, metric
  static Place place(const netlink::Route& r) { return {r.destination, r.table, r.metric}; }
  Result<netlink::Route> to_netlink(const KernelRoute& route);
  Result<> read_existing();
  /// The error names the other's route.
  Result<> check_free(const netlink::Route& route, std::map<std::uint32_t, std::map<Place, std::uint8_t>>& foreign);

  netlink::Kernel& kernel_;
  bool known_ = false;  // the two maps hold what the kernel has of our protocol
  std::map<Place, netlink::Route> installed_;
  std::map<Place, netlink::Route> left_over_;  // of an earlier run
  std::map<Prefix, std::string> missing_;
};

}  // namespace weft::bgp
