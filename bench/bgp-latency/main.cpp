// How long a change of a Service takes from the API server's watch event to the UPDATE at a router, among many
// Services; beside it a bare TCP connection between the same two threads. See README.md.
#include <fmt/format.h>
#include <sched.h>
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>

#include <boost/json.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <stdexcept>

#include "async/signal.h"
#include "base/log.h"
#include "bench/figures/figures.h"
#include "sink.h"
#include "world.h"

namespace weft::bench {
namespace {

constexpr const char* kRouter = "10.99.0.2";
constexpr double kMostP99 = 10;  // milliseconds
constexpr auto kFirstRoutes = std::chrono::seconds(120);
constexpr auto kOneChange = std::chrono::seconds(20);

// The session's own network: nobody else's port 179, nobody else's packets.
void enter_namespace() {
  if (::unshare(CLONE_NEWNET) != 0)
    throw std::runtime_error(fmt::format("a network namespace: {}; run it as root", std::strerror(errno)));
  const std::string command = fmt::format("ip link set lo up && ip address add {}/32 dev lo", kRouter);
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
}

double milliseconds(Steady::duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

/// What the router has, and when each prefix came or went.
class Router {
 public:
  explicit Router(asio::io_context& io)
      : news_(io), sink_(io, kRouter, kRouterAsn, [this](Sink::Arrival a) { take(std::move(a)); }) {}

  std::size_t routes() const { return routes_.size(); }
  std::string trouble() const { return fmt::format("{} routes; {}", routes_.size(), sink_.trouble()); }
  void forget() { came_.clear(), went_.clear(), pinged_.reset(); }
  std::size_t last_update() const { return last_update_; }
  void ping() { sink_.ping(last_update_); }
  std::optional<Steady::time_point> pinged() const { return pinged_; }

  /// When the last of it had come; none while some is missing.
  std::optional<Steady::time_point> complete(const Change& c) const {
    Steady::time_point last{};
    const auto look = [&](const std::vector<Prefix>& wanted, const std::map<Prefix, Steady::time_point>& seen) {
      for (const Prefix& p : wanted) {
        const auto it = seen.find(p);
        if (it == seen.end()) return false;
        last = std::max(last, it->second);
      }
      return true;
    };
    if (!look(c.announced, came_) || !look(c.withdrawn, went_)) return std::nullopt;
    return last;
  }
  /// False when `fact` has not come true within `limit`.
  Task<bool> until(std::function<bool()> fact, std::chrono::nanoseconds limit) {
    const auto deadline = Steady::now() + limit;
    for (;;) {
      const auto seen = news_.version();
      if (fact()) co_return true;
      const auto left = deadline - Steady::now();
      if (left <= std::chrono::nanoseconds(0)) co_return false;
      co_await news_.changed_since(seen, left);
    }
  }

 private:
  void take(Sink::Arrival a) {
    if (a.ping) {
      pinged_ = a.when;
    } else {
      last_update_ = a.bytes;
      for (const Prefix& p : a.withdrawn) went_[p] = a.when, routes_.erase(p);
      for (const Prefix& p : a.announced) came_[p] = a.when, routes_.insert(p);
    }
    news_.notify();
  }

  Notifier news_;
  std::set<Prefix> routes_;
  std::map<Prefix, Steady::time_point> came_, went_;
  std::optional<Steady::time_point> pinged_;
  std::size_t last_update_ = 0;
  Sink sink_;
};

struct Options {
  unsigned services = 10'000, changes = 1000;
  bool json = false;
};

struct Measured {
  Figure bare{"bare", "bare TCP loopback, as many octets", {}};
  Figure all{"update", "Service changes → UPDATE at the router", {}, kMostP99};
  std::map<Kind, Figure> kinds;
  double first_routes_seconds = 0;
};

Task<> measure(World& world, Router& router, const Options& o, Measured& out) {
  const auto began = Steady::now();
  world.start();
  const auto all_there = [&router, &o] { return router.routes() == o.services; };
  const bool listed = co_await router.until(all_there, kFirstRoutes);
  if (!listed)
    throw std::runtime_error(
        fmt::format("not all routes came: the router has {}; the agent: {}", router.trouble(), world.trouble()));
  out.first_routes_seconds = milliseconds(Steady::now() - began) / 1e3;
  for (const Kind k : kKinds) out.kinds[k] = {key_of(k), std::string("  ") + words_of(k), {}};
  for (unsigned n = 0; n < o.changes; ++n) {
    router.forget();
    const Change change = world.change(n);
    const auto there = [&router, &change] { return router.complete(change).has_value(); };
    const bool came = co_await router.until(there, kOneChange);
    if (!came)
      throw std::runtime_error(fmt::format("change {}, {}: no UPDATE; the router has {}; the agent: {}", n,
                                           key_of(change.kind), router.trouble(), world.trouble()));
    const double took = milliseconds(*router.complete(change) - change.committed);
    out.all.samples.push_back(took);
    out.kinds[change.kind].samples.push_back(took);

    const auto sent = Steady::now();
    router.ping();
    const auto answered = [&router] { return router.pinged().has_value(); };
    const bool pinged = co_await router.until(answered, kOneChange);
    if (!pinged) throw std::runtime_error("the bare connection is silent");
    out.bare.samples.push_back(milliseconds(*router.pinged() - sent));
  }
}

// The agent is stopped whatever came of it.
Task<> measure_and_stop(World& world, Router& router, const Options& o, Measured& out) {
  std::exception_ptr error;
  try {
    co_await measure(world, router, o, out);
  } catch (...) {
    error = std::current_exception();
  }
  co_await world.stop();
  if (error) std::rethrow_exception(error);
}

int report(const Measured& m, const Options& o) {
  const bool holds = m.all.holds();
  if (o.json) {
    boost::json::object out{
        {"name", "bgp_latency"},   {"services", o.services},   {"first_routes_seconds", m.first_routes_seconds},
        {"bare", to_json(m.bare)}, {"update", to_json(m.all)}, {"ok", holds}};
    for (const auto& [kind, figure] : m.kinds) out[figure.name] = to_json(figure);
    fmt::print("{}\n", boost::json::serialize(out));
  } else {
    fmt::print("{} Services; the first routes took {:.1f} s\n{}{}{}", o.services, m.first_routes_seconds, table_head(),
               table_row(m.bare), table_row(m.all));
    for (const auto& [kind, figure] : m.kinds) fmt::print("{}", table_row(figure));
  }
  return holds ? EXIT_SUCCESS : EXIT_FAILURE;
}

int run(const Options& o) {
  enter_namespace();
  asio::io_context io{1};
  Router router(io);
  World world(io, kRouter, o.services);
  Measured measured;
  std::exception_ptr error;
  asio::co_spawn(io, measure_and_stop(world, router, o, measured), [&](const std::exception_ptr& e) {
    error = e;
    io.stop();
  });
  io.run();
  if (error) std::rethrow_exception(error);
  return report(measured, o);
}

}  // namespace
}  // namespace weft::bench

int main(int argc, char** argv) {
  weft::bench::Options o;
  CLI::App app("From a change of a Service to the UPDATE on the wire. Needs root.");
  app.add_option("--services", o.services, "LoadBalancer Services of the node (10000)")->check(CLI::Range(10, 60000));
  app.add_option("--changes", o.changes, "changes to measure (1000)")->check(CLI::Range(5, 1'000'000));
  app.add_flag("--json", o.json, "one line of JSON");
  CLI11_PARSE(app, argc, argv);
  weft::log::configure(weft::log::Level::error, weft::log::Format::text);
  try {
    return weft::bench::run(o);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "bench_bgp_latency: %s\n", e.what());
    return EXIT_FAILURE;
  }
}
