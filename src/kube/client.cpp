#include "kube/client.h"

#include <boost/json.hpp>

#include <random>

#include "base/clock.h"
#include "base/log.h"
#include "kube/json.h"
#include "kube/rate_limiter.h"
#include "kube/transport.h"

namespace weft::kube {

namespace {

constexpr unsigned kPage = 500;
constexpr int kRetryAfterTries = 5;

// RFC 3986: everything but the unreserved characters.
std::string escape(std::string_view text) {
  static constexpr char hex[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text) {
    if (std::isalnum(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += static_cast<char>(c);
    } else {
      out += '%';
      out += hex[c >> 4];
      out += hex[c & 15];
    }
  }
  return out;
}

class Query {
 public:
  void add(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    text_ += text_.empty() ? '?' : '&';
    text_ += key;
    text_ += '=';
    text_ += escape(value);
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::string object_label(const Resource& r, std::string_view ns, std::string_view name) {
  std::string out = r.to_string();
  if (!name.empty()) {
    out += ' ';
    if (r.namespaced && !ns.empty()) out += std::string(ns) + "/";
    out += name;
  } else if (r.namespaced && !ns.empty()) {
    out += " in " + std::string(ns);
  }
  return out;
}

Errc code_of(unsigned status, std::string_view reason) {
  switch (status) {
    case 400: return reason == "Expired" ? Errc::expired : Errc::invalid;
    case 401:
    case 403: return Errc::unauthorized;
    case 404: return Errc::not_found;
    case 405:
    case 406:
    case 415: return Errc::unsupported;
    case 408: return Errc::timeout;
    case 409: return reason == "AlreadyExists" ? Errc::exists : Errc::conflict;
    case 410: return Errc::expired;
    case 413:
    case 422: return Errc::invalid;
    case 429: return Errc::unavailable;
    case 504: return Errc::timeout;
    default: return status >= 500 ? Errc::unavailable : Errc::invalid;
  }
}

Result<json::object> parse_object(std::string_view body, std::string_view what) {
  boost::system::error_code ec;
  auto v = parse_json(body, ec);
  if (ec) return fail(Errc::internal, std::string(what) + ": the answer is not JSON: " + ec.message());
  if (!v.is_object()) return fail(Errc::internal, std::string(what) + ": the answer is not a JSON object");
  return std::move(v.get_object());
}

unsigned random_timeout_seconds() {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::uniform_int_distribution<unsigned>(300, 600)(random);
}

}  // namespace

std::string path_of(const Resource& r, std::string_view ns, std::string_view name, std::string_view subresource) {
  std::string p = r.group.empty() ? "/api/" + r.version : "/apis/" + r.group + "/" + r.version;
  if (r.namespaced && !ns.empty()) p += "/namespaces/" + escape(ns);
  p += "/" + r.plural;
  if (!name.empty()) p += "/" + escape(name);
  if (!subresource.empty()) p += "/" + std::string(subresource);
  return p;
}

std::string list_target(const Resource& r, const ListOptions& o) {
  Query q;
  q.add("labelSelector", o.label_selector);
  q.add("fieldSelector", o.field_selector);
  if (o.limit > 0) q.add("limit", std::to_string(o.limit));
  q.add("continue", o.continue_token);
  // A continuation carries its own revision, the server refuses both.
  if (o.continue_token.empty()) q.add("resourceVersion", o.resource_version);
  return path_of(r, o.ns) + q.text();
}

std::string watch_target(const Resource& r, const WatchOptions& o) {
  Query q;
  q.add("watch", "true");
  if (o.bookmarks) q.add("allowWatchBookmarks", "true");
  q.add("labelSelector", o.label_selector);
  q.add("fieldSelector", o.field_selector);
  q.add("resourceVersion", o.resource_version);
  if (o.timeout_seconds > 0) q.add("timeoutSeconds", std::to_string(o.timeout_seconds));
  return path_of(r, o.ns) + q.text();
}

Error error_of_status(unsigned http_status, std::string_view body, std::string_view what) {
  std::string reason, message;
  boost::system::error_code ec;
  if (const auto v = parse_json(body, ec); !ec && v.is_object()) {
    reason = text_at(v.get_object(), "reason");
    message = text_at(v.get_object(), "message");
    if (message.empty()) message = reason;
  }
  if (message.empty()) {  // a proxy in between, or the wrong server
    message = "HTTP status " + std::to_string(http_status);
    auto text = std::string(body.substr(0, 200));
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.pop_back();
    if (!text.empty()) message += ": " + text;
  }
  return {code_of(http_status, reason), std::string(what) + ": " + message};
}

// ---- Watch

struct Watch::Impl {
  std::unique_ptr<BodyStream> stream;
  std::string what;
  std::chrono::nanoseconds idle;
  std::string buffer;
  std::size_t line = 0;     // where the current line begins
  std::size_t scanned = 0;  // up to where there is no newline

  std::optional<std::string_view> next_line() {
    for (;;) {
      const auto end = buffer.find('\n', scanned);
      if (end == std::string::npos) {
        scanned = buffer.size();
        return std::nullopt;
      }
      const auto text = std::string_view(buffer).substr(line, end - line);
      line = scanned = end + 1;
      if (text.find_first_not_of(" \r\t") != std::string_view::npos) return text;
    }
  }
  void append(std::string_view piece) {
    if (line > 0) {
      buffer.erase(0, line);
      scanned -= line;
      line = 0;
    }
    buffer += piece;
  }
};

Watch::Watch(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Watch::Watch(Watch&&) noexcept = default;
Watch& Watch::operator=(Watch&&) noexcept = default;
Watch::~Watch() = default;

bool Watch::buffered() const { return impl_->buffer.find('\n', impl_->line) != std::string::npos; }

namespace {

Result<WatchEvent> parse_event(std::string_view line, const std::string& what) {
  auto parsed = parse_object(line, what);
  if (!parsed) return fail(parsed.error());
  const auto type = text_at(*parsed, "type");
  auto* object = parsed->if_contains("object");
  if (!object || !object->is_object()) return fail(Errc::internal, what + ": a watch event has no object");
  if (type == "ERROR") {
    const auto* code = object->get_object().if_contains("code");
    const unsigned status = code && code->is_number() ? code->to_number<unsigned>() : 500;
    return fail(error_of_status(status, json::serialize(*object), what));
  }
  WatchEvent event;
  if (type == "ADDED") {
    event.type = WatchEvent::Type::added;
  } else if (type == "MODIFIED") {
    event.type = WatchEvent::Type::modified;
  } else if (type == "DELETED") {
    event.type = WatchEvent::Type::deleted;
  } else if (type == "BOOKMARK") {
    event.type = WatchEvent::Type::bookmark;
  } else {
    return fail(Errc::internal, what + ": a watch event of unknown type \"" + type + "\"");
  }
  event.object = std::move(object->get_object());
  return event;
}

}  // namespace

Task<Result<std::optional<WatchEvent>>> Watch::next() {
  for (;;) {
    if (const auto line = impl_->next_line()) {
      auto event = parse_event(*line, impl_->what);
      if (!event) co_return fail(event.error());
      co_return std::optional<WatchEvent>(std::move(*event));
    }
    auto piece = co_await impl_->stream->read(impl_->idle);
    if (!piece) co_return fail(piece.error().in(impl_->what));
    if (piece->empty()) co_return std::optional<WatchEvent>();
    impl_->append(*piece);
  }
}

// ---- Client

struct Client::Impl : std::enable_shared_from_this<Client::Impl> {
  Impl(asio::io_context& i, Config c, std::shared_ptr<Transport> t)
      : io(i), config(std::move(c)), transport(std::move(t)), limiter(config.qps, config.burst) {}

  asio::io_context& io;
  Config config;
  std::shared_ptr<Transport> transport;
  RateLimiter limiter;

  std::string ns_for(const Resource& r, std::string_view ns, const json::object* object = nullptr) const {
    if (!r.namespaced) return {};
    if (!ns.empty()) return std::string(ns);
    if (object)
      if (auto own = meta_text(*object, "namespace"); !own.empty()) return own;
    return config.ns;
  }

  static Task<Result<Response>> exchange(std::shared_ptr<Impl> self, Request request) {
    request.timeout = self->config.timeout;
    for (int tries = 0;; ++tries) {
      const auto wait = self->limiter.reserve(Steady::now());
      if (wait > Duration::zero()) co_await sleep_for(wait);
      auto answer = co_await self->transport->exchange(request);
      const bool asked_to_wait =
          answer && answer->retry_after_seconds && (answer->status == 429 || answer->status >= 500);
      if (!asked_to_wait || tries >= kRetryAfterTries) co_return answer;
      const auto pause = std::chrono::seconds(std::clamp(*answer->retry_after_seconds, 1u, 10u));
      co_await sleep_for(pause);
    }
  }

  static Task<Result<json::object>> object(std::shared_ptr<Impl> self, Request request, std::string what) {
    auto answer = co_await exchange(self, std::move(request));
    if (!answer) co_return fail(answer.error().in(what));
    if (answer->status >= 300) co_return fail(error_of_status(answer->status, answer->body, what));
    co_return parse_object(answer->body, what);
  }

  static Task<Result<Watch>> watch(std::shared_ptr<Impl> self, Request request, std::string what, unsigned seconds) {
    const auto wait = self->limiter.reserve(Steady::now());
    if (wait > Duration::zero()) co_await sleep_for(wait);
    request.timeout = self->config.timeout;
    auto opened = co_await self->transport->open(std::move(request));
    if (!opened) co_return fail(opened.error().in(what));
    if (!opened->stream) co_return fail(error_of_status(opened->refused.status, opened->refused.body, what));
    auto impl = std::make_unique<Watch::Impl>();
    impl->stream = std::move(opened->stream);
    impl->what = std::move(what);
    impl->idle = std::chrono::seconds(seconds + 60);
    co_return Watch(std::move(impl));
  }

  static Task<Result<std::vector<json::object>>> pages(std::shared_ptr<Impl> self, Resource resource,
                                                       ListOptions options) {
    std::vector<json::object> out;
    if (options.limit == 0) options.limit = kPage;
    for (;;) {
      Request request;
      request.target = list_target(resource, options);
      const std::string label = "listing " + object_label(resource, options.ns, "");
      auto page = co_await object(self, std::move(request), label);
      if (!page) {
        // The continuation's revision was compacted meanwhile: one answer with everything, as client-go's pager does.
        if (page.error().code != Errc::expired || options.continue_token.empty()) co_return fail(page.error());
        out.clear();
        options.continue_token.clear();
        options.limit = 0;
        continue;
      }
      if (auto* items = page->if_contains("items"); items && items->is_array())
        for (auto& item : items->get_array())
          if (item.is_object()) out.push_back(std::move(item.get_object()));
      options.continue_token = meta_text(*page, "continue");
      if (options.continue_token.empty()) co_return out;
    }
  }
};

Client::Client(asio::io_context& io, Config config) : Client(io, config, make_http_transport(io, config)) {}
Client::Client(asio::io_context& io, Config config, std::shared_ptr<Transport> transport)
    : impl_(std::make_shared<Impl>(io, std::move(config), std::move(transport))) {}
Client::~Client() = default;

asio::io_context& Client::io() const { return impl_->io; }
const Config& Client::config() const { return impl_->config; }

Task<Result<json::object>> Client::get(const Resource& r, std::string_view ns, std::string_view name) {
  const auto in = impl_->ns_for(r, ns);
  Request q;
  q.target = path_of(r, in, name);
  return Impl::object(impl_, std::move(q), "reading " + object_label(r, in, name));
}

Task<Result<json::object>> Client::create(const Resource& r, std::string_view ns, const json::object& object) {
  const auto in = impl_->ns_for(r, ns, &object);
  Request q;
  q.method = "POST";
  q.target = path_of(r, in);
  q.body = json::serialize(object);
  return Impl::object(impl_, std::move(q), "creating " + object_label(r, in, meta_text(object, "name")));
}

Task<Result<json::object>> Client::update(const Resource& r, std::string_view ns, const json::object& object) {
  const auto in = impl_->ns_for(r, ns, &object);
  const auto name = meta_text(object, "name");
  Request q;
  q.method = "PUT";
  q.target = path_of(r, in, name);
  q.body = json::serialize(object);
  return Impl::object(impl_, std::move(q), "updating " + object_label(r, in, name));
}

Task<Result<json::object>> Client::update_status(const Resource& r, std::string_view ns, const json::object& object) {
  const auto in = impl_->ns_for(r, ns, &object);
  const auto name = meta_text(object, "name");
  Request q;
  q.method = "PUT";
  q.target = path_of(r, in, name, "status");
  q.body = json::serialize(object);
  return Impl::object(impl_, std::move(q), "updating the status of " + object_label(r, in, name));
}

Task<Result<json::object>> Client::patch(const Resource& r, std::string_view ns, std::string_view name, PatchType type,
                                         const json::value& patch, const PatchOptions& options) {
  const auto in = impl_->ns_for(r, ns);
  Request q;
  q.method = "PATCH";
  Query query;
  query.add("fieldManager", options.field_manager);
  switch (type) {
    case PatchType::merge: q.content_type = "application/merge-patch+json"; break;
    case PatchType::strategic: q.content_type = "application/strategic-merge-patch+json"; break;
    case PatchType::json: q.content_type = "application/json-patch+json"; break;
    case PatchType::apply:
      q.content_type = "application/apply-patch+yaml";  // JSON is YAML
      if (options.force) query.add("force", "true");
      break;
  }
  q.target = path_of(r, in, name, options.subresource) + query.text();
  q.body = json::serialize(patch);
  const std::string part = options.subresource.empty() ? "" : "the " + options.subresource + " of ";
  return Impl::object(impl_, std::move(q), "patching " + part + object_label(r, in, name));
}

Task<Result<json::object>> Client::remove(const Resource& r, std::string_view ns, std::string_view name,
                                          const DeleteOptions& options) {
  const auto in = impl_->ns_for(r, ns);
  json::object body{{"kind", "DeleteOptions"}, {"apiVersion", "v1"}};
  if (!options.propagation.empty()) body["propagationPolicy"] = options.propagation;
  if (options.grace_period_seconds) body["gracePeriodSeconds"] = *options.grace_period_seconds;
  json::object preconditions;
  if (!options.uid.empty()) preconditions["uid"] = options.uid;
  if (!options.resource_version.empty()) preconditions["resourceVersion"] = options.resource_version;
  if (!preconditions.empty()) body["preconditions"] = std::move(preconditions);
  Request q;
  q.method = "DELETE";
  q.target = path_of(r, in, name);
  q.body = json::serialize(body);
  return Impl::object(impl_, std::move(q), "deleting " + object_label(r, in, name));
}

Task<Result<json::object>> Client::list(const Resource& r, const ListOptions& options) {
  Request q;
  q.target = list_target(r, options);
  return Impl::object(impl_, std::move(q), "listing " + object_label(r, options.ns, ""));
}

Task<Result<std::vector<json::object>>> Client::list_all(const Resource& r, const ListOptions& options) {
  return Impl::pages(impl_, r, options);
}

Task<Result<Watch>> Client::watch(const Resource& r, const WatchOptions& options) {
  WatchOptions o = options;
  if (o.timeout_seconds == 0) o.timeout_seconds = random_timeout_seconds();
  Request q;
  q.target = watch_target(r, o);
  return Impl::watch(impl_, std::move(q), "watching " + object_label(r, o.ns, ""), o.timeout_seconds);
}

Task<Result<Response>> Client::request(std::string_view method, std::string_view target, std::string_view body,
                                       std::string_view content_type) {
  Request q;
  q.method = std::string(method);
  q.target = std::string(target);
  q.body = std::string(body);
  q.content_type = std::string(content_type);
  return Impl::exchange(impl_, std::move(q));
}

Task<Result<json::object>> Client::request_json(std::string_view method, std::string_view target, std::string_view body,
                                                std::string_view content_type) {
  Request q;
  q.method = std::string(method);
  q.target = std::string(target);
  q.body = std::string(body);
  q.content_type = std::string(content_type);
  return Impl::object(impl_, std::move(q), std::string(method) + " " + std::string(target));
}

}  // namespace weft::kube
