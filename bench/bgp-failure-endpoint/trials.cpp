#include "trials.h"

#include <fmt/format.h>

#include <random>

#include "async/scope.h"
#include "bench/lab/probes.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

struct Trial {
  double announced = 0, gone = 0, terminating = 0, margin = 0;  // milliseconds
  std::uint64_t asked = 0, lost = 0;
};

double milliseconds(Duration d) { return std::chrono::duration<double, std::milli>(d).count(); }

Task<Result<Trial>> one(World& world, const SliceMoments& slices, Ports& ports, std::string pod, unsigned grace,
                        Duration pause) {
  const auto seen = [&world] { return world.describe(); };
  ServiceProbe v4(world.client_netns(), {world.v4(), 80}, ports), v6(world.client_netns(), {world.v6(), 80}, ports);
  auto addresses = co_await world.start_pod(pod, grace);
  if (!addresses) co_return fail(addresses.error());
  WEFT_CO_TRY(world.serve(1, *addresses));
  PodProbe direct(world.client_netns(), {addresses->v4, 8080});
  auto answering = until("the new pod answers", [&direct] { return direct.first().has_value(); }, seen);
  auto answers = co_await std::move(answering);
  if (!answers) co_return fail(answers.error());
  auto announcing = until("both routers have two nodes", [&world] { return world.nodes(2).all; }, seen);
  auto announced = co_await std::move(announcing);
  if (!announced) co_return fail(announced.error());
  Trial out;
  out.announced = milliseconds(world.nodes(2).first - *direct.first());
  auto asking = until(
      "the new pod answers questions to both addresses of the Service",
      [&] { return v4.counts().by_pod[pod] > 0 && v6.counts().by_pod[pod] > 0; }, seen);
  auto asked = co_await std::move(asking);
  if (!asked) co_return fail(asked.error());
  co_await sleep_for(pause);

  const auto sent = Steady::now();
  auto deleted = co_await world.delete_pod(pod);
  if (!deleted) co_return fail(deleted.error());
  auto withdrawing = until("both routers have one node", [&world] { return world.nodes(1).all; }, seen);
  auto withdrawn = co_await std::move(withdrawing);
  if (!withdrawn) co_return fail(withdrawn.error());
  const auto gone = world.nodes(1).last;
  auto over = co_await world.wait_until_gone(pod);
  if (!over) co_return fail(over.error());
  if (!slices.error.empty()) co_return fail(Errc::unavailable, "watching EndpointSlices: " + slices.error);
  const auto terminating = slices.terminating.find(pod);
  if (terminating == slices.terminating.end())
    co_return fail(Errc::not_found, fmt::format("no EndpointSlice said that {} is terminating", pod));
  out.gone = milliseconds(gone - sent);
  out.terminating = milliseconds(gone - terminating->second);
  out.margin = milliseconds(*direct.last() - gone);
  for (ServiceProbe* p : {&v4, &v6}) {
    const auto counts = p->stop();
    if (!counts.error.empty()) co_return fail(Errc::internal, counts.error);
    out.asked += counts.sent;
    out.lost += counts.lost;
  }
  co_return out;
}

}  // namespace

Task<Result<Goings>> let_endpoints_go(World& world, kube::Client& client, unsigned trials, unsigned grace) {
  SliceMoments slices;
  Ports ports;
  Scope scope(client.io(), "bench");
  scope.spawn("slices", watch_slices(client, "weft-bench", slices));
  Goings out{{"endpoint_announced", "a pod's first answer → its node announced", {}},
             {"endpoint_gone", "the last local pod is deleted → routes gone", {}},
             {"endpoint_terminating", "  its EndpointSlice says terminating → routes gone", {}},
             {"endpoint_margin", "  routes gone → its last answer", {}},
             {"endpoint_lost", "  lost of 400 questions a second to the Service", {}, {}, 0.0, "questions"}};
  out.announced.least_min = out.margin.least_min = 0.0;
  std::mt19937 random(1);
  Result<> failed;
  for (unsigned i = 0; i < trials && failed; ++i) {
    std::string pod = fmt::format("leaving-{}", i);
    const Duration pause = std::chrono::microseconds(random() % 100'000);
    auto trial = co_await one(world, slices, ports, std::move(pod), grace, pause);
    if (!trial) {
      failed = fail(Errc::internal, fmt::format("trial {}: {}", i + 1, trial.error().message));
      break;
    }
    out.announced.samples.push_back(trial->announced);
    out.gone.samples.push_back(trial->gone);
    out.terminating.samples.push_back(trial->terminating);
    out.margin.samples.push_back(trial->margin);
    out.lost.samples.push_back(static_cast<double>(trial->lost));
    out.asked += trial->asked;
  }
  co_await scope.stop();
  if (!failed) co_return fail(failed.error());
  co_return out;
}

}  // namespace weft::bench
