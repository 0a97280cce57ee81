#include "bfd/protocol.h"

#include <boost/json.hpp>

#include "bfd/json_fields.h"

namespace weft::bfd {

namespace json = boost::json;

namespace {

std::string line(const json::object& o) { return json::serialize(o) + "\n"; }

json::object to_json(const DaemonInfo& d) {
  json::object out{{"version", d.version},
                   {"pid", d.pid},
                   {"scheduling", d.scheduling},
                   {"memory", d.memory},
                   {"control_plane_independent", d.control_plane_independent}};
  if (!d.without_v6.empty()) out["without_v6"] = d.without_v6;
  return out;
}

Result<DaemonInfo> daemon_from(const json::value& v) {
  fields::Reader r(v, "daemon");
  DaemonInfo d;
  r.text("version", d.version);
  r.integer("pid", d.pid);
  r.text("scheduling", d.scheduling);
  r.text("memory", d.memory);
  r.text("without_v6", d.without_v6);
  r.boolean("control_plane_independent", d.control_plane_independent);
  WEFT_TRY(r.done());
  return d;
}

template <class T>
json::array list(const std::vector<T>& values) {
  json::array out;
  out.reserve(values.size());
  for (const T& v : values) out.push_back(to_json(v));
  return out;
}

template <class T, class Read>
Result<std::vector<T>> list_from(const json::object& o, const char* name, Read read) {
  const auto* v = o.if_contains(name);
  const auto* array = v == nullptr ? nullptr : v->if_array();
  if (array == nullptr) return fail(Errc::invalid, fmt::format("{} is missing or not a list", name));
  std::vector<T> out;
  out.reserve(array->size());
  for (const auto& entry : *array) {
    auto one = read(entry);
    if (!one) return fail(one.error().in(fmt::format("{}[{}]", name, out.size())));
    out.push_back(std::move(*one));
  }
  return out;
}

json::object overview_to_json(const Overview& o) {
  json::array rows;
  for (const auto& row : o.rows) {
    json::object one = to_json(row.status);
    json::array clients;
    for (const auto& c : row.clients) clients.emplace_back(c);
    one["clients"] = std::move(clients);
    rows.push_back(std::move(one));
  }
  json::object strays;
  for (std::size_t i = 0; i < kDiscards; ++i) {
    const auto name = to_string(static_cast<Discard>(i));
    if (o.strays.by_reason[i] != 0) strays[json::string_view(name.data(), name.size())] = o.strays.by_reason[i];
  }
  return {{"type", "overview"},
          {"daemon", to_json(o.daemon)},
          {"sessions", std::move(rows)},
          {"strays", std::move(strays)},
          {"wakeups", o.wakeups},
          {"late_1ms", o.late_1ms},
          {"latest_us", o.latest.count()},
          {"floods", o.floods}};
}

Result<Overview::Row> row_from(const json::value& v) {
  auto status = session_status_from(v);
  if (!status) return fail(status.error());
  Overview::Row row{std::move(*status), {}};
  if (const auto* clients = v.as_object().if_contains("clients"); clients != nullptr && clients->is_array())
    for (const auto& c : clients->get_array())
      if (c.is_string()) row.clients.emplace_back(c.get_string());
  return row;
}

Result<json::object> parse_line(std::string_view text, std::string& type) {
  json::error_code ec;
  json::value v = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec) return fail(Errc::invalid, "not a line of JSON: " + ec.message());
  fields::Reader r(v, "message");
  r.text("type", type);
  WEFT_TRY(r.done());
  return std::move(v.get_object());
}

}  // namespace

std::string encode(const Request& request) {
  if (const auto* hello = std::get_if<Hello>(&request))
    return line({{"type", "hello"},
                 {"version", kProtocolVersion},
                 {"client", hello->client},
                 {"linger_ms", hello->linger.count()}});
  if (const auto* want = std::get_if<WantSessions>(&request))
    return line({{"type", "sessions"}, {"sessions", list(want->sessions)}});
  if (std::holds_alternative<Refresh>(request)) return line({{"type", "refresh"}});
  if (std::holds_alternative<AskOverview>(request)) return line({{"type", "overview"}});
  return line({{"type", "bye"}});
}

Result<Request> decode_request(std::string_view text) {
  std::string type;
  auto o = parse_line(text, type);
  if (!o) return fail(o.error());
  if (type == "hello") {
    const json::value v(*o);
    fields::Reader r(v, "hello");
    Hello hello;
    int version = 0;
    r.integer("version", version);
    r.text("client", hello.client);
    r.duration("linger_ms", hello.linger);
    WEFT_TRY(r.done());
    if (version != kProtocolVersion)
      return fail(Errc::unsupported,
                  fmt::format("hello: version {} is not spoken here: use {}", version, kProtocolVersion));
    if (hello.client.empty() || hello.client.size() > 64)
      return fail(Errc::invalid, "hello: client must be a name of 1 to 64 characters");
    if (hello.linger < std::chrono::milliseconds(0) || hello.linger > std::chrono::hours(24))
      return fail(Errc::invalid,
                  fmt::format("hello: linger_ms {} is out of range: use 0 to 86400000", hello.linger.count()));
    return hello;
  }
  if (type == "sessions") {
    auto sessions = list_from<SessionConfig>(*o, "sessions", session_config_from);
    if (!sessions) return fail(sessions.error());
    return WantSessions{std::move(*sessions)};
  }
  if (type == "refresh") return Refresh{};
  if (type == "overview") return AskOverview{};
  if (type == "bye") return Bye{};
  return fail(Errc::invalid,
              fmt::format("type \"{}\" is not known: use hello, sessions, refresh, overview or bye", type));
}

std::string encode(const Answer& answer) {
  if (const auto* welcome = std::get_if<Welcome>(&answer))
    return line({{"type", "welcome"}, {"version", kProtocolVersion}, {"daemon", to_json(welcome->daemon)}});
  if (const auto* statuses = std::get_if<Statuses>(&answer))
    return line({{"type", "status"}, {"complete", statuses->complete}, {"sessions", list(statuses->sessions)}});
  if (const auto* overview = std::get_if<Overview>(&answer)) return line(overview_to_json(*overview));
  return line({{"type", "refusal"}, {"message", std::get<Refusal>(answer).message}});
}

Result<Answer> decode_answer(std::string_view text) {
  std::string type;
  auto o = parse_line(text, type);
  if (!o) return fail(o.error());
  const auto daemon = [&]() -> Result<DaemonInfo> {
    const auto* d = o->if_contains("daemon");
    if (d == nullptr) return fail(Errc::invalid, type + ": daemon is missing");
    return daemon_from(*d);
  };
  if (type == "welcome") {
    auto d = daemon();
    if (!d) return fail(d.error());
    return Welcome{std::move(*d)};
  }
  if (type == "status") {
    Statuses s;
    auto sessions = list_from<SessionStatus>(*o, "sessions", session_status_from);
    if (!sessions) return fail(sessions.error());
    s.sessions = std::move(*sessions);
    if (const auto* complete = o->if_contains("complete")) s.complete = complete->is_bool() && complete->get_bool();
    return s;
  }
  if (type == "overview") {
    Overview out;
    auto d = daemon();
    if (!d) return fail(d.error());
    out.daemon = std::move(*d);
    auto rows = list_from<Overview::Row>(*o, "sessions", row_from);
    if (!rows) return fail(rows.error());
    out.rows = std::move(*rows);
    const json::value v(*o);
    fields::Reader r(v, "overview");
    r.integer("wakeups", out.wakeups);
    r.integer("late_1ms", out.late_1ms);
    r.integer("floods", out.floods);
    r.duration("latest_us", out.latest);
    if (const auto* strays = r.find("strays")) {
      fields::Reader s(*strays, "strays");
      for (std::size_t i = 0; i < kDiscards; ++i)
        s.integer(to_string(static_cast<Discard>(i)), out.strays.by_reason[i]);
      WEFT_TRY(s.done());
    }
    WEFT_TRY(r.done());
    return out;
  }
  if (type == "refusal") {
    Refusal refusal;
    const json::value v(*o);
    fields::Reader r(v, "refusal");
    r.text("message", refusal.message);
    return refusal;
  }
  return fail(Errc::invalid, fmt::format("type \"{}\" is not known", type));
}

}  // namespace weft::bfd
