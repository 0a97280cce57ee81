#include "bfd/loop/loop.h"

#include <poll.h>
#include <sched.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <random>

#include "bfd/loop/engine.h"
#include "bfd/loop/sockets.h"

namespace weft::bfd {
namespace {

using namespace std::chrono_literals;

// One pass takes this many packets of a listener and then sees to the timers. When even more wait, somebody floods us:
// the listeners rest for a moment, or a real-time thread would leave its processor to nobody.
constexpr std::size_t kPacketsPerPass = 512;
constexpr Duration kFloodRest = 1ms;
// A reader that is this far behind gets the latest state only.
constexpr std::size_t kMaxUnread = 10'000;

timespec to_timespec(Duration d) {
  const auto s = std::chrono::duration_cast<std::chrono::seconds>(d);
  return {static_cast<time_t>(s.count()), static_cast<long>((d - s).count())};
}

std::uint64_t random_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32 | device();
}

/// What the thread works with; made on the thread, since the sockets belong to its network namespace.
struct Work {
  explicit Work(const LoopOptions& options)
      : senders(random_seed()), engine(senders, options.control_plane_independent, random_seed()) {}

  SenderSockets senders;
  Engine engine;
  std::vector<Listener> listeners;
  LoopHealth health;
  bool stopping = false;
  Time stop_by = Time::max();
  Time rest_until{};

  Result<> listen(std::string& without_v6) {
    for (const Family family : {Family::v4, Family::v6}) {
      for (const Hops hops : {Hops::single, Hops::multi}) {
        auto listener = Listener::open(family, hops);
        if (listener) {
          listeners.push_back(std::move(*listener));
        } else if (family == Family::v6 && listener.error().code == Errc::unsupported) {
          without_v6 = listener.error().message;
        } else {
          return fail(listener.error());
        }
      }
    }
    return {};
  }

  // Packets come before timers: what had arrived in time must count, however late this thread is.
  void receive(Time now) {
    if (now < rest_until) return;
    for (Listener& listener : listeners) {
      if (!listener.receive(kPacketsPerPass, [&](const Arrival& a) { engine.receive(a, now); })) continue;
      ++health.floods;
      rest_until = now + kFloodRest;
    }
  }

  Time next_wakeup() const { return std::min(engine.next_deadline(), stop_by); }
};

}  // namespace

Result<std::unique_ptr<Loop>> Loop::start(LoopOptions options) {
  std::unique_ptr<Loop> loop(new Loop(options));
  std::promise<Result<>> started;
  auto outcome = started.get_future();
  loop->thread_ = std::thread([raw = loop.get(), p = std::move(started)]() mutable { raw->run(std::move(p)); });
  if (auto r = outcome.get(); !r) {
    loop->thread_.join();
    return fail(r.error());
  }
  return loop;
}

Loop::~Loop() { stop(); }

void Loop::stop() {
  if (!thread_.joinable()) return;
  commands_.post(Stop{});
  thread_.join();
}

void Loop::set_sessions(std::vector<SessionConfig> sessions) { commands_.post(SetSessions{std::move(sessions)}); }

std::vector<SessionStatus> Loop::snapshot() {
  if (!thread_.joinable()) return {};
  Snapshot ask;
  auto answer = ask.answer.get_future();
  commands_.post(std::move(ask));
  return answer.get();
}

LoopHealth Loop::health() {
  if (!thread_.joinable()) return {};
  AskHealth ask;
  auto answer = ask.answer.get_future();
  commands_.post(std::move(ask));
  return answer.get();
}

void Loop::run(std::promise<Result<>> started) {
  if (options_.netns >= 0 && ::setns(options_.netns, CLONE_NEWNET) != 0) {
    started.set_value(fail(errno_error("entering BFD's network namespace", errno)));
    return;
  }
  Work work(options_);
  if (auto r = work.listen(without_v6_); !r) {
    started.set_value(std::move(r));
    return;
  }
  if (options_.realtime) {
    scheduling_ = make_realtime();
  } else {
    scheduling_.why = "not asked for";
  }
  started.set_value({});

  std::vector<pollfd> fds;
  fds.push_back({commands_.fd(), POLLIN, 0});
  for (const Listener& l : work.listeners) fds.push_back({l.fd(), POLLIN, 0});
  std::map<SessionKey, SessionStatus> behind;
  const auto deliver = [&] {
    for (SessionStatus& status : work.engine.take_reports()) {
      if (behind.empty() && events_.size() < kMaxUnread) {
        events_.post(std::move(status));
      } else {
        behind[status.key] = std::move(status);
      }
    }
    if (behind.empty() || events_.size() >= kMaxUnread / 2) return;
    for (auto& [key, status] : behind) events_.post(std::move(status));
    behind.clear();
  };

  Time now = Steady::now();
  while (!work.stopping || (!work.engine.empty() && now < work.stop_by)) {
    const bool resting = now < work.rest_until;
    const Time due = work.next_wakeup();
    const Time wake = resting ? std::min(due, work.rest_until) : due;
    const timespec wait = to_timespec(std::clamp<Duration>(wake - now, 0ns, 1h));
    ::ppoll(fds.data(), resting ? 1 : fds.size(), &wait, nullptr);
    now = Steady::now();
    if (now >= due) {
      ++work.health.wakeups;
      work.health.latest = std::max<Duration>(work.health.latest, now - due);
      if (now - due > 1ms) ++work.health.late_1ms;
    }
    work.receive(now);
    work.engine.tick(now);
    deliver();  // before anybody is given a snapshot: what happened earlier is told earlier
    for (Command& command : commands_.take()) {
      if (auto* set = std::get_if<SetSessions>(&command)) {
        if (!work.stopping) work.engine.set_sessions(set->sessions, now);
      } else if (auto* ask = std::get_if<Snapshot>(&command)) {
        ask->answer.set_value(work.engine.snapshot());
      } else if (auto* health = std::get_if<AskHealth>(&command)) {
        work.health.strays = work.engine.strays();
        health->answer.set_value(work.health);
      } else {
        work.engine.set_sessions({}, now);
        work.stopping = true;
        work.stop_by = now + options_.farewell;
      }
    }
    deliver();
  }
  // Whoever asked after the end gets an answer as well.
  for (Command& command : commands_.take()) {
    if (auto* ask = std::get_if<Snapshot>(&command)) ask->answer.set_value({});
    if (auto* health = std::get_if<AskHealth>(&command)) health->answer.set_value(work.health);
  }
}

}  // namespace weft::bfd
