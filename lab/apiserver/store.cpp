#include "lab/apiserver/store.h"

#include <fmt/format.h>

#include "async/backoff.h"
#include "base/clock.h"
#include "base/encoding.h"
#include "base/log.h"

namespace weft::lab::api {
namespace {

constexpr const char* kRoot = "/registry/";

ApiError of(const Error& e) {
  if (e.code == Errc::expired)
    return ApiError::expired("The provided continue parameter is too old to display a consistent list result.");
  if (e.code == Errc::unavailable || e.code == Errc::timeout) return ApiError::unavailable("etcd: " + e.message);
  return ApiError::internal("etcd: " + e.message);
}

std::string cache_key(const std::string& ns, const std::string& name) { return ns.empty() ? name : ns + "/" + name; }

}  // namespace

std::string event_line(std::string_view type, std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size() + 40);
  out.append(R"({"type":")").append(type).append(R"(","object":)").append(bytes).append("}\n");
  return out;
}

const std::string& Change::line() const {
  if (line_.empty())
    line_ = event_line(type == Type::added ? "ADDED" : type == Type::modified ? "MODIFIED" : "DELETED", now->bytes);
  return line_;
}

std::uint64_t Cache::after(Revision revision) const {
  const auto it =
      std::partition_point(ring.begin(), ring.end(), [&](const auto& c) { return c->revision <= revision; });
  return first + static_cast<std::uint64_t>(it - ring.begin());
}

StoredPtr Cache::get(const std::string& ns, const std::string& name) const {
  const auto it = objects.find(cache_key(ns, name));
  return it == objects.end() ? nullptr : it->second;
}

Store::Store(asio::io_context& io, kvstore::Options options, std::size_t history)
    : client_(io, std::move(options)), history_(history), applied_(io) {}

Cache& Store::cache(const std::string& group, const std::string& plural) {
  auto& at = caches_[{group, plural}];
  if (!at) {
    at = std::make_unique<Cache>(client_.io());
    at->floor = revision_;
  }
  return *at;
}

std::string Store::key_of(const std::string& group, const std::string& plural, const std::string& ns,
                          const std::string& name) {
  return fmt::format("{}{}/{}/{}", kRoot, group.empty() ? "core" : group, plural, cache_key(ns, name));
}

std::optional<Store::Place> Store::place_of(const std::string& key) {
  std::vector<std::string> parts;
  std::size_t begin = std::string_view(kRoot).size();
  while (begin <= key.size()) {
    const auto end = std::min(key.find('/', begin), key.size());
    parts.push_back(key.substr(begin, end - begin));
    begin = end + 1;
  }
  if (parts.size() != 3 && parts.size() != 4) return std::nullopt;
  const std::string group = parts[0] == "core" ? "" : parts[0];
  if (parts.size() == 3) return Place{group, parts[1], "", parts[2]};
  return Place{group, parts[1], parts[2], parts[3]};
}

StoredPtr Store::stored(const Place& at, Revision revision, json::value object) {
  auto out = std::make_shared<Stored>();
  out->ns = at.ns;
  out->name = at.name;
  out->revision = revision;
  out->object = std::move(object);
  make_object(out->object, {"metadata"})["resourceVersion"] = std::to_string(revision);
  out->bytes = json::serialize(out->object);
  return out;
}

// ---- Feeding the cache

void Store::record(Cache& cache, const Place& at, std::shared_ptr<Change> change) {
  if (on_change) on_change(at.group, at.plural, *change);
  cache.ring.push_back(std::move(change));
  while (cache.ring.size() > history_) {
    cache.floor = cache.ring.front()->revision;
    cache.ring.pop_front();
    ++cache.first;
  }
  cache.notifier.notify();
}

void Store::put(const Place& at, Revision revision, const std::string& value) {
  auto object = parse_json(value);
  if (!object) {
    log::error("an object in etcd is not JSON, it is left out",
               {{"key", key_of(at.group, at.plural, at.ns, at.name)}, {"error", object.error().message}});
    return;
  }
  Cache& c = cache(at.group, at.plural);
  auto& slot = c.objects[cache_key(at.ns, at.name)];
  auto change = std::make_shared<Change>();
  change->type = slot ? Change::Type::modified : Change::Type::added;
  change->revision = revision;
  change->before = slot;
  change->now = slot = stored(at, revision, std::move(*object));
  record(c, at, std::move(change));
}

void Store::drop(const Place& at, Revision revision) {
  Cache& c = cache(at.group, at.plural);
  const auto it = c.objects.find(cache_key(at.ns, at.name));
  if (it == c.objects.end()) return;
  auto change = std::make_shared<Change>();
  change->type = Change::Type::deleted;
  change->revision = revision;
  change->before = it->second;
  change->now = stored(at, revision, it->second->object);
  c.objects.erase(it);
  record(c, at, std::move(change));
}

Task<Result<>> Store::load() {
  Backoff backoff(std::chrono::milliseconds(100), std::chrono::milliseconds(2000));
  for (;;) {
    std::map<std::string, kvstore::KeyValue> all;
    auto request = kvstore::RangeRequest::prefix(kRoot);
    std::function<void(std::vector<kvstore::KeyValue>)> take = [&all](std::vector<kvstore::KeyValue> page) {
      for (auto& kv : page) {
        auto key = kv.key;
        all[key] = std::move(kv);
      }
    };
    auto r = co_await client_.list(std::move(request), std::move(take));
    if (r) {
      // What was known before and has changed meanwhile cannot be told as history: watchers start anew.
      revision_ = *r;
      for (auto& [name, c] : caches_) {
        c->objects.clear();
        c->first += c->ring.size() + 1;
        c->ring.clear();
      }
      for (const auto& [key, kv] : all)
        if (const auto at = place_of(key)) put(*at, kv.mod_revision, kv.value);
      for (auto& [name, c] : caches_) {
        c->first += c->ring.size();
        c->ring.clear();
        c->floor = *r;
        c->notifier.notify();
      }
      loaded_ = true;
      applied_.notify();
      co_return Result<>{};
    }
    if (r.error().code == Errc::conflict || r.error().code == Errc::invalid || r.error().code == Errc::unauthorized)
      co_return std::unexpected(r.error());
    log::warn("etcd cannot be listed, trying again", {{"error", r.error().message}});
    const auto pause = backoff.next();
    co_await sleep_for(pause);
  }
}

Task<Result<>> Store::follow() {
  Backoff backoff(std::chrono::milliseconds(50), std::chrono::milliseconds(2000));
  for (;;) {
    kvstore::WatchRequest request = kvstore::WatchRequest::prefix(kRoot, revision_ + 1);
    auto stream = co_await client_.watch(std::move(request));
    Error error;
    if (stream) {
      following_ = true;
      backoff.reset();
      for (;;) {
        auto batch = co_await (*stream)->next();
        if (!batch) {
          error = batch.error();
          break;
        }
        for (const auto& e : batch->events) {
          const auto at = place_of(e.kv.key);
          if (!at) continue;
          if (e.type == kvstore::WatchEvent::Type::put) {
            put(*at, e.kv.mod_revision, e.kv.value);
          } else {
            drop(*at, e.kv.mod_revision);
          }
        }
        revision_ = std::max(revision_, batch->revision);
        applied_.notify();
      }
    } else {
      error = stream.error();
    }
    following_ = false;
    if (error.code == Errc::conflict) co_return std::unexpected(error);
    log::warn("the watch of etcd ended, starting it again", {{"error", error.message}});
    if (error.code == Errc::expired) {
      auto again = co_await load();
      if (!again) co_return std::unexpected(again.error());
    }
    const auto pause = backoff.next();
    co_await sleep_for(pause);
  }
}

Task<> Store::compact() {
  Revision before = revision_;
  for (;;) {
    co_await sleep_for(std::chrono::minutes(5));
    auto r = co_await client_.compact(before);
    if (!r) log::debug("etcd was not compacted", {{"revision", before}, {"error", r.error().message}});
    before = revision_;
  }
}

Task<> Store::wait_for(Revision revision) {
  const auto deadline = Steady::now() + std::chrono::seconds(10);
  while (revision_ < revision && Steady::now() < deadline) {
    const std::chrono::nanoseconds rest = deadline - Steady::now();
    co_await applied_.changed_since(applied_.version(), rest);
  }
}

// ---- Writing

Task<Answer<StoredPtr>> Store::create(std::string group, std::string plural, std::string ns, std::string name,
                                      json::value object) {
  make_object(object, {"metadata"}).erase("resourceVersion");
  const auto key = key_of(group, plural, ns, name);
  kvstore::Txn txn;
  txn.when.push_back(kvstore::Compare::absent(key));
  txn.then.push_back(kvstore::Op::put(key, json::serialize(object)));
  auto r = co_await client_.txn(std::move(txn));
  if (!r) co_return refuse(of(r.error()));
  if (!r->succeeded) co_return refuse(ApiError::exists(group, plural, name));
  co_await wait_for(r->revision);
  co_return stored({group, plural, ns, name}, r->revision, std::move(object));
}

Task<Answer<StoredPtr>> Store::update(std::string group, std::string plural, StoredPtr old, json::value object) {
  auto& meta = make_object(object, {"metadata"});
  meta["resourceVersion"] = std::to_string(old->revision);
  if (same(object, old->object)) co_return old;
  meta.erase("resourceVersion");
  const auto key = key_of(group, plural, old->ns, old->name);
  kvstore::Txn txn;
  txn.when.push_back(kvstore::Compare::mod_revision_is(key, old->revision));
  txn.then.push_back(kvstore::Op::put(key, json::serialize(object)));
  txn.otherwise.push_back(kvstore::Op::get(key));
  auto r = co_await client_.txn(std::move(txn));
  if (!r) co_return refuse(of(r.error()));
  co_await wait_for(r->revision);
  if (!r->succeeded) {
    if (r->results.empty() || r->results[0].kvs.empty())
      co_return refuse(ApiError::not_found(group, plural, old->name));
    co_return refuse(ApiError::conflict(
        group, plural, old->name,
        "the object has been modified; please apply your changes to the latest version and try again"));
  }
  co_return stored({group, plural, old->ns, old->name}, r->revision, std::move(object));
}

Task<Answer<>> Store::remove(std::string group, std::string plural, StoredPtr old) {
  const auto key = key_of(group, plural, old->ns, old->name);
  kvstore::Txn txn;
  txn.when.push_back(kvstore::Compare::mod_revision_is(key, old->revision));
  txn.then.push_back(kvstore::Op::del(key));
  auto r = co_await client_.txn(std::move(txn));
  if (!r) co_return refuse(of(r.error()));
  co_await wait_for(r->revision);
  if (!r->succeeded)
    co_return refuse(ApiError::conflict(
        group, plural, old->name,
        "the object has been modified; please apply your changes to the latest version and try again"));
  co_return Answer<>{};
}

Task<Answer<Store::Page>> Store::page(std::string group, std::string plural, std::string ns, std::string start,
                                      std::int64_t limit, Revision revision) {
  const std::string root = key_of(group, plural, "", "");
  const std::string prefix = ns.empty() ? root : root + ns + "/";
  kvstore::RangeRequest request = kvstore::RangeRequest::prefix(prefix);
  if (!start.empty()) request.key = root + start;
  request.limit = limit;
  request.revision = revision;
  auto r = co_await client_.range(std::move(request));
  if (!r) co_return refuse(of(r.error()));
  Page out;
  for (const auto& kv : r->kvs) {
    const auto at = place_of(kv.key);
    auto object = parse_json(kv.value);
    if (at && object) out.objects.push_back(stored(*at, kv.mod_revision, std::move(*object)));
  }
  if (r->more && !r->kvs.empty()) {
    out.next = r->kvs.back().key.substr(root.size()) + '\0';
    out.remaining = r->count - static_cast<std::int64_t>(r->kvs.size());
  }
  co_return out;
}

// ---- Continue tokens

std::string encode_continue(const Continue& c) {
  auto text =
      base64_encode(json::serialize(json::object{{"v", "meta.k8s.io/v1"}, {"rv", c.revision}, {"start", c.start}}));
  for (auto& ch : text) ch = ch == '+' ? '-' : ch == '/' ? '_' : ch;
  while (text.ends_with('=')) text.pop_back();
  return text;
}

Answer<Continue> decode_continue(const std::string& token) {
  auto padded = token;
  for (auto& ch : padded) ch = ch == '-' ? '+' : ch == '_' ? '/' : ch;
  while (padded.size() % 4 != 0) padded += '=';
  const auto wrong = [] { return refuse(ApiError::bad_request("continue key is not valid")); };
  const auto raw = base64_decode(padded);
  if (!raw) return wrong();
  const auto v = parse_json(*raw);
  if (!v || text(*v, {"v"}) != "meta.k8s.io/v1") return wrong();
  Continue out{number(*v, {"rv"}), text(*v, {"start"})};
  if (out.revision <= 0 || out.start.empty() || out.start.find("..") != std::string::npos) return wrong();
  return out;
}

}  // namespace weft::lab::api
