// Latencies of one run, and the table made of them.
#pragma once

#include <boost/json/fwd.hpp>

#include <string>
#include <vector>

namespace weft::bench {

/// In seconds, one for each change.
struct Samples {
  std::vector<double> bare;         // put sent → watch event, in the mesh store of cluster2
  std::vector<double> map;          // change accepted by the API server → backend in the map
  std::vector<double> sent_map;     // request sent → backend in the map
  std::vector<double> answer;       // request sent → accepted
  std::vector<double> sent_watch;   // request sent → the API server's watch event
  std::vector<double> watch_store;  // that → the watch event of the mesh store
  std::vector<double> store_map;    // that → backend in the map
};

struct Quantiles {
  double p50 = 0, p99 = 0, max = 0;
};
/// Nearest rank. `samples` must not be empty.
Quantiles quantiles(std::vector<double> samples);

/// The bound on p50 of map over p50 of bare.
inline constexpr double kMostRatio = 4;

boost::json::object to_json(const Samples& s, bool& ok);
/// From what to_json() made.
std::string to_table(const boost::json::object& report);

}  // namespace weft::bench
