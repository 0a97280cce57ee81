#include "measure.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdio>
#include <map>
#include <random>

#include "async/scope.h"
#include "async/signal.h"
#include "kube/client.h"
#include "map_watch.h"
#include "mesh/values/keys.h"
#include "store_watch.h"

namespace weft::bench {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

double seconds(Duration d) { return std::chrono::duration<double>(d).count(); }

// When the API server's watch brought which address.
struct ApiWatch {
  explicit ApiWatch(asio::io_context& io) : changed(io) {}
  std::map<std::string, Steady::time_point> seen;
  std::string error;
  Notifier changed;
};

Task<> watch_api(kube::Client& client, const Job& job, ApiWatch& out) {
  kube::WatchOptions options;
  options.ns = job.ns;
  auto watch = co_await client.watch(kube::kEndpointSlices, options);
  if (!watch) {
    out.error = watch.error().message;
    co_return;
  }
  for (;;) {
    auto event = co_await watch->next();
    const auto now = Steady::now();
    if (!event || !*event) {
      out.error = event ? "the API server ended the watch" : event.error().message;
      co_return;
    }
    const auto* endpoints = (*event)->object.if_contains("endpoints");
    if (!endpoints || !endpoints->is_array()) continue;
    for (const auto& e : endpoints->get_array()) out.seen.emplace(e.at("addresses").at(0).as_string(), now);
    out.changed.notify();
  }
}

int failed(const std::string& why) {
  std::fprintf(stderr, "bench: %s\n", why.c_str());
  return 1;
}

Task<Result<Steady::time_point>> api_event(ApiWatch& api, std::string address) {
  const auto end = Steady::now() + 5s;
  for (;;) {
    const auto version = api.changed.version();
    if (const auto it = api.seen.find(address); it != api.seen.end()) co_return it->second;
    if (!api.error.empty()) co_return fail(Errc::unavailable, "watching slices: " + api.error);
    if (Steady::now() > end) co_return fail(Errc::timeout, "the API server's watch did not bring " + address);
    co_await api.changed.changed_since(version, 100ms);
  }
}

Task<int> run(asio::io_context& io, const Job& job) {
  const auto address = SocketAddress::parse(job.frontend);
  if (!address) co_return failed(address.error().message);
  auto map = MapWatch::open({*address, Protocol::tcp}, 60s);
  if (!map) co_return failed(map.error().message);

  const auto admin = store_channel(job.store, job.admin), remote = store_channel(job.store, job.remote);
  const std::string key = mesh::data_prefix(mesh::Kind::services, job.cluster) + job.ns + "/" + job.service;
  // Where remote users may read and where nobody looks.
  const std::string bare_key = "cilium/state/bench/v1/" + job.cluster + "/" + job.service;
  auto store = StoreWatch::open(remote, key);
  if (!store) co_return failed(store.error().message);
  auto bare = StoreWatch::open(remote, bare_key);
  if (!bare) co_return failed(bare.error().message);

  kube::Client client(io, job.api);
  Scope scope(io, "bench");
  ApiWatch api(io);
  scope.spawn("watch", watch_api(client, job, api));

  json::array out;
  std::mt19937 random(7);
  int code = 0;
  for (int i = 0; i < kWarmUp + job.changes && code == 0; ++i) {
    co_await sleep_for(std::chrono::milliseconds(10 + random() % 20));
    // One change through everything.
    const std::string backend = address_of(i);
    const json::object body = slice_with(job, backend);
    (*store)->expect("\"" + backend + "\"");
    (*map)->expect({{*Address::parse(backend), 8080}, Protocol::tcp});
    const auto sent = Steady::now();
    const auto updated = co_await client.update(kube::kEndpointSlices, job.ns, body);
    const auto accepted = Steady::now();
    if (!updated) code = failed(updated.error().message);
    std::string wanted = backend;
    const auto watched = co_await api_event(api, std::move(wanted));
    if (!watched) code = failed(watched.error().message);
    if (code != 0) break;
    const auto stored = (*store)->wait(5s);
    const auto mapped = (*map)->wait(5s);
    if (!stored) code = failed(fmt::format("{} did not get into the mesh store within 5 s", backend));
    if (!mapped)
      code = failed(fmt::format("{} did not get into the map within 5 s; there: {}", backend, (*map)->describe()));
    if (code != 0) break;

    // And one put of a value of the same size.
    co_await sleep_for(std::chrono::milliseconds(10 + random() % 20));
    auto value = store_get(remote, key);
    if (!value) code = failed(value.error().message);
    if (code != 0) break;
    (*bare)->expect("\"" + backend + "\"");
    const auto put = Steady::now();
    const auto written = store_put(admin, bare_key, *value);
    if (!written) code = failed(written.error().message);
    const auto came = (*bare)->wait(5s);
    if (!came) code = failed("the bare put was not seen within 5 s");
    if (code != 0 || i < kWarmUp) continue;

    json::object change{{"address", backend}, {"bare", seconds(*came - put)}};
    const std::pair<const char*, Steady::time_point> moments[] = {
        {"sent", sent}, {"answered", accepted}, {"watched", *watched}, {"stored", *stored}, {"mapped", *mapped}};
    for (const auto& [name, at] : moments) change[name] = seconds(at.time_since_epoch());
    out.push_back(std::move(change));
  }
  if (const auto r = store_delete(admin, bare_key); !r && code == 0) code = failed(r.error().message);
  co_await scope.stop();
  if (code != 0) co_return code;
  std::puts(json::serialize(out).c_str());
  co_return 0;
}

}  // namespace

std::string address_of(int change) { return fmt::format("10.2.{}.{}", 100 + change / 150, 100 + change % 150); }

int measure(const Job& job) {
  asio::io_context io(1);
  return run_to_completion(io, run(io, job));
}

int record(const Job& job) {
  // The API server's store, as the lab and everybody else runs it: beside it, without TLS, below /registry. Addresses
  // of changes stand as text in JSON as in protobuf.
  const std::string last = address_of(kWarmUp + job.changes - 1);
  const auto limit = std::chrono::seconds(60 + job.changes / 3);
  const auto r =
      record_store("127.0.0.1:2379", "/registry/", limit, [&](const std::string& value, Steady::time_point at) {
        const auto begin = value.find("10.2.1");
        if (begin == std::string::npos || value.find(job.slice) == std::string::npos) return true;
        const std::string address = value.substr(begin, last.size());
        std::printf("%s %.9f\n", address.c_str(), seconds(at.time_since_epoch()));
        return address != last;
      });
  return r ? 0 : failed(r.error().message);
}

}  // namespace weft::bench
