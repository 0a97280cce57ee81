// Distributions of times, their bounds, and the table or JSON made of them.
#pragma once

#include <boost/json/object.hpp>

#include <optional>
#include <string>
#include <vector>

namespace weft::bench {

/// One row of a report.
struct Figure {
  std::string name;             // key in the JSON, "label_removed"
  std::string what;             // words in the table
  std::vector<double> samples;  // in `unit`
  std::optional<double> most_p99 = {}, most_max = {};
  std::string unit = "ms";
  std::optional<double> least_min = {};

  /// Nearest rank, `q` above 0 up to 1; 0 when there are no samples.
  double quantile(double q) const;
  double least() const;  // of the samples; 0 when there are none
  /// Without samples nothing holds.
  bool holds() const;
};

/// {"unit": "ms", "p50": …, "p99": …, "max": …, "min": …, "count": …, "holds": …}; the bounds where there are some.
boost::json::object to_json(const Figure& figure);
/// The head of the table, and a row.
std::string table_head();
std::string table_row(const Figure& figure);

}  // namespace weft::bench
