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

json::object milliseconds(const Quantiles& q) {
  return {{"p50", q.p50 * 1e3}, {"p99", q.p99 * 1e3}, {"max", q.max * 1e3}};
}

}  // namespace

json::object to_json(const std::vector<Change>& changes) {
  const auto of = [&](auto&& what) {
    std::vector<double> samples;
    for (const auto& c : changes) samples.push_back(what(c));
    return quantiles(std::move(samples));
  };
  const auto bare = of([](const Change& c) { return c.bare; });
  const auto accepted = of([](const Change& c) { return c.mapped - c.answered; });
  const auto committed = of([](const Change& c) { return c.mapped - c.committed; });
  const auto sent = of([](const Change& c) { return c.mapped - c.sent; });
  json::object ms;
  ms["bare"] = milliseconds(bare);
  ms["map"] = milliseconds(accepted);
  ms["committed_map"] = milliseconds(committed);
  ms["sent_map"] = milliseconds(sent);
  ms["sent_committed"] = milliseconds(of([](const Change& c) { return c.committed - c.sent; }));
  ms["committed_answered"] = milliseconds(of([](const Change& c) { return c.answered - c.committed; }));
  ms["committed_watched"] = milliseconds(of([](const Change& c) { return c.watched - c.committed; }));
  ms["committed_stored"] = milliseconds(of([](const Change& c) { return c.stored - c.committed; }));
  ms["stored_map"] = milliseconds(of([](const Change& c) { return c.mapped - c.stored; }));
  const double ratio = accepted.p50 / bare.p50;
  json::object out{{"name", "mesh_propagation"},
                   {"changes", changes.size()},
                   {"ratio", ratio},
                   {"most_ratio", kMostRatio},
                   {"ok", ratio <= kMostRatio}};
  out["ratio_from_commit"] = committed.p50 / bare.p50;
  out["ratio_from_sent"] = sent.p50 / bare.p50;
  out["milliseconds"] = std::move(ms);
  return out;
}

std::string to_table(const json::object& report) {
  const auto line = [&](const char* what, const char* name, const std::string& note = {}) {
    const auto& q = report.at("milliseconds").at(name);
    return fmt::format("{:<60}{:>8.2f}{:>9.2f}{:>9.2f}{}\n", what, q.at("p50").to_number<double>(),
                       q.at("p99").to_number<double>(), q.at("max").to_number<double>(), note);
  };
  const auto ratio = [&](const char* name) { return report.at(name).to_number<double>(); };
  std::string out = fmt::format("{:<60}{:>8}{:>9}{:>9}   milliseconds, {} changes\n", "", "p50", "p99", "max",
                                report.at("changes").to_number<std::int64_t>());
  out += line("bare etcd: put sent → watch event", "bare");
  const auto times = [&](const char* name) { return fmt::format("   p50 is {:.2f} times bare", ratio(name)); };
  out += line("EndpointSlice accepted in cluster2 → BPF map in cluster1", "map", times("ratio"));
  out += line("counted from the commit in Kubernetes' etcd", "committed_map", times("ratio_from_commit"));
  out += line("counted from the request sent", "sent_map", times("ratio_from_sent"));
  out += "where the time goes:\n";
  out += line("  request sent → committed in Kubernetes' etcd", "sent_committed");
  out += line("  committed → answer of the API server", "committed_answered");
  out += line("  committed → watch event of the API server", "committed_watched");
  out += line("  committed → watch event of the mesh store", "committed_stored");
  out += line("  watch event of the mesh store → BPF map", "stored_map");
  out += fmt::format("accepted (the API server's answer) → map, p50 at most {} times bare: {}\n",
                     report.at("most_ratio").to_number<double>(), report.at("ok").as_bool() ? "ok" : "MISSED");
  return out;
}

}  // namespace weft::bench
