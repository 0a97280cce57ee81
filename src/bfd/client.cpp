#include "bfd/client.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <utility>

#include "async/backoff.h"
#include "async/scope.h"
#include "base/log.h"
#include "bfd/line_stream.h"

namespace weft::bfd {
namespace {

using namespace std::chrono_literals;

Task<> keep_fresh(std::shared_ptr<LineStream> stream, std::chrono::milliseconds every) {
  while (stream->is_open()) {
    co_await sleep_for(every);
    stream->send(encode(Request(Refresh{})));
  }
}

}  // namespace

Client::Client(asio::io_context& io, ClientOptions options) : io_(io), options_(std::move(options)), changed_(io) {
  presence_.since = Wall::now();
}

Client::~Client() {
  if (stream_) stream_->close();
}

const SessionStatus* Client::find(const SessionKey& key) const {
  const auto at = rows_.find(key);
  return at == rows_.end() ? nullptr : &at->second;
}

void Client::set_sessions(std::vector<SessionConfig> sessions) {
  wanted_ = std::move(sessions);
  wants_ = true;
  std::map<SessionKey, SessionStatus> rows;
  for (const auto& c : wanted_) {
    const auto known = rows_.find(c.key);
    SessionStatus s;
    if (known != rows_.end()) {
      s = known->second;
    } else {
      s.key = c.key;
      s.known = false;
      s.since = Wall::now();
      s.why = presence_.connected ? "weft-bfd has not answered yet" : presence_.why;
    }
    rows.emplace(c.key, std::move(s));
  }
  rows_ = std::move(rows);
  if (stream_) stream_->send(encode(Request(WantSessions{wanted_})));
}

void Client::set_linger(std::chrono::milliseconds linger) {
  if (options_.linger == linger) return;
  options_.linger = linger;
  if (stream_) greet(*stream_);
}

void Client::greet(LineStream& stream) const { stream.send(encode(Request(Hello{options_.name, options_.linger}))); }

void Client::put(SessionStatus status) {
  const auto at = rows_.find(status.key);
  if (at == rows_.end()) return;  // not wanted any more, the daemon will hear of it
  if (at->second == status) return;
  const SessionStatus before = std::exchange(at->second, std::move(status));
  if (on_change_) {
    const SessionStatus now = at->second;  // the callback may change what is wanted
    on_change_(now, before);
  }
}

void Client::take(Statuses statuses) {
  for (auto& s : statuses.sessions) put(std::move(s));
  changed_.notify();
}

void Client::absent(std::string why) {
  const bool news = presence_.connected || presence_.why != why;
  if (presence_.connected) presence_.since = Wall::now();
  presence_.connected = false;
  presence_.why = std::move(why);
  if (!news) return;
  log::warn("weft-bfd is absent", {{"socket", options_.socket}, {"why", presence_.why}});
  std::vector<SessionStatus> rows;
  for (const auto& [key, row] : rows_) rows.push_back(row);
  for (auto& row : rows) {
    row.known = false;
    row.why = fmt::format("{}; the session was {} when last seen", presence_.why, to_string(row.state));
    put(std::move(row));
  }
  changed_.notify();
}

Task<> Client::run() {
  running_ = true;
  Backoff backoff(100ms, 5s);
  while (!leaving_) {
    Local::socket socket(io_);
    const Local::endpoint where(options_.socket);
    auto [ec] = co_await socket.async_connect(where, asio::as_tuple(asio::use_awaitable));
    if (ec) {
      absent(fmt::format("weft-bfd does not answer at {} ({}): is its pod running on this node?", options_.socket,
                         ec.message()));
    } else {
      auto stream = std::make_shared<LineStream>(io_, std::move(socket));
      co_await session(stream);
      stream->close();
      stream_.reset();
      if (presence_.connected) backoff.reset();
      if (!leaving_) absent("weft-bfd closed the connection");
    }
    if (leaving_) break;
    const auto pause = backoff.next();
    co_await sleep_for(pause);
  }
  running_ = false;
  changed_.notify();
}

Task<> Client::session(std::shared_ptr<LineStream> stream) {
  // The helpers hold the stream, not this object: they may unwind after it is gone.
  Scope helpers(io_, "bfd-client");
  helpers.spawn("write", LineStream::write_all(stream));
  if (options_.refresh > 0ms) helpers.spawn("refresh", keep_fresh(stream, options_.refresh));
  greet(*stream);
  // Before the first set is known, those of our life before go on.
  if (wants_) stream->send(encode(Request(WantSessions{wanted_})));
  stream_ = stream;
  for (;;) {
    auto line = co_await stream->read_line(kMaxLine * 4);
    if (!line) break;
    auto answer = decode_answer(*line);
    if (!answer) {
      log::error("weft-bfd sent what cannot be read", {{"error", answer.error().message}});
      break;
    }
    if (auto* welcome = std::get_if<Welcome>(&*answer)) {
      const bool again = presence_.connected;  // it answers every hello
      presence_ = {true, {}, again ? presence_.since : Wall::now(), std::move(welcome->daemon)};
      if (again) continue;
      log::info("weft-bfd answers", {{"version", presence_.daemon->version}, {"runs", presence_.daemon->scheduling}});
      changed_.notify();
    } else if (auto* statuses = std::get_if<Statuses>(&*answer)) {
      take(std::move(*statuses));
    } else if (const auto* refusal = std::get_if<Refusal>(&*answer)) {
      log::error("weft-bfd refuses", {{"why", refusal->message}});
      break;
    }
  }
  stream->close();
  co_await helpers.stop();
}

Task<> Client::bye() {
  leaving_ = true;
  if (!stream_) co_return;
  stream_->send(encode(Request(Bye{})));
  const auto until = Steady::now() + 1s;
  while (running_ && stream_ && stream_->is_open()) {
    const auto seen = changed_.version();
    const auto left = until - Steady::now();
    if (left <= Duration(0)) break;
    co_await changed_.changed_since(seen, left);
  }
}

}  // namespace weft::bfd
