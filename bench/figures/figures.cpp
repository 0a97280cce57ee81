#include "bench/figures/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace weft::bench {

double Figure::quantile(double q) const {
  if (samples.empty()) return 0;
  auto sorted = samples;
  std::ranges::sort(sorted);
  return sorted[static_cast<std::size_t>(std::ceil(q * static_cast<double>(sorted.size()))) - 1];
}

double Figure::least() const { return samples.empty() ? 0 : std::ranges::min(samples); }

bool Figure::holds() const {
  return !samples.empty() && (!most_p99 || quantile(0.99) <= *most_p99) && (!most_max || quantile(1) <= *most_max) &&
         (!least_min || least() >= *least_min);
}

boost::json::object to_json(const Figure& f) {
  boost::json::object out{{"unit", f.unit},       {"p50", f.quantile(0.5)}, {"p99", f.quantile(0.99)},
                          {"max", f.quantile(1)}, {"min", f.least()},       {"count", f.samples.size()},
                          {"holds", f.holds()}};
  if (f.most_p99) out["most_p99"] = *f.most_p99;
  if (f.most_max) out["most_max"] = *f.most_max;
  if (f.least_min) out["least_min"] = *f.least_min;
  return out;
}

std::string table_head() { return fmt::format("{:<66}{:>10}{:>10}{:>10}{:>8}\n", "", "p50", "p99", "max", "count"); }

std::string table_row(const Figure& f) {
  std::string out = fmt::format("{:<66}{:>10.3f}{:>10.3f}{:>10.3f}{:>8}", f.what + ", " + f.unit, f.quantile(0.5),
                                f.quantile(0.99), f.quantile(1), f.samples.size());
  const auto bound = [&](const char* of, double most) {
    out += fmt::format("   {} at most {:g}: {}", of, most, f.holds() ? "yes" : "NO");
  };
  if (f.most_p99) bound("p99", *f.most_p99);
  if (f.most_max) bound("max", *f.most_max);
  if (f.least_min)
    out += fmt::format("   min {:.3f} at least {:g}: {}", f.least(), *f.least_min, f.holds() ? "yes" : "NO");
  return out + "\n";
}

}  // namespace weft::bench
