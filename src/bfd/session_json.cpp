#include <boost/json.hpp>

#include "bfd/json_fields.h"
#include "bfd/protocol.h"

namespace weft::bfd {

namespace json = boost::json;

namespace {

json::string_view view(std::string_view s) { return {s.data(), s.size()}; }

void put_key(json::object& out, const SessionKey& key) {
  out["peer"] = key.peer.to_string();
  if (key.local) out["local"] = key.local->to_string();
  if (!key.interface.empty()) out["interface"] = key.interface;
  out["hops"] = view(to_string(key.hops));
}

void read_address(fields::Reader& r, std::string_view name, const std::function<void(const Address&)>& use) {
  std::string text;
  r.text(name, text);
  if (text.empty()) return;
  const auto a = Address::parse(text);
  if (a) {
    use(*a);
  } else {
    r.refuse(a.error().message);
  }
}

void read_key(fields::Reader& r, SessionKey& key) {
  if (r.find("peer") == nullptr) r.refuse("peer is missing");
  read_address(r, "peer", [&](const Address& a) { key.peer = a; });
  read_address(r, "local", [&](const Address& a) { key.local = a; });
  r.text("interface", key.interface);
  r.word("hops", key.hops, {Hops::single, Hops::multi});
}

void put_diag(json::object& out, const char* name, Diag d) {
  out[name] = static_cast<int>(d);
  out[std::string(name) + "_text"] = view(to_string(d));
}

void read_diag(fields::Reader& r, std::string_view name, Diag& out) {
  auto n = static_cast<std::uint8_t>(out);
  r.integer(name, n);
  out = static_cast<Diag>(n & 0x1f);
}

json::object counters_to_json(const SessionCounters& c) {
  json::object discarded;
  for (std::size_t i = 0; i < kDiscards; ++i)
    if (c.discarded.by_reason[i] != 0) discarded[view(to_string(static_cast<Discard>(i)))] = c.discarded.by_reason[i];
  return {{"received", c.received},       {"sent", c.sent},
          {"send_errors", c.send_errors}, {"times_up", c.times_up},
          {"times_down", c.times_down},   {"discarded", std::move(discarded)}};
}

void read_counters(fields::Reader& out, const json::value& value, SessionCounters& c) {
  fields::Reader r(value, "counters");
  r.integer("received", c.received);
  r.integer("sent", c.sent);
  r.integer("send_errors", c.send_errors);
  r.integer("times_up", c.times_up);
  r.integer("times_down", c.times_down);
  if (const auto* discarded = r.find("discarded")) {
    fields::Reader d(*discarded, "discarded");
    for (std::size_t i = 0; i < kDiscards; ++i) d.integer(to_string(static_cast<Discard>(i)), c.discarded.by_reason[i]);
    if (auto done = d.done(); !done) out.refuse(done.error().message);
  }
  if (auto done = r.done(); !done) out.refuse(done.error().message);
}

constexpr std::initializer_list<State> kStates = {State::admin_down, State::down, State::init, State::up};
constexpr std::initializer_list<DownReason> kReasons = {
    DownReason::none,      DownReason::no_answer,       DownReason::detection_expired,
    DownReason::peer_down, DownReason::peer_admin_down, DownReason::admin_down,
    DownReason::refused};

}  // namespace

json::object to_json(const SessionConfig& c) {
  json::object out;
  put_key(out, c.key);
  out["min_tx_us"] = c.min_tx.count();
  out["min_rx_us"] = c.min_rx.count();
  out["multiplier"] = c.multiplier;
  if (c.key.hops == Hops::multi) out["min_ttl"] = c.min_ttl;
  if (c.passive) out["passive"] = true;
  if (c.admin_down) out["admin_down"] = true;
  if (c.auth)
    out["auth"] = {{"type", c.auth->meticulous ? "meticulous-keyed-sha1" : "keyed-sha1"},
                   {"key_id", c.auth->id},
                   {"secret", base64_encode(c.auth->secret)}};
  return out;
}

Result<SessionConfig> session_config_from(const json::value& value) {
  fields::Reader r(value, "session");
  SessionConfig c;
  read_key(r, c.key);
  r.duration("min_tx_us", c.min_tx);
  r.duration("min_rx_us", c.min_rx);
  r.integer("multiplier", c.multiplier);
  r.integer("min_ttl", c.min_ttl);
  r.boolean("passive", c.passive);
  r.boolean("admin_down", c.admin_down);
  if (const auto* auth = r.find("auth")) {
    fields::Reader a(*auth, "auth");
    AuthKey key;
    std::string type = "meticulous-keyed-sha1", secret;
    a.text("type", type);
    if (type != "meticulous-keyed-sha1" && type != "keyed-sha1")
      a.refuse("type \"" + type + "\" is not known: use meticulous-keyed-sha1 or keyed-sha1");
    key.meticulous = type == "meticulous-keyed-sha1";
    a.integer("key_id", key.id);
    a.text("secret", secret);
    auto bytes = base64_decode(secret);
    if (bytes) {
      key.secret = std::move(*bytes);
    } else {
      a.refuse("secret is not base64");
    }
    if (auto done = a.done(); !done) r.refuse(done.error().message);
    c.auth = std::move(key);
  }
  WEFT_TRY(r.done());
  return c;
}

json::object to_json(const SessionStatus& s) {
  json::object out;
  put_key(out, s.key);
  out["known"] = s.known;
  out["state"] = view(to_string(s.state));
  out["remote_state"] = view(to_string(s.remote_state));
  put_diag(out, "local_diag", s.local_diag);
  put_diag(out, "remote_diag", s.remote_diag);
  out["down_reason"] = view(to_string(s.down_reason));
  out["why"] = s.why;
  out["since"] = rfc3339_micro(s.since);
  out["remote_control_plane_independent"] = s.remote_control_plane_independent;
  out["control_plane_independent"] = s.control_plane_independent;
  out["remote_demand"] = s.remote_demand;
  out["detection_time_us"] = s.detection_time.count();
  out["tx_interval_us"] = s.tx_interval.count();
  out["remote_min_tx_us"] = s.remote_min_tx.count();
  out["remote_min_rx_us"] = s.remote_min_rx.count();
  out["remote_multiplier"] = s.remote_multiplier;
  out["local_discriminator"] = s.local_discriminator;
  out["remote_discriminator"] = s.remote_discriminator;
  if (s.source.port != 0) out["source"] = s.source.to_string();
  out["counters"] = counters_to_json(s.counters);
  return out;
}

Result<SessionStatus> session_status_from(const json::value& value) {
  fields::Reader r(value, "status");
  SessionStatus s;
  read_key(r, s.key);
  r.boolean("known", s.known);
  r.word("state", s.state, kStates);
  r.word("remote_state", s.remote_state, kStates);
  read_diag(r, "local_diag", s.local_diag);
  read_diag(r, "remote_diag", s.remote_diag);
  r.word("down_reason", s.down_reason, kReasons);
  r.text("why", s.why);
  std::string since, source;
  r.text("since", since);
  if (!since.empty()) s.since = parse_rfc3339(since);
  r.boolean("remote_control_plane_independent", s.remote_control_plane_independent);
  r.boolean("control_plane_independent", s.control_plane_independent);
  r.boolean("remote_demand", s.remote_demand);
  r.duration("detection_time_us", s.detection_time);
  r.duration("tx_interval_us", s.tx_interval);
  r.duration("remote_min_tx_us", s.remote_min_tx);
  r.duration("remote_min_rx_us", s.remote_min_rx);
  r.integer("remote_multiplier", s.remote_multiplier);
  r.integer("local_discriminator", s.local_discriminator);
  r.integer("remote_discriminator", s.remote_discriminator);
  r.text("source", source);
  if (!source.empty()) {
    auto a = SocketAddress::parse(source);
    if (a) s.source = *a;
  }
  if (const auto* counters = r.find("counters")) read_counters(r, *counters, s.counters);
  WEFT_TRY(r.done());
  return s;
}

}  // namespace weft::bfd
