#include "metrics/registry.h"

#include <prometheus/check_names.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <stdexcept>

namespace weft::metrics {
namespace {

template <class Builder>
auto& family(Builder builder, const std::string& name, const std::string& help, prometheus::Registry& registry) {
  return builder.Name(name).Help(help).Register(registry);
}

}  // namespace

void Samples::gauge(std::string_view name, std::string_view help, const Labels& labels, double value) {
  prometheus::ClientMetric metric;
  metric.gauge.value = value;
  add(prometheus::MetricType::Gauge, name, help, labels, std::move(metric));
}

void Samples::counter(std::string_view name, std::string_view help, const Labels& labels, double value) {
  prometheus::ClientMetric metric;
  metric.counter.value = value;
  add(prometheus::MetricType::Counter, name, help, labels, std::move(metric));
}

void Samples::add(prometheus::MetricType type, std::string_view name, std::string_view help, const Labels& labels,
                  prometheus::ClientMetric metric) {
  auto it = families_.find(name);
  if (it == families_.end()) {
    if (!prometheus::CheckMetricName(std::string(name)))
      throw std::invalid_argument("metric \"" + std::string(name) + "\": not a name that Prometheus takes");
    it = families_.emplace(std::string(name), prometheus::MetricFamily{}).first;
    it->second.name = std::string(name);
    it->second.help = std::string(help);
    it->second.type = type;
  }
  if (it->second.type != type)
    throw std::invalid_argument("metric \"" + std::string(name) + "\": both a gauge and a counter; give one kind");
  for (const auto& [label, text] : labels) metric.label.push_back({label, text});
  it->second.metric.push_back(std::move(metric));
}

Registry::Registry() : held_(std::make_unique<prometheus::Registry>()) {}
Registry::~Registry() = default;

Counter& Registry::counter(const std::string& name, const std::string& help, const Labels& labels) {
  return family(prometheus::BuildCounter(), name, help, *held_).Add(labels);
}

Gauge& Registry::gauge(const std::string& name, const std::string& help, const Labels& labels) {
  return family(prometheus::BuildGauge(), name, help, *held_).Add(labels);
}

Histogram& Registry::histogram(const std::string& name, const std::string& help, const Labels& labels,
                               const std::vector<double>& bounds) {
  return family(prometheus::BuildHistogram(), name, help, *held_).Add(labels, bounds);
}

void Registry::collect(Collector collector) { collectors_.push_back(std::move(collector)); }

std::string Registry::text() const {
  Samples samples;
  for (const auto& collector : collectors_) collector(samples);
  std::vector<prometheus::MetricFamily> all = held_->Collect();
  for (auto& [name, f] : samples.families_) all.push_back(std::move(f));
  std::ranges::sort(all, {}, &prometheus::MetricFamily::name);
  // A family without a series yet says nothing.
  std::erase_if(all, [](const prometheus::MetricFamily& f) { return f.metric.empty(); });
  // The library keeps series in a hash map; a reader compares two scrapes more easily when the order stays.
  for (auto& f : all) std::ranges::sort(f.metric, {}, &prometheus::ClientMetric::label);
  const prometheus::TextSerializer serializer;
  return static_cast<const prometheus::Serializer&>(serializer).Serialize(all);
}

}  // namespace weft::metrics
