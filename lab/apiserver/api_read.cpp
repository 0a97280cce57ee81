// get, list and watch.
#include <fmt/format.h>

#include <boost/asio/this_coro.hpp>
#include <random>

#include "lab/apiserver/api.h"
#include "lab/apiserver/table.h"

namespace weft::lab::api {
namespace {

json::object list_meta(Revision revision) { return {{"resourceVersion", std::to_string(revision)}}; }

std::string include_of(const HttpRequest& r) {
  const auto v = r.get("includeObject");
  return v.empty() ? "Metadata" : v;
}

}  // namespace

json::value object_as(const Kind& kind, const Stored& stored) {
  json::value out = stored.object;
  if (text(out, {"apiVersion"}) == kind.api_version()) return out;
  out.get_object()["apiVersion"] = kind.api_version();
  if (kind.is_custom()) {
    prune(*kind.schema, out, true);
    apply_defaults(*kind.schema, out, true);
  }
  return out;
}

std::string bytes_as(const Kind& kind, const Stored& stored) {
  return text(stored.object, {"apiVersion"}) == kind.api_version() ? stored.bytes
                                                                   : json::serialize(object_as(kind, stored));
}

HttpResponse answer(int status, const Kind& kind, const StoredPtr& object, const HttpRequest& request,
                    std::vector<std::string> warnings) {
  const auto form = parse_accept(request.accept);
  HttpResponse out;
  out.status = status;
  if (!form || form->as == Form::As::object) {
    out.body = bytes_as(kind, *object);
  } else {
    const auto value = object_as(kind, *object);
    if (form->as == Form::As::table)
      out.body = json::serialize(table(kind.columns, {&value}, include_of(request), list_meta(object->revision)));
    else
      out.body = json::serialize(partial_metadata(value));
  }
  out.body += '\n';
  if (!kind.deprecation.empty()) warnings.push_back(kind.deprecation);
  for (const auto& w : warnings) {
    std::string quoted;
    for (const char c : w)
      quoted += c == '"' || c == '\\' ? std::string("\\") + c : std::string(1, c == '\n' || c == '\r' ? ' ' : c);
    out.headers.emplace_back("Warning", fmt::format("299 - \"{}\"", quoted));
  }
  return out;
}

Answer<HttpResponse> Api::get(const HttpRequest& request, const Target& t) {
  const auto form = parse_accept(request.accept);
  if (!form) return refuse(form.error());
  const auto object = find_object(*t.kind, t.ns, t.name);
  if (!object) return refuse(ApiError::not_found(t.kind->group, t.kind->plural, t.name));
  return answer(200, *t.kind, object, request);
}

// ---- list

Task<Answer<HttpResponse>> Api::list(HttpRequest request, Target t) {
  const Kind& k = *t.kind;
  auto form = parse_accept(request.accept);
  if (!form) co_return refuse(form.error());
  auto labels = LabelSelector::parse(request.get("labelSelector"));
  if (!labels) co_return refuse(labels.error());
  auto fields = FieldSelector::parse(request.get("fieldSelector"), k.group, k.plural);
  if (!fields) co_return refuse(fields.error());
  const auto limit_text = request.get("limit");
  const std::int64_t limit = limit_text.empty() ? 0 : std::atoll(limit_text.c_str());
  const auto token = request.get("continue");
  std::vector<StoredPtr> found;
  Revision revision = store_.revision();
  std::string next;
  std::int64_t remaining = -1;
  const auto matches = [&](const Stored& s) { return labels->matches(s.object) && fields->matches(s.object); };
  const auto exact =
      request.get("resourceVersionMatch") == "Exact" ? std::atoll(request.get("resourceVersion").c_str()) : 0;
  if (!token.empty() || (exact > 0 && exact != revision)) {
    Continue from{exact, ""};
    if (!token.empty()) {
      auto decoded = decode_continue(token);
      if (!decoded) co_return refuse(decoded.error());
      from = *decoded;
    }
    if (from.revision > revision)
      co_return refuse(ApiError{
          504, "Timeout", fmt::format("Too large resource version: {}, current: {}", from.revision, revision), {}});
    revision = from.revision;
    // Selectors may leave little of a page: read on until there is enough.
    next = from.start;
    do {
      std::string start = next;
      auto page = co_await store_.page(k.group, k.plural, t.ns, std::move(start),
                                       limit > 0 ? limit - static_cast<std::int64_t>(found.size()) : 0, revision);
      if (!page) co_return refuse(page.error());
      for (auto& s : page->objects)
        if (matches(*s)) found.push_back(std::move(s));
      next = page->next;
      remaining = page->remaining;
    } while (!next.empty() && (limit == 0 || static_cast<std::int64_t>(found.size()) < limit));
  } else {
    const auto& objects = cache(k).objects;
    const std::string prefix = t.ns.empty() ? "" : t.ns + "/";
    std::int64_t more = 0;
    for (auto it = objects.lower_bound(prefix); it != objects.end() && it->first.starts_with(prefix); ++it) {
      if (!matches(*it->second)) continue;
      if (limit > 0 && static_cast<std::int64_t>(found.size()) == limit) {
        if (next.empty()) next = it->first;
        ++more;
        continue;
      }
      found.push_back(it->second);
    }
    if (!next.empty()) remaining = more;
  }
  json::object meta = list_meta(revision);
  if (!next.empty()) {
    meta["continue"] = encode_continue({revision, next});
    if (remaining > 0 && labels->empty() && fields->empty()) meta["remainingItemCount"] = remaining;
  }
  HttpResponse out;
  if (form->as == Form::As::object) {
    std::size_t size = 256;
    for (const auto& s : found) size += s->bytes.size() + 1;
    out.body.reserve(size);
    out.body = fmt::format(R"({{"kind":"{}","apiVersion":"{}","metadata":{},"items":[)", k.list_kind, k.api_version(),
                           json::serialize(meta));
    bool first = true;
    for (const auto& s : found) {
      if (!first) out.body += ',';
      first = false;
      if (text(s->object, {"apiVersion"}) == k.api_version())
        out.body += s->bytes;
      else
        out.body += bytes_as(k, *s);
    }
    out.body += "]}\n";
    co_return out;
  }
  std::vector<json::value> values;
  values.reserve(found.size());
  for (const auto& s : found) values.push_back(object_as(k, *s));
  std::vector<const json::value*> pointers;
  for (const auto& v : values) pointers.push_back(&v);
  if (form->as == Form::As::table) {
    auto body = table(k.columns, pointers, include_of(request), std::move(meta));
    body["apiVersion"] = "meta.k8s.io/" + form->table_version;
    co_return json_answer(200, std::move(body));
  }
  json::array items;
  for (const auto* v : pointers) items.push_back(partial_metadata(*v));
  co_return json_answer(200, json::object{{"kind", "PartialObjectMetadataList"},
                                          {"apiVersion", "meta.k8s.io/v1"},
                                          {"metadata", std::move(meta)},
                                          {"items", std::move(items)}});
}

// ---- watch

namespace {

/// One watch: what it shows of each change, as lines.
struct Watcher {
  KindPtr kind;
  std::string ns;
  LabelSelector labels;
  FieldSelector fields;
  Form form;
  std::string include;
  bool bookmarks = false;
  bool initial_events = false;  // the client asked for the list as events
  bool from_now = false;        // no resourceVersion: the list first
  Revision from = 0;
  std::chrono::seconds timeout{0};
  bool columns_sent = false;

  bool selects(const Stored& s) const {
    return (ns.empty() || s.ns == ns) && labels.matches(s.object) && fields.matches(s.object);
  }
  bool everything() const { return ns.empty() && labels.empty() && fields.empty() && form.as == Form::As::object; }

  std::string line(const char* type, const Stored& s) {
    if (form.as == Form::As::object) return event_line(type, bytes_as(*kind, s));
    const auto value = object_as(*kind, s);
    if (form.as == Form::As::partial) return event_line(type, json::serialize(partial_metadata(value)));
    auto body = table(kind->columns, {&value}, include, list_meta(s.revision), !columns_sent);
    body["apiVersion"] = "meta.k8s.io/" + form.table_version;
    columns_sent = true;
    return event_line(type, json::serialize(body));
  }

  void append(const Change& c, std::string& out) {
    const bool now = c.type != Change::Type::deleted && selects(*c.now);
    const bool before = c.before && selects(*c.before);
    if (!now && !before) return;
    if (form.as == Form::As::object && text(c.now->object, {"apiVersion"}) == kind->api_version()) {
      const auto shown = now ? (before ? Change::Type::modified : Change::Type::added) : Change::Type::deleted;
      if (shown == c.type) {
        out += c.line();
        return;
      }
    }
    if (now) {
      out += line(before ? "MODIFIED" : "ADDED", *c.now);
    } else {
      // It left the selection: the last state that was in it, at the revision of the change.
      Stored last = *c.before;
      last.revision = c.revision;
      make_object(last.object, {"metadata"})["resourceVersion"] = std::to_string(c.revision);
      last.bytes = json::serialize(last.object);
      out += line("DELETED", last);
    }
  }

  std::string bookmark(Revision revision, bool end_of_initial) const {
    json::object meta{{"resourceVersion", std::to_string(revision)}};
    if (end_of_initial) meta["annotations"] = json::object{{"k8s.io/initial-events-end", "true"}};
    if (form.as == Form::As::table) {
      json::object row_object{
          {"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}, {"metadata", std::move(meta)}};
      json::array cells(kind->columns.size());
      return event_line(
          "BOOKMARK",
          json::serialize(json::object{
              {"kind", "Table"},
              {"apiVersion", "meta.k8s.io/v1"},
              {"metadata", list_meta(revision)},
              {"columnDefinitions", nullptr},
              {"rows", json::array{json::object{{"cells", std::move(cells)}, {"object", std::move(row_object)}}}}}));
    }
    if (form.as == Form::As::partial)
      return event_line("BOOKMARK", json::serialize(json::object{{"kind", "PartialObjectMetadata"},
                                                                 {"apiVersion", "meta.k8s.io/v1"},
                                                                 {"metadata", std::move(meta)}}));
    meta["creationTimestamp"] = nullptr;
    return event_line("BOOKMARK",
                      json::serialize(json::object{
                          {"kind", kind->kind}, {"apiVersion", kind->api_version()}, {"metadata", std::move(meta)}}));
  }
};

constexpr std::size_t kBatch = 256 << 10;
constexpr std::chrono::seconds kBookmarkEvery{30};

std::string gone(const std::string& why) {
  return event_line("ERROR", json::serialize(ApiError::expired(why).status()));
}

/// Ends when the client goes, time is up, or the history needed is gone.
Task<> run_watch(std::shared_ptr<Watcher> w, Store& store, BodyStream& out) {
  Cache& cache = store.cache(w->kind->group, w->kind->plural);
  out.on_close = [&cache] { cache.notifier.notify(); };
  struct Forget {
    BodyStream& out;
    ~Forget() { out.on_close = nullptr; }
  } forget{out};
  std::uint64_t at = cache.end();
  Revision sent = store.revision();
  if (w->from_now || w->initial_events) {
    std::string batch;
    std::vector<StoredPtr> all;
    for (const auto& [name, s] : cache.objects)
      if (w->selects(*s)) all.push_back(s);
    for (const auto& s : all) {
      batch += w->line("ADDED", *s);
      if (batch.size() < kBatch) continue;
      const bool ok = co_await out.write(std::move(batch));
      if (!ok) co_return;
      batch.clear();
    }
    if (w->initial_events) batch += w->bookmark(sent, true);
    const bool ok = co_await out.write(std::move(batch));
    if (!ok) co_return;
  } else if (w->from < cache.floor) {
    const std::string error = gone(fmt::format("too old resource version: {} ({})", w->from, cache.floor));
    co_await out.write(error);
    co_return;
  } else {
    at = cache.after(w->from);
    sent = w->from;
  }
  const auto end = Steady::now() + w->timeout;
  auto bookmark_at = Steady::now() + kBookmarkEvery;
  for (;;) {
    const auto seen = cache.notifier.version();
    if (at < cache.first) {
      const std::string error = gone(fmt::format("too old resource version: {} ({})", sent, cache.floor));
      co_await out.write(error);
      co_return;
    }
    std::string batch;
    const Revision upto = store.revision();
    while (at < cache.end() && batch.size() < kBatch) {
      const auto& change = *cache.ring[at - cache.first];
      w->append(change, batch);
      sent = change.revision;
      ++at;
    }
    const bool caught_up = at == cache.end();
    const auto now = Steady::now();
    if (caught_up && w->bookmarks && (now >= bookmark_at || now >= end) && w->kind) {
      sent = std::max(sent, upto);
      batch += w->bookmark(sent, false);
      bookmark_at = now + kBookmarkEvery;
    }
    if (!batch.empty()) {
      const bool ok = co_await out.write(std::move(batch));
      if (!ok) co_return;
    }
    if (out.closed() || Steady::now() >= end) co_return;
    if (at < cache.end() || at < cache.first) continue;
    const std::chrono::nanoseconds rest = std::min(end, w->bookmarks ? bookmark_at : end) - Steady::now();
    co_await cache.notifier.changed_since(seen, std::max(rest, std::chrono::nanoseconds(1'000'000)));
    if (out.closed()) co_return;
  }
}

}  // namespace

Answer<HttpResponse> Api::watch(const HttpRequest& request, const Target& t) {
  const Kind& k = *t.kind;
  auto w = std::make_shared<Watcher>();
  w->kind = t.kind;
  w->ns = t.ns;
  auto form = parse_accept(request.accept);
  if (!form) return refuse(form.error());
  w->form = *form;
  w->include = include_of(request);
  auto labels = LabelSelector::parse(request.get("labelSelector"));
  if (!labels) return refuse(labels.error());
  w->labels = std::move(*labels);
  auto field_text = request.get("fieldSelector");
  if (!t.name.empty()) field_text = (field_text.empty() ? "" : field_text + ",") + "metadata.name=" + t.name;
  auto fields = FieldSelector::parse(field_text, k.group, k.plural);
  if (!fields) return refuse(fields.error());
  w->fields = std::move(*fields);
  w->bookmarks = request.is("allowWatchBookmarks");
  const auto rv = request.get("resourceVersion");
  w->from = std::atoll(rv.c_str());
  if (!rv.empty() && rv.find_first_not_of("0123456789") != std::string::npos)
    return refuse(ApiError::bad_request(fmt::format(
        "invalid resource version {}: expected a number from a list, an object or a bookmark", show(json::value(rv)))));
  w->from_now = w->from == 0;
  w->initial_events = request.is("sendInitialEvents");
  if (w->initial_events && request.get("resourceVersionMatch") != "NotOlderThan")
    return refuse(ApiError::invalid(
        "meta.k8s.io", "ListOptions", "",
        {FieldError::forbidden("resourceVersionMatch",
                               "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")}));
  if (w->initial_events && !w->bookmarks)
    return refuse(ApiError::invalid(
        "meta.k8s.io", "ListOptions", "",
        {FieldError::forbidden("allowWatchBookmarks", "sendInitialEvents requires allowWatchBookmarks")}));
  const auto timeout = std::atoll(request.get("timeoutSeconds").c_str());
  static thread_local std::mt19937_64 random{std::random_device{}()};
  // As the real server: half an hour to an hour, so that clients do not all come back at once.
  w->timeout =
      std::chrono::seconds(timeout > 0 ? timeout : std::uniform_int_distribution<std::int64_t>(1800, 3600)(random));
  HttpResponse out;
  out.stream = [w, &store = store_](BodyStream& body) { return run_watch(w, store, body); };
  return out;
}

}  // namespace weft::lab::api
