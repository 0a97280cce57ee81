#include "tests/interop/tool/control.h"

#include <unistd.h>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/json.hpp>

#include "base/log.h"
#include "tests/interop/tool/config.h"
#include "tests/interop/tool/views.h"

namespace weft::bgp {

namespace {

namespace json = boost::json;
using Socket = asio::local::stream_protocol::socket;
using Shutdown = std::function<void(std::string, bool)>;

constexpr std::size_t kMaxRequest = 256 * 1024 * 1024;

json::value error(const std::string& words) { return {{"error", words}}; }

std::string text(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

template <class T>
json::array list(const std::vector<T>& values) {
  json::array out;
  for (const T& v : values) out.push_back(to_json(v));
  return out;
}

json::value routes(const json::object& o, Speaker& speaker) {
  RouteQuery q;
  q.instance = text(o, "instance");
  q.peer = text(o, "peer");
  const std::string direction = text(o, "direction");
  if (const std::string p = text(o, "prefix"); !p.empty()) {
    const auto parsed = Prefix::parse(p);
    if (!parsed) return error(parsed.error().message);
    q.prefix = *parsed;
  }
  if (const auto* limit = o.if_contains("limit")) q.limit = limit->to_number<std::size_t>();
  if (direction == "available") return {{"routes", list(speaker.routes_available(q))}};
  if (direction == "advertised") return {{"routes", list(speaker.routes_advertised(q))}};
  if (direction == "received") return {{"routes", list(speaker.routes_received(q))}};
  return error("direction \"" + direction + "\" is not available, advertised or received");
}

json::value answer(const std::string& line, Speaker& speaker, const Shutdown& shutdown) {
  boost::system::error_code ec;
  const json::value request = json::parse(line, ec);
  if (ec || !request.is_object()) return error("the request is not a JSON object: " + ec.message());
  const json::object& o = request.get_object();
  const std::string command = text(o, "command");
  const auto done = [](const Result<>& r) { return r ? json::value{{"ok", true}} : error(r.error().message); };
  if (command == "peers")
    return {
        {"peers", list(speaker.peers())}, {"listeners", list(speaker.listeners())}, {"strangers", speaker.strangers()}};
  if (command == "routes") return routes(o, speaker);
  if (command == "why") {
    const auto prefix = Prefix::parse(text(o, "prefix"));
    return prefix ? json::value{{"answers", list(speaker.why(*prefix))}} : error(prefix.error().message);
  }
  if (command == "apply") {
    const auto* config = o.if_contains("config");
    if (config == nullptr) return error("apply needs \"config\"");
    auto wanted = parse_config(json::serialize(*config));
    if (!wanted) return error(wanted.error().message);
    json::array refused;
    for (const PeerFault& f : speaker.apply(std::move(*wanted))) refused.emplace_back(f.why);
    return {{"ok", refused.empty()}, {"refused", std::move(refused)}};
  }
  if (command == "reset") return done(speaker.reset(text(o, "instance"), text(o, "peer"), text(o, "message")));
  if (command == "refresh") return done(speaker.refresh(text(o, "instance"), text(o, "peer")));
  if (command == "shutdown" && o.contains("peer"))
    return done(speaker.shut(text(o, "instance"), text(o, "peer"), text(o, "message")));
  if (command == "shutdown") {
    const auto* graceful = o.if_contains("graceful");
    shutdown(text(o, "message"), graceful != nullptr && graceful->is_bool() && graceful->get_bool());
    return {{"ok", true}};
  }
  return error("command \"" + command + "\" is not known; see README.md");
}

Task<> serve_client(Socket socket, Speaker& speaker, Shutdown shutdown) {
  std::string buffer;
  for (;;) {
    boost::system::error_code ec;
    const std::size_t n = co_await asio::async_read_until(socket, asio::dynamic_buffer(buffer, kMaxRequest), '\n',
                                                          asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return;
    const std::string line = buffer.substr(0, n);
    buffer.erase(0, n);
    const std::string reply = json::serialize(answer(line, speaker, shutdown)) + "\n";
    co_await asio::async_write(socket, asio::buffer(reply), asio::redirect_error(asio::use_awaitable, ec));
    if (ec) co_return;
  }
}

}  // namespace

Task<> serve_control(std::string path, Scope& scope, Speaker& speaker, Shutdown shutdown) {
  ::unlink(path.c_str());
  asio::local::stream_protocol::acceptor acceptor(scope.io(), asio::local::stream_protocol::endpoint(path));
  for (;;) {
    Socket socket = co_await acceptor.async_accept(asio::use_awaitable);
    scope.spawn("client", serve_client(std::move(socket), speaker, shutdown));
  }
}

}  // namespace weft::bgp
