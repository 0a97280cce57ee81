// Registry: everything that one process tells Prometheus. Two kinds of numbers, two ways in:
//
//   what a table or a status already holds   collect(): a function that is asked at each scrape, so that a series ends
//                                            when its row does and no number is kept twice
//   what only the code that acts can count   counter(), gauge(), histogram(): kept here, written where it happens
//
// Names are whole ("cilium_clustermesh_remote_clusters"), labels in lower case with '_'. One name has one kind and one
// help text in a process; a second kind, or a name that Prometheus would refuse, is a broken invariant and throws.
// Lives on the thread of the io_context, like the tables that collectors read. Source of the names: cilium-compat
// section 9, which names label and kind of each.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/metric_family.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Registry;
}

namespace weft::metrics {

using Labels = std::map<std::string, std::string>;
using Counter = prometheus::Counter;      // Increment()
using Gauge = prometheus::Gauge;          // Set(), Increment(), Decrement()
using Histogram = prometheus::Histogram;  // Observe(seconds)

/// What collectors write into during one scrape.
class Samples {
 public:
  /// A value that goes up and down.
  void gauge(std::string_view name, std::string_view help, const Labels& labels, double value);
  /// A count that only grows while the process lives.
  void counter(std::string_view name, std::string_view help, const Labels& labels, double value);

 private:
  friend class Registry;
  void add(prometheus::MetricType type, std::string_view name, std::string_view help, const Labels& labels,
           prometheus::ClientMetric metric);
  std::map<std::string, prometheus::MetricFamily, std::less<>> families_;
};

class Registry {
 public:
  using Collector = std::function<void(Samples&)>;

  Registry();
  ~Registry();
  Registry(const Registry&) = delete;
  Registry& operator=(const Registry&) = delete;

  // The same name and labels give the same object again. References stay valid as long as the registry.
  Counter& counter(const std::string& name, const std::string& help, const Labels& labels = {});
  Gauge& gauge(const std::string& name, const std::string& help, const Labels& labels = {});
  /// `bounds` are the upper ends of the buckets, rising, in seconds for durations; the one without end comes by itself.
  Histogram& histogram(const std::string& name, const std::string& help, const Labels& labels,
                       const std::vector<double>& bounds);

  /// Called at every scrape. What it reads must live as long as the registry.
  void collect(Collector collector);

  /// All of it in Prometheus' text format, families in the order of their names.
  std::string text() const;

 private:
  std::unique_ptr<prometheus::Registry> held_;
  std::vector<Collector> collectors_;
};

/// The Content-Type that goes with text().
inline constexpr std::string_view kContentType = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace weft::metrics
