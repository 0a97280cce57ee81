#include "bench/bgp/scenario.h"

#include <fmt/format.h>

#include <stdexcept>
#include <thread>

#include "base/clock.h"
#include "bench/bgp/crowd.h"
#include "bench/bgp/routes.h"

namespace weft::bgpbench {
namespace {

using namespace std::chrono_literals;
using interop::Host;
using interop::Usage;

constexpr std::chrono::seconds kLimit{600};

double seconds_since(Steady::time_point start) { return std::chrono::duration<double>(Steady::now() - start).count(); }

// Sender on 10.0.0.2; the other side on 10.0.0.1 and, for a crowd, on 10.1.0.1 and up.
struct World {
  Host sender{"sender"}, receiver{"receiver"};
  std::vector<std::string> crowd;

  explicit World(unsigned members = 0) {
    interop::wire({sender, "wire", {"10.0.0.2/8"}}, {receiver, "wire", {"10.0.0.1/8"}});
    std::string batch;
    for (unsigned i = 0; i < members; ++i) {
      crowd.push_back(fmt::format("10.1.0.{}", i + 1));
      receiver.ip("address add " + crowd.back() + "/8 dev wire");
    }
  }
};

// Waits for `count` to be `wanted`, looking every `pause`.
template <class Count>
void until(Subject& subject, const std::string& what, std::uint64_t wanted, Count count,
           std::chrono::milliseconds pause = 20ms) {
  const auto deadline = Steady::now() + kLimit;
  for (std::uint64_t is = 0; (is = count()) != wanted; std::this_thread::sleep_for(pause)) {
    if (!subject.running()) throw std::runtime_error(what + ": the speaker has ended:\n" + subject.log());
    if (Steady::now() > deadline)
      throw std::runtime_error(
          fmt::format("{}: {} of {} routes after {} s\n{}", what, is, wanted, kLimit.count(), subject.log()));
  }
}

template <class Count>
Sent measure(Subject& subject, std::uint32_t routes, Count count) {
  Sent out;
  auto begin = Steady::now();
  subject.start();
  until(subject, "sending", routes, count);
  const Usage sent = subject.usage();
  out.sent = {seconds_since(begin), sent.cpu_seconds, sent.peak_kib};
  begin = Steady::now();
  subject.withdraw_all();
  until(subject, "withdrawing", 0, count);
  const Usage gone = subject.usage();
  out.withdrawn = {seconds_since(begin), gone.cpu_seconds - sent.cpu_seconds, gone.peak_kib};
  return out;
}

}  // namespace

Sent send_to_frr(Kind kind, std::uint32_t routes) {
  World world;
  const auto subject = make_subject(kind, world.sender, {"10.0.0.2", {"10.0.0.1"}, routes});
  subject->prepare();
  FrrReceiver receiver(world.receiver, "10.0.0.1", "10.0.0.2");
  return measure(*subject, routes, [&] { return receiver.received(); });
}

Sent send_to_crowd(Kind kind, std::uint32_t routes, unsigned peers) {
  World world(peers);
  const auto subject = make_subject(kind, world.sender, {"10.0.0.2", world.crowd, routes});
  subject->prepare();
  const Crowd crowd(world.receiver, {.from = world.crowd, .to = "10.0.0.2", .asn = kReceiverAsn});
  bool all = false;
  return measure(*subject, routes, [&]() -> std::uint64_t {
    all = all || crowd.least() == routes;
    return all ? crowd.most() : crowd.least();
  });
}

Figure receive(Kind kind, std::uint32_t routes) {
  World world;
  const auto subject = make_subject(kind, world.sender, {"10.0.0.2", {"10.0.0.1"}, 0});
  subject->prepare();
  const Crowd source(world.receiver, {.from = {"10.0.0.1"}, .to = "10.0.0.2", .asn = kReceiverAsn, .send = routes});
  const auto begin = Steady::now();
  subject->start();
  // Nobody is asked how far it is before the sender has written everything: an answer may cost as much as many routes.
  until(*subject, "being sent", 1, [&] { return source.written(); });
  until(*subject, "receiving", routes, [&] { return subject->received(); }, subject->between_questions());
  const Usage used = subject->usage();
  return {seconds_since(begin), used.cpu_seconds, used.peak_kib};
}

}  // namespace weft::bgpbench
