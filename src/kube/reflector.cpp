#include "kube/reflector.h"

#include <boost/json.hpp>

namespace weft::kube {

namespace {

// A stream of changes must not keep the others on this thread from running.
constexpr std::uint64_t kEventsPerTurn = 256;
// A watch that held this long was a good one: the next failure begins with a short wait again.
constexpr auto kStable = std::chrono::seconds(10);

}  // namespace

void ReflectorCore::failed(const Error& error) {
  if (health_.error != error.message) log::warn("watching Kubernetes failed", {{"error", error.message}});
  health_.error = error.message;
  wait_ = backoff_.next();
  if (error.code != Errc::not_found) return;
  const auto& since = health_.missing_since;
  if (!since || Steady::now() - *since < options_.missing_kind_patience)
    wait_ = std::min(wait_, options_.missing_kind_retry);
}

// 410: list again, at once the first time. Again and again without an event in between is no accident: slow down.
void ReflectorCore::expired() {
  log::info("the watched revision is gone, listing again", {{"kind", resource_.to_string()}});
  if (++expired_ > 1) wait_ = backoff_.next();
}

Task<> ReflectorCore::run() {
  Next next = Next::list;
  for (;;) {
    wait_ = std::chrono::milliseconds{0};
    if (next == Next::list) {
      auto r = co_await list();
      if (r) {
        next = Next::watch;
      } else {
        failed(r.error());
        if (r.error().code != Errc::not_found) {
          health_.missing_since.reset();
        } else if (!health_.missing_since) {
          health_.missing_since = Steady::now();
        }
      }
    } else {
      next = co_await watch();
    }
    if (wait_.count() > 0) co_await sleep_for(wait_);
  }
}

Task<Result<>> ReflectorCore::list() {
  ListOptions o;
  o.ns = options_.ns;
  o.label_selector = options_.label_selector;
  o.field_selector = options_.field_selector;
  o.limit = options_.page;
  ++health_.lists;
  sink_.begin_list();
  std::string version;
  for (;;) {
    auto page = co_await client_.list(resource_, o);
    if (!page) {
      // The pages' revision was compacted while we read them: one answer with everything.
      if (page.error().code != Errc::expired || o.continue_token.empty()) co_return fail(page.error());
      o.limit = 0;
      o.continue_token.clear();
      sink_.begin_list();
      continue;
    }
    const auto& meta = metadata(*page);
    version = text_at(meta, "resourceVersion");
    o.continue_token = text_at(meta, "continue");
    if (const auto* items = page->if_contains("items"); items && items->is_array())
      for (const auto& item : items->get_array())
        if (item.is_object()) sink_.listed(item.get_object());
    if (o.continue_token.empty()) break;
  }
  sink_.end_list();
  health_.resource_version = version;
  health_.synced = true;
  health_.error.clear();
  health_.missing_since.reset();
  co_return Result<>{};
}

Task<ReflectorCore::Next> ReflectorCore::watch() {
  WatchOptions o;
  o.ns = options_.ns;
  o.label_selector = options_.label_selector;
  o.field_selector = options_.field_selector;
  o.resource_version = health_.resource_version;
  ++health_.watches;
  struct Watching {
    explicit Watching(bool& f) : flag(f) {}
    ~Watching() { flag = false; }
    bool& flag;
  } watching(health_.watching);
  const auto started = Steady::now();
  auto stream = co_await client_.watch(resource_, o);
  if (!stream) {
    if (stream.error().code == Errc::expired) {
      expired();
      co_return Next::list;
    }
    failed(stream.error());
    // The server is away: our revision is as good as before. Anything else, a list tells better what is wrong.
    co_return stream.error().code == Errc::unavailable || stream.error().code == Errc::timeout ? Next::watch
                                                                                               : Next::list;
  }
  health_.watching = true;
  health_.error.clear();
  std::uint64_t count = 0;
  for (;;) {
    auto event = co_await stream->next();
    if ((!event || !*event) && Steady::now() - started > kStable) {
      backoff_.reset();
      expired_ = 0;
    }
    if (!event) {
      if (event.error().code == Errc::expired) {
        expired();
        co_return Next::list;
      }
      failed(event.error());
      const bool lost = event.error().code == Errc::unavailable || event.error().code == Errc::timeout;
      co_return lost ? Next::watch : Next::list;
    }
    if (!*event) {  // the server's own timeout
      if (count == 0 && Steady::now() - started < std::chrono::seconds(1)) wait_ = backoff_.next();
      co_return Next::watch;
    }
    const auto& e = **event;
    if (e.type == WatchEvent::Type::deleted) {
      sink_.deleted(e.object);
    } else if (e.type != WatchEvent::Type::bookmark) {
      sink_.changed(e.object);
    }
    if (const auto version = text_at(metadata(e.object), "resourceVersion"); !version.empty())
      health_.resource_version = version;
    ++health_.events;
    backoff_.reset();
    expired_ = 0;
    if (++count % kEventsPerTurn == 0) co_await yield();
  }
}

}  // namespace weft::kube
