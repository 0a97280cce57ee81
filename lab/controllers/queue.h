// WorkQueue: keys that need a look. A key stands in the queue once however often it is added, is worked on by one
// worker at a time, and comes back later when its work failed.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>

#include "async/backoff.h"
#include "async/scope.h"
#include "async/signal.h"
#include "base/clock.h"
#include "model/names.h"

namespace weft::lab {

class WorkQueue {
 public:
  using Sync = std::function<Task<Result<>>(ObjectName)>;

  WorkQueue(asio::io_context& io, std::string name) : name_(std::move(name)), changed_(io) {}

  void add(const ObjectName& key);
  /// The earliest of several wishes for one key counts.
  void add_after(const ObjectName& key, std::chrono::nanoseconds delay);
  /// Works until cancelled, each key through `sync`, with several workers side by side.
  void start(Scope& scope, unsigned workers, Sync sync);
  bool idle() const { return ready_.empty() && busy_.empty(); }

 private:
  Task<> work(Sync sync);
  Task<ObjectName> take();
  void done(const ObjectName& key, const Result<>& result);

  std::string name_;
  Notifier changed_;
  std::set<ObjectName> ready_;
  std::set<ObjectName> busy_;
  std::map<ObjectName, Steady::time_point> later_;
  std::map<ObjectName, Backoff> failing_;
};

}  // namespace weft::lab
