#include "report.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cmath>

namespace weft::bench {
namespace json = boost::json;

Quantiles quantiles(std::vector<double> samples) {
  std::ranges::sort(samples);
  const auto at = [&](double q) {
    return samples[static_cast<std::size_t>(std::ceil(q * static_cast<double>(samples.size()))) - 1];
  };
  return {at(0.5), at(0.99), samples.back()};
}

namespace {

json::object milliseconds(const std::vector<double>& samples) {
  const auto q = quantiles(samples);
  return {{"p50", q.p50 * 1e3}, {"p99", q.p99 * 1e3}, {"max", q.max * 1e3}};
}

}  // namespace

json::object to_json(const Samples& s, bool& ok) {
  const double bare = quantiles(s.bare).p50;
  const double ratio = quantiles(s.map).p50 / bare;
  ok = ratio <= kMostRatio;
  json::object out{{"name", "mesh_propagation"},
                   {"changes", s.map.size()},
                   {"ratio", ratio},
                   {"most_ratio", kMostRatio},
                   {"ratio_from_sent", quantiles(s.sent_map).p50 / bare},
                   {"ok", ok}};
  json::object ms;
  ms["bare"] = milliseconds(s.bare);
  ms["map"] = milliseconds(s.map);
  ms["sent_map"] = milliseconds(s.sent_map);
  ms["answer"] = milliseconds(s.answer);
  ms["sent_watch"] = milliseconds(s.sent_watch);
  ms["watch_store"] = milliseconds(s.watch_store);
  ms["store_map"] = milliseconds(s.store_map);
  out["milliseconds"] = std::move(ms);
  return out;
}

std::string to_table(const json::object& report) {
  const auto line = [&](const char* what, const char* name, const std::string& note = {}) {
    const auto& q = report.at("milliseconds").at(name);
    return fmt::format("{:<58}{:>8.2f}{:>9.2f}{:>9.2f}{}\n", what, q.at("p50").to_number<double>(),
                       q.at("p99").to_number<double>(), q.at("max").to_number<double>(), note);
  };
  const auto ratio = [&](const char* name) { return report.at(name).to_number<double>(); };
  std::string out = fmt::format("{:<58}{:>8}{:>9}{:>9}   milliseconds, {} changes\n", "", "p50", "p99", "max",
                                report.at("changes").to_number<std::int64_t>());
  out += line("bare etcd: put sent → watch event", "bare");
  out += line("EndpointSlice accepted in cluster2 → BPF map in cluster1", "map",
              fmt::format("   p50 is {:.2f} times bare", ratio("ratio")));
  out += line("the same from the request sent", "sent_map", fmt::format("   {:.2f} times", ratio("ratio_from_sent")));
  out += "where the time goes:\n";
  out += line("  request sent → answered: accepted", "answer");
  out += line("  request sent → API server's watch event", "sent_watch");
  out += line("  API server's watch event → mesh store's watch event", "watch_store");
  out += line("  mesh store's watch event → BPF map", "store_map");
  out += fmt::format("p50 at most {} times bare: {}\n", report.at("most_ratio").to_number<double>(),
                     report.at("ok").as_bool() ? "ok" : "MISSED");
  return out;
}

}  // namespace weft::bench
