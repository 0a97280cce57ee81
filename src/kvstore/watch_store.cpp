#include "kvstore/watch_store.h"

#include "async/backoff.h"
#include "base/log.h"

namespace weft::kvstore {

WatchStore::WatchStore(Client& client, Observer& observer, Options options)
    : client_(client), observer_(observer), options_(std::move(options)) {}

Task<Result<>> WatchStore::run() {
  Backoff backoff(options_.retry_first, options_.retry_max);
  for (;;) {
    Result<> r;
    if (revision_ == 0) {
      r = co_await list();
      if (r) backoff.reset();
    }
    if (r) {
      const auto before = health_.watches;
      r = co_await watch();
      if (health_.watches != before) backoff.reset();
    }
    health_.watching = false;
    if (r) continue;
    health_.error = r.error().message;
    if (r.error().code == Errc::conflict) co_return r;
    if (r.error().code == Errc::expired) {
      log::info("listing again after a compaction", {{"prefix", options_.prefix}});
      revision_ = 0;
      continue;
    }
    log::debug("mesh watch interrupted", {{"prefix", options_.prefix}, {"error", health_.error}});
    co_await sleep_for(backoff.next());
  }
}

Task<Result<>> WatchStore::list() {
  observer_.begin_list();
  RangeRequest request = RangeRequest::prefix(options_.prefix);
  std::function<void(std::vector<KeyValue>)> page = [this](std::vector<KeyValue> kvs) {
    for (auto& kv : kvs) observer_.put(kv.key.substr(options_.prefix.size()), kv.value);
  };
  const auto r = co_await client_.list(std::move(request), page, options_.first_page);
  if (!r) co_return std::unexpected(r.error());
  revision_ = *r;
  ++health_.lists;
  health_.listed = true;
  health_.error.clear();
  health_.last_event = Wall::now();
  observer_.listed();
  co_return Result<>{};
}

Task<Result<>> WatchStore::watch() {
  WatchRequest request = WatchRequest::prefix(options_.prefix, revision_ + 1);
  auto opened = co_await client_.watch(std::move(request));
  if (!opened) co_return std::unexpected(opened.error());
  const auto stream = std::move(*opened);
  ++health_.watches;
  health_.watching = true;
  health_.error.clear();
  for (;;) {
    auto batch = co_await stream->next();
    if (!batch) co_return std::unexpected(batch.error());
    for (auto& e : batch->events) {
      const std::string key = e.kv.key.substr(options_.prefix.size());
      if (e.type == WatchEvent::Type::put) {
        observer_.put(key, e.kv.value);
      } else {
        observer_.removed(key);
      }
      revision_ = std::max(revision_, e.kv.mod_revision);
    }
    if (batch->progress()) revision_ = std::max(revision_, batch->revision);
    health_.last_event = Wall::now();
  }
}

}  // namespace weft::kvstore
