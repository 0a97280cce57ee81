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
  std::vector<Error> change(const std::map<Prefix, std::vector<KernelRoute>>& routes) override;
  void doubt() override { known_ = false; }
  std::map<Prefix, std::string> missing() const override { return missing_; }
  std::vector<Refused> take_refused() override { return std::exchange(refused_, {}); }

  /// Aggregates are discarded only when nothing else of the same length is there.
  static constexpr std::uint32_t kBlackholeMetric = 0xfffffffe;
  /// Next hops of one route at most.
  static constexpr std::size_t kMaxHops = 32;

 private:
  /// What tells routes apart for the kernel.
  using Place = std::tuple<Prefix, std::uint32_t, std::uint32_t>;  // prefix, table, metric
  static Place place(const netlink::Route& r) { return {r.destination, r.table, r.metric}; }
  static Place place(const KernelRoute& r) { return {r.prefix, r.table, r.hops.empty() ? kBlackholeMetric : r.metric}; }
  /// One call's work: what it met, and the links it looked up.
  struct Pass {
    std::vector<Error> errors;
    std::map<std::string, Result<int>> links;
  };
  /// A next hop and what netlink calls it.
  struct Way {
    KernelRoute::Hop hop;
    netlink::RouteHop at;
  };

  Result<> read_existing();
  void remove(std::map<Place, netlink::Route>& from, const Place& at, Pass& pass);
  void set(const KernelRoute& route, Pass& pass);
  Result<> put(const Place& at, const netlink::Route& route);
  /// Each way by itself: the route ends with those that the kernel takes.
  Result<> put_what_goes(const Place& at, netlink::Route route, const std::vector<Way>& ways);
  std::vector<Way> ways(const KernelRoute& route, Pass& pass);

  netlink::Kernel& kernel_;
  bool known_ = false;  // the two maps hold what the kernel has of our protocol
  std::map<Place, netlink::Route> installed_;
  std::map<Place, netlink::Route> left_over_;  // of an earlier run, or not as we made it
  std::map<Prefix, std::string> missing_;
  std::vector<Refused> refused_;
};

}  // namespace weft::bgp
