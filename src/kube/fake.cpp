#include "kube/fake.h"

#include <boost/url/params_view.hpp>
#include <boost/url/parse.hpp>

#include <algorithm>

#include "base/clock.h"
#include "kube/json.h"

namespace weft::kube {

namespace {

std::string key_of(const std::string& ns, const std::string& name) { return ns + "/" + name; }

Response answer(unsigned status, const json::object& body) {
  return {status, "application/json", json::serialize(body), std::nullopt};
}
Response refuse(unsigned status, std::string_view reason, const std::string& message) {
  return answer(status, {{"kind", "Status"},
                         {"apiVersion", "v1"},
                         {"status", "Failure"},
                         {"reason", reason},
                         {"message", message},
                         {"code", status}});
}

std::vector<std::string> split(const std::string& text, char at) {
  std::vector<std::string> out;
  std::size_t from = 0;
  while (from <= text.size()) {
    const auto end = std::min(text.find(at, from), text.size());
    if (end > from) out.push_back(text.substr(from, end - from));
    from = end + 1;
  }
  return out;
}

std::string value_at(const json::object& o, const std::string& path) {
  const json::value* v = nullptr;
  const json::object* at = &o;
  for (const auto& part : split(path, '.')) {
    if (!at) return {};
    v = at->if_contains(part);
    if (!v) return {};
    at = v->is_object() ? &v->get_object() : nullptr;
  }
  return v && v->is_string() ? std::string(v->get_string()) : std::string();
}

// "a=b", "a==b", "a!=b", "a", joined by commas; enough for what Weft asks.
bool selected(const std::string& selector, const std::function<std::optional<std::string>(const std::string&)>& value) {
  for (const auto& term : split(selector, ',')) {
    const auto neq = term.find("!=");
    const auto eq = term.find('=');
    if (neq != std::string::npos) {
      if (value(term.substr(0, neq)).value_or("") == term.substr(neq + 2)) return false;
    } else if (eq != std::string::npos) {
      const auto want = term.substr(
          term.find_first_not_of('=', eq) == std::string::npos ? term.size() : term.find_first_not_of('=', eq));
      if (value(term.substr(0, eq)) != std::optional(want)) return false;
    } else if (!value(term)) {
      return false;
    }
  }
  return true;
}

}  // namespace

void merge_patch(json::value& target, const json::value& patch) {
  if (!patch.is_object()) {
    target = patch;
    return;
  }
  if (!target.is_object()) target = json::object();
  auto& object = target.get_object();
  for (const auto& [key, value] : patch.get_object()) {
    if (value.is_null()) {
      object.erase(key);
    } else {
      merge_patch(object[key], value);
    }
  }
}

struct FakeServer::Target {
  std::string group, version, plural, ns, name, subresource;
  std::map<std::string, std::string> query;
  std::string collection() const { return group + "/" + plural; }

  bool matches(const json::object& o) const {
    if (!ns.empty() && meta_text(o, "namespace") != ns) return false;
    const auto get = [&](const char* k) {
      const auto it = query.find(k);
      return it == query.end() ? std::string() : it->second;
    };
    const auto* meta = o.if_contains("metadata");
    const auto* labels = meta && meta->is_object() ? meta->get_object().if_contains("labels") : nullptr;
    const bool by_label = selected(get("labelSelector"), [&](const std::string& k) -> std::optional<std::string> {
      if (!labels || !labels->is_object()) return std::nullopt;
      const auto* v = labels->get_object().if_contains(k);
      return v && v->is_string() ? std::optional(std::string(v->get_string())) : std::nullopt;
    });
    return by_label &&
           selected(get("fieldSelector"), [&](const std::string& k) { return std::optional(value_at(o, k)); });
  }
};

class FakeServer::FakeStream final : public BodyStream {
 public:
  FakeStream(FakeServer& s, Target t, std::uint64_t from) : server_(s), target_(std::move(t)), seen_(from) {
    epoch_ = server_.watch_epoch_;
    bookmarks_ = server_.bookmarks_;
    ++server_.watches_;
  }
  ~FakeStream() override { --server_.watches_; }

  Task<Result<std::string>> read(std::chrono::nanoseconds) override {
    for (;;) {
      const auto version = server_.changed_.version();
      if (epoch_ != server_.watch_epoch_) {
        if (!server_.watch_error_.empty()) co_return fail(Errc::unavailable, server_.watch_error_);
        co_return std::string();
      }
      std::string out;
      // Revisions ascend: what was sent is passed over at once, however much it is.
      auto e = std::upper_bound(server_.log_.begin(), server_.log_.end(), seen_,
                                [](std::uint64_t seen, const Logged& l) { return seen < l.revision; });
      for (; e != server_.log_.end(); ++e) {
        if (e->collection != target_.collection()) continue;
        const bool now = target_.matches(e->object), before = !e->before.empty() && target_.matches(e->before);
        if (!now && !before) continue;
        // An object that leaves the selection is deleted for this watch: its last state in it, at the revision of the
        // change. One that comes in is new.
        json::object object = now ? e->object : e->before;
        metadata_of(object)["resourceVersion"] = std::to_string(e->revision);
        const char* type = !now ? "DELETED" : !before && e->type == "MODIFIED" ? "ADDED" : e->type.c_str();
        out += json::serialize(json::object{{"type", type}, {"object", std::move(object)}}) + "\n";
      }
      seen_ = server_.revision_;
      if (!out.empty()) co_return out;
      if (bookmarks_ != server_.bookmarks_) {
        bookmarks_ = server_.bookmarks_;
        co_return json::serialize(json::object{
            {"type", "BOOKMARK"},
            {"object", json::object{{"metadata", json::object{{"resourceVersion", std::to_string(seen_)}}}}}}) +
            "\n";
      }
      co_await server_.changed_.changed_since(version);
    }
  }

 private:
  FakeServer& server_;
  Target target_;
  std::uint64_t seen_;
  std::uint64_t epoch_;
  std::uint64_t bookmarks_;
};

namespace {
template <class Target>
std::optional<Target> parse_target(const std::string& text) {
  const auto url = boost::urls::parse_origin_form(text);
  if (!url) return std::nullopt;
  Target t;
  std::vector<std::string> parts;
  for (const auto& s : url->segments()) parts.push_back(s);
  std::size_t i = 0;
  if (parts.size() >= 3 && parts[0] == "api") {
    t.version = parts[1];
    i = 2;
  } else if (parts.size() >= 4 && parts[0] == "apis") {
    t.group = parts[1];
    t.version = parts[2];
    i = 3;
  } else {
    return std::nullopt;
  }
  if (parts[i] == "namespaces" && parts.size() > i + 2) {
    t.ns = parts[i + 1];
    i += 2;
  }
  t.plural = parts[i++];
  if (i < parts.size()) t.name = parts[i++];
  if (i < parts.size()) t.subresource = parts[i++];
  for (const auto& p : url->params()) t.query[p.key] = p.value;
  return t;
}
}  // namespace

class FakeServer::FakeTransport final : public Transport {
 public:
  explicit FakeTransport(FakeServer& s) : server_(s) {}

  Task<Result<Response>> exchange(Request request) override {
    if (server_.reorder) co_await yield();
    server_.calls_.push_back({request.method, request.target});
    if (server_.down_) co_return fail(Errc::unavailable, "connection refused");
    if (server_.intercept)
      if (auto instead = server_.intercept(request)) co_return *instead;
    Response r = server_.serve(request);
    if (server_.reorder) co_await yield();
    co_return r;
  }

  Task<Result<Opened>> open(Request request) override {
    server_.calls_.push_back({request.method, request.target});
    if (server_.down_) co_return fail(Errc::unavailable, "connection refused");
    Opened out;
    if (server_.intercept)
      if (auto instead = server_.intercept(request)) {
        out.refused = *instead;
        co_return out;
      }
    auto t = parse_target<Target>(request.target);
    if (!t) {
      out.refused = refuse(404, "NotFound", "no such path");
      co_return out;
    }
    std::uint64_t from = 0;
    if (const auto& rv = t->query["resourceVersion"]; !rv.empty()) from = std::stoull(rv);
    if (from < server_.compacted_) {
      out.refused = refuse(410, "Expired", "too old resource version: " + std::to_string(from));
      co_return out;
    }
    // As the real one does: a name is a field selector.
    if (!t->name.empty()) t->query["fieldSelector"] = "metadata.name=" + t->name;
    out.stream = std::make_unique<FakeStream>(server_, *t, from);
    co_return out;
  }

 private:
  FakeServer& server_;
};

FakeServer::FakeServer(asio::io_context& io) : changed_(io) {}
FakeServer::~FakeServer() = default;

std::shared_ptr<Transport> FakeServer::transport() { return std::make_shared<FakeTransport>(*this); }
Config FakeServer::config() {
  Config c;
  c.server = "http://fake";
  c.qps = 0;
  return c;
}

void FakeServer::store(const std::string& collection, const std::string& key, json::object object, bool fresh) {
  metadata_of(object)["resourceVersion"] = std::to_string(++revision_);
  const auto& objects = objects_[collection];
  const auto old = objects.find(key);
  log_.push_back({revision_, collection, fresh ? "ADDED" : "MODIFIED", object,
                  old == objects.end() ? json::object() : old->second});
  objects_[collection][key] = std::move(object);
  changed_.notify();
}

void FakeServer::remove_now(const std::string& collection, const std::string& key) {
  auto& objects = objects_[collection];
  const auto it = objects.find(key);
  if (it == objects.end()) return;
  json::object last = std::move(it->second);
  objects.erase(it);
  metadata_of(last)["resourceVersion"] = std::to_string(++revision_);
  log_.push_back({revision_, collection, "DELETED", std::move(last), {}});
  changed_.notify();
}

void FakeServer::put(const Resource& r, json::object object) {
  const auto collection = r.group + "/" + r.plural;
  const auto key = key_of(r.namespaced ? meta_text(object, "namespace") : "", meta_text(object, "name"));
  const auto old = objects_[collection].find(key);
  const bool fresh = old == objects_[collection].end();
  object["apiVersion"] = r.api_version();
  object["kind"] = r.kind;
  auto& meta = metadata_of(object);
  if (!meta.contains("uid")) meta["uid"] = fresh ? "uid-" + std::to_string(next_uid_++) : meta_text(old->second, "uid");
  if (!meta.contains("creationTimestamp"))
    meta["creationTimestamp"] = fresh ? rfc3339(Wall::now()) : meta_text(old->second, "creationTimestamp");
  store(collection, key, std::move(object), fresh);
}

bool FakeServer::erase(const Resource& r, const std::string& ns, const std::string& name) {
  const auto collection = r.group + "/" + r.plural;
  const auto key = key_of(r.namespaced ? ns : "", name);
  const bool there = objects_[collection].contains(key);
  remove_now(collection, key);
  return there;
}

std::optional<json::object> FakeServer::get(const Resource& r, const std::string& ns, const std::string& name) const {
  const auto c = objects_.find(r.group + "/" + r.plural);
  if (c == objects_.end()) return std::nullopt;
  const auto it = c->second.find(key_of(r.namespaced ? ns : "", name));
  if (it == c->second.end()) return std::nullopt;
  return it->second;
}

std::vector<json::object> FakeServer::all(const Resource& r) const {
  std::vector<json::object> out;
  if (const auto c = objects_.find(r.group + "/" + r.plural); c != objects_.end())
    for (const auto& [key, object] : c->second) out.push_back(object);
  return out;
}

void FakeServer::break_watches(std::string error) {
  watch_error_ = std::move(error);
  ++watch_epoch_;
  changed_.notify();
}

void FakeServer::bookmark() {
  ++revision_;  // something else changed meanwhile, which is what bookmarks are for
  ++bookmarks_;
  changed_.notify();
}

Response FakeServer::serve(const Request& request) {
  const auto t = parse_target<Target>(request.target);
  if (!t) return refuse(404, "NotFound", "the server could not find the requested resource");
  if (request.method == "GET" && t->name.empty()) return serve_list(*t);
  if (request.method == "DELETE") return serve_delete(*t, request);
  if (request.method != "GET") return serve_write(*t, request);
  const auto& objects = objects_[t->collection()];
  const auto it = objects.find(key_of(t->ns, t->name));
  if (it == objects.end()) return refuse(404, "NotFound", t->plural + " \"" + t->name + "\" not found");
  return answer(200, it->second);
}

Response FakeServer::serve_list(const Target& t) {
  // A continuation is "<revision>:<last key>"; the objects are today's, which is all a fake needs.
  std::string after;
  const auto at = [&](const char* k) {
    const auto it = t.query.find(k);
    return it == t.query.end() ? std::string() : it->second;
  };
  if (const auto token = at("continue"); !token.empty()) {
    const auto colon = token.find(':');
    if (std::stoull(token.substr(0, colon)) < compacted_)
      return refuse(410, "Expired", "the provided continue parameter is too old");
    after = token.substr(colon + 1);
  }
  const std::size_t limit = at("limit").empty() ? SIZE_MAX : std::stoul(at("limit"));
  json::array items;
  std::string more, last;
  for (const auto& [key, object] : objects_[t.collection()]) {
    if (key <= after || !t.matches(object)) continue;
    if (items.size() == limit) {
      more = std::to_string(revision_) + ":" + last;
      break;
    }
    items.push_back(object);
    last = key;
  }
  json::object meta{{"resourceVersion", std::to_string(revision_)}};
  if (!more.empty()) meta["continue"] = more;
  return answer(200, {{"kind", "List"}, {"metadata", std::move(meta)}, {"items", std::move(items)}});
}

Response FakeServer::serve_write(const Target& t, const Request& request) {
  boost::system::error_code ec;
  auto body = parse_json(request.body, ec);
  if (ec) return refuse(400, "BadRequest", "the body is not JSON");
  auto& objects = objects_[t.collection()];
  if (request.method == "POST") {
    if (!body.is_object()) return refuse(400, "BadRequest", "the body is not an object");
    auto object = std::move(body.get_object());
    auto& meta = metadata_of(object);
    if (meta_text(object, "name").empty() && meta.contains("generateName"))
      meta["name"] = text_at(meta, "generateName") + std::to_string(next_uid_);
    const auto name = meta_text(object, "name");
    if (name.empty()) return refuse(422, "Invalid", "metadata.name: Required value");
    if (!t.ns.empty()) meta["namespace"] = t.ns;
    if (objects.contains(key_of(t.ns, name)))
      return refuse(409, "AlreadyExists", t.plural + " \"" + name + "\" already exists");
    meta["uid"] = "uid-" + std::to_string(next_uid_++);
    meta["creationTimestamp"] = rfc3339(Wall::now());
    if (status_subresource.contains(t.plural)) object.erase("status");
    store(t.collection(), key_of(t.ns, name), object, true);
    return answer(201, objects[key_of(t.ns, name)]);
  }
  const auto it = objects.find(key_of(t.ns, t.name));
  if (it == objects.end()) return refuse(404, "NotFound", t.plural + " \"" + t.name + "\" not found");
  json::object next;
  if (request.method == "PUT") {
    if (!body.is_object()) return refuse(400, "BadRequest", "the body is not an object");
    next = std::move(body.get_object());
  } else if (request.content_type == "application/merge-patch+json" ||
             request.content_type == "application/strategic-merge-patch+json") {
    json::value merged = it->second;
    merge_patch(merged, body);
    next = std::move(merged.get_object());
  } else {
    return refuse(415, "UnsupportedMediaType", "the fake server patches by merge only");
  }
  const auto sent = meta_text(next, "resourceVersion");
  if (!sent.empty() && sent != meta_text(it->second, "resourceVersion"))
    return refuse(409, "Conflict", "the object has been modified; please apply your changes to the latest version");
  const bool separate = status_subresource.contains(t.plural);
  if (t.subresource == "status") {
    if (!separate) return refuse(404, "NotFound", "the server could not find the requested resource");
    json::object whole = it->second;
    whole["status"] = next.contains("status") ? next["status"] : json::value(json::object());
    next = std::move(whole);
  } else if (separate) {
    next.erase("status");
    if (const auto* s = it->second.if_contains("status")) next["status"] = *s;
  }
  auto& meta = metadata_of(next);
  for (const char* fixed : {"uid", "creationTimestamp", "deletionTimestamp"})
    if (const auto v = meta_text(it->second, fixed); !v.empty()) meta[fixed] = v;
  meta["resourceVersion"] = meta_text(it->second, "resourceVersion");
  if (next == it->second) return answer(200, next);  // nothing changed: no new revision
  const auto* finalizers = meta.if_contains("finalizers");
  const bool released = !finalizers || !finalizers->is_array() || finalizers->get_array().empty();
  if (released && meta.contains("deletionTimestamp")) {
    it->second = next;
    remove_now(t.collection(), key_of(t.ns, t.name));
    return answer(200, next);
  }
  store(t.collection(), key_of(t.ns, t.name), std::move(next), false);
  return answer(200, objects[key_of(t.ns, t.name)]);
}

Response FakeServer::serve_delete(const Target& t, const Request& request) {
  auto& objects = objects_[t.collection()];
  const auto key = key_of(t.ns, t.name);
  const auto it = objects.find(key);
  if (it == objects.end()) return refuse(404, "NotFound", t.plural + " \"" + t.name + "\" not found");
  boost::system::error_code ec;
  if (const auto options = parse_json(request.body, ec); !ec && options.is_object()) {
    const auto* wanted = options.get_object().if_contains("preconditions");
    for (const char* field : {"uid", "resourceVersion"}) {
      const auto v = wanted && wanted->is_object() ? text_at(wanted->get_object(), field) : std::string();
      if (!v.empty() && v != meta_text(it->second, field))
        return refuse(409, "Conflict", std::string("the ") + field + " in the precondition does not match");
    }
  }
  const json::object last = it->second;
  const auto& meta = last.at("metadata").get_object();
  if (const auto* f = meta.if_contains("finalizers"); f && f->is_array() && !f->get_array().empty()) {
    if (!meta.contains("deletionTimestamp")) {
      json::object marked = last;
      metadata_of(marked)["deletionTimestamp"] = rfc3339(Wall::now());
      store(t.collection(), key, std::move(marked), false);
    }
    return answer(200, objects[key]);
  }
  remove_now(t.collection(), key);
  return answer(200, last);
}

}  // namespace weft::kube
