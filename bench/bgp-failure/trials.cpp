#include "trials.h"

#include <fmt/format.h>

#include <random>
#include <stdexcept>
#include <thread>

#include "probe.h"
#include "world.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

constexpr double kMostDetection = 400;  // milliseconds: three intervals of 100, and what the router needs
constexpr unsigned kPrefixes = 50;      // of each family
constexpr auto kPatience = 120s;
constexpr const char* kService = "192.0.2.99";

double milliseconds(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

std::vector<std::string> many_prefixes() {
  std::vector<std::string> out;
  for (unsigned i = 0; i < kPrefixes; ++i) {
    out.push_back(fmt::format("198.51.100.{}/32", i));
    out.push_back(fmt::format("2001:db8:51::{:x}/128", i + 1));
  }
  return out;
}

}  // namespace

Cuts cut_the_link(unsigned trials, bool frr_node) {
  World world({.bfd = true, .prefixes = many_prefixes(), .frr_node = frr_node});
  world.start();
  world.wait_for_bfd();
  Cuts out{{"link_cut", "the node's link is cut, BFD 3 x 100 ms → routes gone", {}, {}, kMostDetection},
           {"link_cut_silence", "  BFD's last packet → the router's BFD says Down", {}},
           {"link_cut_router", "  the router's BFD says Down → routes gone", {}}};
  if (frr_node) {
    out = {{"link_cut_frr", "  the same with FRR on the node", {}},
           {"link_cut_frr_silence", "    last packet → Down", {}},
           {"link_cut_frr_router", "    Down → routes gone", {}}};
  }
  std::mt19937 random(1);
  for (unsigned i = 0; i < trials; ++i) {
    world.wait_for_routes();
    // BFD's packets come every 75 to 100 ms: a cut may fall anywhere between two.
    std::this_thread::sleep_for(std::chrono::microseconds(random() % 100'000));
    world.bfd->forget_down();
    const auto cut = world.cut();
    interop::wait_until(
        kPatience, "the routes leave the router's kernel", [&] { return world.routes.routes() == 0; },
        [&] { return world.seen(); });
    const auto gone = world.routes.last_change();
    out.whole.samples.push_back(milliseconds(gone - cut));
    if (const auto left = world.router.must({"ip", "route", "show", "proto", "bgp"}); !left.empty())
      throw std::runtime_error("the kernel did not tell of these routes: " + left);
    const auto last = world.bfd->last_from_node(), down = world.bfd->first_down();
    if (!last || !down) throw std::runtime_error("BFD's packets were not seen on the link\n" + world.seen());
    out.silence.samples.push_back(milliseconds(*down - *last));
    out.router.samples.push_back(milliseconds(gone - *down));
    // While the link is still down: a session that had just come back would be reset with it.
    if (!frr_node) world.node.forgive();
    world.mend();
    world.wait_for_bfd();
  }
  return out;
}

Restarts kill_the_speaker(unsigned trials, bool graceful) {
  const std::string prefix = std::string(kService) + "/32";
  World world({.graceful_restart = graceful ? 120U : 0U, .prefixes = {prefix}});
  world.node_host.ip("address add " + prefix + " dev lo");
  world.start();
  Probe probe(world.client, world.node_host, kService);
  Restarts out;
  if (graceful) {
    out.lost = {"restart_lost", "the speaker is killed and restarts: lost of 1000 a second", {}, {}, 0.0, "packets"};
    out.gap = {"restart_gap", "  the longest silence at the client", {}};
  } else {
    out.lost = {"no_graceful_restart_lost", "  without graceful restart: lost", {}, {}, {}, "packets"};
    out.gap = {"no_graceful_restart_gap", "  without graceful restart: the longest silence", {}};
  }
  const auto until = [&](const char* what, const std::function<bool()>& fact) {
    interop::wait_until(kPatience, what, fact, [&] { return world.seen(); });
  };
  const auto established = [&] { return world.frr->peer("node").established(); };
  // Whether the router holds the route for a speaker that has gone.
  const auto stale = [&] {
    const auto routes = world.frr->routes();
    const auto it = routes.find(prefix);
    if (it == routes.end()) throw std::runtime_error("the router has lost the route\n" + world.seen());
    return it->second.stale;
  };
  for (unsigned i = 0; i < trials; ++i) {
    probe.start();
    probe.send_more(200);
    world.node.kill_speaker();
    until("the router sees the session end", [&] { return !established(); });
    if (graceful && !stale())
      throw std::runtime_error("the route of a dead speaker is not marked stale\n" + world.seen());
    probe.send_more(300);
    world.node.start(graceful);
    until("the session is back", established);
    if (graceful) until("the route is fresh", [&] { return !stale(); });
    world.wait_for_routes();
    probe.send_more(300);
    const auto result = probe.stop();
    out.lost.samples.push_back(static_cast<double>(result.lost));
    out.gap.samples.push_back(result.longest_gap);
  }
  return out;
}

}  // namespace weft::bench
