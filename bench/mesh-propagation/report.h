// Latencies of one run, and the table made of them.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>
#include <vector>

namespace weft::bench {

/// The moments of one change, in seconds of the monotonic clock.
struct Change {
  std::string address;   // which change
  double sent = 0;       // the request
  double committed = 0;  // the watch event of cluster2's Kubernetes etcd, seen beside the API server
  double answered = 0;   // the API server's answer
  double watched = 0;    // the API server's watch event
  double stored = 0;     // the watch event of cluster2's mesh store, seen from cluster1
  double mapped = 0;     // the backend in the map
  double bare = 0;       // not a moment: put sent → watch event of the mesh store
};

struct Quantiles {
  double p50 = 0, p99 = 0, max = 0;
};
/// Nearest rank. `samples` must not be empty.
Quantiles quantiles(std::vector<double> samples);

/// The bound on p50 of map over p50 of bare.
inline constexpr double kMostRatio = 4;

boost::json::object to_json(const std::vector<Change>& changes);
/// From what to_json() made.
std::string to_table(const boost::json::object& report);

}  // namespace weft::bench
