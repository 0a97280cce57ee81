#include "trials.h"

#include <fmt/format.h>

#include <random>

#include "async/scope.h"
#include "bench/lab/probes.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

constexpr double kMostDetection = 400;    // milliseconds: three intervals of 100, and what the router needs
constexpr unsigned kKillsOfOne = 4;       // a node waits longer and longer before it starts a container again
constexpr std::uint64_t kQuestions = 60;  // before and after, of each family; 0.3 s

double milliseconds(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

struct Kill {
  std::uint64_t asked = 0, lost = 0;
  double back = 0;
};

Task<Result<Kill>> kill_once(World& world, Ports& ports) {
  const auto seen = [&world] { return world.describe(); };
  ServiceProbe v4(world.client_netns(), {world.pod().v4, 8080}, ports);
  ServiceProbe v6(world.client_netns(), {world.pod().v6, 8080}, ports);
  // So many more have been asked; an answer to each is what is counted at the end.
  const auto more = [&](std::uint64_t of_v4, std::uint64_t of_v6) {
    return v4.counts().sent >= of_v4 + kQuestions && v6.counts().sent >= of_v6 + kQuestions;
  };
  auto asking = until("questions are asked", [&] { return more(0, 0); }, seen);
  auto asked = co_await std::move(asking);
  if (!asked) co_return fail(asked.error());
  const auto before = world.session();
  const auto killed = Steady::now();
  auto kill = world.kill_agent();
  if (!kill) co_return fail(kill.error());
  auto returning = until(
      "the agent is back at the router, with its routes", [&] { return world.met_since(before) && world.fresh(); },
      seen);
  auto returned = co_await std::move(returning);
  if (!returned) co_return fail(returned.error());
  Kill out;
  out.back = milliseconds(Steady::now() - killed);
  const auto of_v4 = v4.counts().sent, of_v6 = v6.counts().sent;
  auto going_on = until("questions are asked afterwards", [&] { return more(of_v4, of_v6); }, seen);
  auto went_on = co_await std::move(going_on);
  if (!went_on) co_return fail(went_on.error());
  for (ServiceProbe* p : {&v4, &v6}) {
    const auto counts = p->stop();
    if (!counts.error.empty()) co_return fail(Errc::internal, counts.error);
    out.asked += counts.sent;
    out.lost += counts.lost;
  }
  co_return out;
}

Task<Result<double>> cut_once(World& world, Duration pause) {
  const auto seen = [&world] { return world.describe(); };
  // BFD's packets come every 75 to 100 ms: a cut may fall anywhere between two.
  co_await sleep_for(pause);
  if (!world.ways().all) co_return fail(Errc::internal, "the router has lost node1 before its link was cut\n" + seen());
  const auto cut = Steady::now();
  auto down = world.set_link(false);
  if (!down) co_return fail(down.error());
  auto leaving = until("the router has no way to node1's pods", [&world] { return world.ways().none; }, seen);
  auto left = co_await std::move(leaving);
  const auto gone = world.ways().last;
  auto up = world.set_link(true);
  if (!left) co_return fail(left.error());
  if (!up) co_return fail(up.error());
  co_return milliseconds(gone - cut);
}

}  // namespace

Task<Result<Kills>> kill_the_agent(World& world, unsigned trials) {
  Ports ports;
  Kills out{{"agent_killed_lost", "the agent is killed: lost of 400 questions a second", {}, {}, 0.0, "questions"},
            {"agent_killed_back", "  killed → the next one's routes at the router", {}}};
  for (unsigned i = 0; i < trials; ++i) {
    if (i > 0 && i % kKillsOfOne == 0) {
      auto renewed = co_await world.renew_agent();
      if (!renewed) co_return fail(Errc::internal, fmt::format("before kill {}: {}", i + 1, renewed.error().message));
    }
    auto kill = co_await kill_once(world, ports);
    if (!kill) co_return fail(Errc::internal, fmt::format("kill {}: {}", i + 1, kill.error().message));
    out.lost.samples.push_back(static_cast<double>(kill->lost));
    out.back.samples.push_back(kill->back);
    out.asked += kill->asked;
  }
  co_return out;
}

Task<Result<Figure>> cut_the_link(World& world, unsigned trials) {
  Figure out{"agent_link_cut", "the node's link is cut, BFD 3 x 100 ms → routes gone", {}, {}, kMostDetection};
  std::mt19937 random(1);
  for (unsigned i = 0; i < trials; ++i) {
    const Duration pause = std::chrono::microseconds(random() % 100'000);
    auto cut = co_await cut_once(world, pause);
    if (!cut) co_return fail(Errc::internal, fmt::format("cut {}: {}", i + 1, cut.error().message));
    out.samples.push_back(*cut);
    auto parted = co_await world.part();
    if (!parted) co_return fail(Errc::internal, fmt::format("after cut {}: {}", i + 1, parted.error().message));
    auto met = co_await world.meet();
    if (!met) co_return fail(Errc::internal, fmt::format("after cut {}: {}", i + 1, met.error().message));
  }
  co_return out;
}

}  // namespace weft::bench
