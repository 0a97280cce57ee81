#include "lab/controllers/queue.h"

#include "base/log.h"

namespace weft::lab {

using namespace std::chrono_literals;

void WorkQueue::add(const ObjectName& key) {
  if (ready_.insert(key).second) changed_.notify();
}

void WorkQueue::add_after(const ObjectName& key, std::chrono::nanoseconds delay) {
  const auto due = Steady::now() + delay;
  const auto [it, fresh] = later_.try_emplace(key, due);
  if (!fresh && it->second <= due) return;
  it->second = due;
  changed_.notify();
}

void WorkQueue::start(Scope& scope, unsigned workers, Sync sync) {
  for (unsigned i = 0; i < workers; ++i) scope.spawn(name_, work(sync));
}

Task<> WorkQueue::work(Sync sync) {
  for (;;) {
    const ObjectName key = co_await take();
    const Result<> result = co_await sync(key);
    done(key, result);
  }
}

Task<ObjectName> WorkQueue::take() {
  for (;;) {
    const auto seen = changed_.version();
    const auto now = Steady::now();
    auto next = now + 1h;
    for (auto it = later_.begin(); it != later_.end();) {
      if (it->second <= now) {
        ready_.insert(it->first);
        it = later_.erase(it);
      } else {
        next = std::min(next, it->second);
        ++it;
      }
    }
    for (auto it = ready_.begin(); it != ready_.end(); ++it) {
      if (busy_.contains(*it)) continue;
      ObjectName key = *it;
      ready_.erase(it);
      busy_.insert(key);
      co_return key;
    }
    co_await changed_.changed_since(seen, next - now);
  }
}

void WorkQueue::done(const ObjectName& key, const Result<>& result) {
  busy_.erase(key);
  if (result) {
    failing_.erase(key);
  } else {
    const auto [it, fresh] = failing_.try_emplace(key, Backoff(10ms, 10s));
    // Somebody else was faster: their change is on its way to us, no news for people.
    if (result.error().code != Errc::conflict)
      log::warn("will try again",
                {{"controller", name_}, {"object", key.to_string()}, {"error", result.error().message}});
    add_after(key, it->second.next());
  }
  changed_.notify();
}

}  // namespace weft::lab
