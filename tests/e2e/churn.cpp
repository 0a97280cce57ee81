// weft-e2e-churn: writes the EndpointSlices of a Service without selector a given number of times, at a given rate or
// as near to it as the server comes, and says what it left. Some four endpoints come or go with each write.
#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <iostream>
#include <iterator>
#include <random>
#include <set>
#include <vector>

#include "async/scope.h"
#include "async/signal.h"
#include "base/clock.h"
#include "kube/client.h"

namespace {

using namespace weft;
namespace json = boost::json;
using namespace std::chrono_literals;

constexpr int kSlices = 10;  // written in turn, several writes under way at a time
constexpr int kPerSlice = 10;

struct Churn {
  kube::Client& client;
  std::string ns, service;
  double rate;                                       // writes a second
  int each;                                          // writes to each slice
  std::int64_t writes = 0, changes = 0, failed = 0;  // changes: endpoints that came or went
  std::vector<json::object> slices{};
};

std::string slice_name(const Churn& c, int i) { return fmt::format("{}-{}", c.service, i); }

json::object slice(const Churn& c, int i, std::mt19937& random) {
  json::array endpoints;
  for (int e = 0; e < kPerSlice; ++e) {
    // About a third of them come and go.
    if (random() % 3 == 0) continue;
    json::object one;
    json::array addresses;
    addresses.push_back(json::string(fmt::format("10.2.250.{}", i * kPerSlice + e + 1)));
    one["addresses"] = std::move(addresses);
    one["conditions"] = json::object{{"ready", true}, {"serving", true}, {"terminating", false}};
    endpoints.push_back(std::move(one));
  }
  json::object metadata{{"name", slice_name(c, i)}, {"namespace", c.ns}};
  metadata["labels"] = json::object{{"kubernetes.io/service-name", c.service},
                                    {"endpointslice.kubernetes.io/managed-by", "weft-e2e-churn"}};
  json::array ports;
  ports.push_back(json::object{{"name", "http"}, {"protocol", "TCP"}, {"port", 8080}});
  json::object o{{"apiVersion", "discovery.k8s.io/v1"}, {"kind", "EndpointSlice"}, {"addressType", "IPv4"}};
  o["metadata"] = std::move(metadata);
  o["ports"] = std::move(ports);
  o["endpoints"] = std::move(endpoints);
  return o;
}

std::set<std::string> addresses(const json::object& slice) {
  std::set<std::string> out;
  if (const auto* endpoints = slice.if_contains("endpoints"); endpoints && endpoints->is_array())
    for (const auto& e : endpoints->get_array()) out.emplace(e.at("addresses").at(0).as_string());
  return out;
}

std::int64_t difference(const std::set<std::string>& a, const std::set<std::string>& b) {
  std::vector<std::string> one_side;
  std::ranges::set_symmetric_difference(a, b, std::back_inserter(one_side));
  return static_cast<std::int64_t>(one_side.size());
}

// One slice's writer, `rate`/kSlices writes a second. What a slow moment held up is made up for.
Task<> write(Churn& c, int i, int& running, Notifier& done) {
  std::mt19937 random(static_cast<unsigned>(i));
  const auto period =
      std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(kSlices / c.rate));
  auto next = Steady::now() + period * i / kSlices;
  for (int n = 0; n < c.each; ++n) {
    json::object body = slice(c, i, random);
    auto r = co_await c.client.update(kube::kEndpointSlices, c.ns, body);
    if (r) {
      auto& now = c.slices[static_cast<std::size_t>(i)];
      ++c.writes;
      c.changes += difference(addresses(now), addresses(*r));
      now = std::move(*r);
    } else {
      ++c.failed;
      std::cerr << r.error().message << "\n";
    }
    next += period;
    const auto wait = next - Steady::now();
    if (wait > 0ns) co_await sleep_for(wait);
  }
  --running;
  done.notify();
}

Task<int> run(asio::io_context& io, Churn& c) {
  c.slices.resize(kSlices);
  std::mt19937 random(99);
  for (int i = 0; i < kSlices; ++i) {
    const json::object body = slice(c, i, random);
    auto r = co_await c.client.create(kube::kEndpointSlices, c.ns, body);
    if (!r) {
      std::cerr << r.error().message << "\n";
      co_return 1;
    }
  }
  Scope scope(io, "churn");
  Notifier done(io);
  int running = kSlices;
  const auto start = Steady::now();
  for (int i = 0; i < kSlices; ++i) scope.spawn("writer", write(c, i, running, done));
  while (running > 0) {
    const auto seen = done.version();
    co_await done.changed_since(seen, 100ms);
  }
  json::array left;
  for (const auto& s : c.slices)
    for (const auto& a : addresses(s)) left.emplace_back(a);
  const double took = std::chrono::duration<double>(Steady::now() - start).count();
  json::object report{{"writes", c.writes}, {"changes", c.changes}, {"failed", c.failed}, {"seconds", took}};
  report["addresses"] = std::move(left);
  std::cout << json::serialize(report) << "\n";
  co_await scope.stop();
  co_return c.failed == 0 ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Writes the EndpointSlices of a Service", "weft-e2e-churn"};
  std::string kubeconfig, context, ns = "default", service;
  double rate = 500;
  int writes = 15000;
  app.add_option("--kubeconfig", kubeconfig)->required();
  app.add_option("--context", context)->required();
  app.add_option("--namespace", ns);
  app.add_option("--service", service)->required();
  app.add_option("--rate", rate, "writes a second, at most");
  app.add_option("--writes", writes, "in all, a multiple of the number of slices, which is 10");
  CLI11_PARSE(app, argc, argv);
  auto config = kube::find_config(kubeconfig, context);
  if (!config) {
    std::cerr << config.error().message << "\n";
    return 1;
  }
  config->qps = 0;
  asio::io_context io(1);
  kube::Client client(io, std::move(*config));
  Churn c{client, ns, service, rate, writes / kSlices};
  return run_to_completion(io, run(io, c));
}
