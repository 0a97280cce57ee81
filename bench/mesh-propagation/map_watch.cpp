#include "map_watch.h"

#include <fmt/format.h>
#include <sys/prctl.h>

#include <cstring>

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

template <class T>
T load(const T& word) {
  return __atomic_load_n(&word, __ATOMIC_ACQUIRE);
}

}  // namespace

Result<std::unique_ptr<MapWatch>> MapWatch::open(const LbEndpoint& frontend, std::chrono::seconds limit) {
  auto maps = BpfLbMaps::open_pinned("/sys/fs/bpf");
  if (!maps) return fail(maps.error());
  const auto end = Steady::now() + limit;
  for (;;) {
    const auto bound = (*maps)->bindings();
    if (!bound) return fail(bound.error());
    if (const auto it = bound->find(frontend); it != bound->end())
      return std::unique_ptr<MapWatch>(new MapWatch(std::move(*maps), it->second));
    if (Steady::now() > end)
      return fail(Errc::timeout,
                  fmt::format("{} is not among the {} frontends of this node", frontend.to_string(), bound->size()));
    std::this_thread::sleep_for(50ms);
  }
}

MapWatch::MapWatch(std::unique_ptr<BpfLbMaps> maps, std::uint32_t service)
    : maps_(std::move(maps)), service_(service), thread_([this] { run(); }) {}

MapWatch::~MapWatch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void MapWatch::expect(const LbEndpoint& backend) {
  {
    const std::lock_guard lock(mutex_);
    seen_.reset();
    expected_ = to_abi(backend);
  }
  changed_.notify_all();
}

std::optional<Steady::time_point> MapWatch::wait(std::chrono::milliseconds limit) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, limit, [&] { return seen_.has_value(); });
  expected_.reset();
  return std::exchange(seen_, std::nullopt);
}

void MapWatch::run() {
  prctl(PR_SET_TIMERSLACK, 1'000UL);  // ns; the default of 50 µs would double the pause
  std::unique_lock lock(mutex_);
  while (!stop_) {
    changed_.wait(lock, [&] { return stop_ || (expected_ && !seen_); });
    while (!stop_ && expected_ && !seen_) {
      if (present(*expected_)) {
        seen_ = Steady::now();
        changed_.notify_all();
        break;
      }
      lock.unlock();
      std::this_thread::sleep_for(50us);
      lock.lock();
    }
  }
}

bool MapWatch::present(const abi::lb_endpoint& backend) const {
  const auto choice = LbChoice::from_word(load(maps_->services()[service_].choice));
  for (std::uint32_t i = 0; i < choice.count; ++i) {
    const auto id = load(maps_->slots()[choice.first + i].backend);
    if (std::memcmp(&maps_->backends()[id].endpoint, &backend, sizeof backend) == 0) return true;
  }
  return false;
}

std::string MapWatch::describe() const {
  const auto rows = maps_->dump();
  if (!rows) return rows.error().message;
  for (const auto& row : *rows)
    if (row.service == service_) return row.to_string();
  return "no service";
}

}  // namespace weft::bench
