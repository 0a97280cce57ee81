#include "bfd/server/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>

#include "base/log.h"
#include "bfd/loop/engine.h"

namespace weft::bfd {

Server::Server(asio::io_context& io, Loop& loop, DaemonInfo info, std::string socket)
    : io_(io),
      loop_(loop),
      info_(std::move(info)),
      path_(std::move(socket)),
      acceptor_(io),
      connections_(io, "bfd-server"),
      registry_(Engine::kMaxSessions) {}

Server::~Server() = default;

Result<> Server::listen() {
  if (acceptor_.is_open()) return {};
  boost::system::error_code ec;
  struct stat st{};
  if (::lstat(path_.c_str(), &st) == 0) {
    if (!S_ISSOCK(st.st_mode))
      return fail(Errc::exists, path_ + ": exists and is not a socket; remove it or choose another path");
    Local::socket probe(io_);
    probe.connect(Local::endpoint(path_), ec);
    if (!ec) return fail(Errc::exists, path_ + ": another weft-bfd answers there; stop it first");
    ::unlink(path_.c_str());
  }
  // Keys of sessions come this way: for the owner only.
  const auto old = ::umask(0177);
  acceptor_.open(Local(), ec);
  if (!ec) acceptor_.bind(Local::endpoint(path_), ec);
  ::umask(old);
  if (!ec) acceptor_.listen(asio::socket_base::max_listen_connections, ec);
  if (!ec) return {};
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  return fail(Errc::unavailable, fmt::format("socket {}: cannot be listened on: {}", path_, ec.message()));
}

Task<> Server::run() {
  if (auto r = listen(); !r) {
    log::error("bfd socket", {{"error", r.error().message}});
    co_return;
  }
  connections_.spawn("events", pump());
  co_await asio::this_coro::throw_if_cancelled(false);
  for (;;) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none) break;
    auto [ec, socket] = co_await acceptor_.async_accept(asio::as_tuple(asio::use_awaitable));
    if (ec == asio::error::operation_aborted) break;
    if (ec) {
      log::warn("bfd accept", {{"socket", path_}, {"error", ec.message()}});
      asio::steady_timer pause(io_, std::chrono::milliseconds(100));
      [[maybe_unused]] const auto [ignored] = co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
      continue;
    }
    const auto number = next_connection_++;
    connections_.spawn("client", serve(std::make_shared<LineStream>(io_, std::move(socket)), number));
  }
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await connections_.stop();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  ::unlink(path_.c_str());
  throw boost::system::system_error(asio::error::operation_aborted);
}

// ---- One client

Task<> Server::serve(std::shared_ptr<LineStream> stream, std::uint64_t number) {
  Scope writer(io_, "bfd-client");
  writer.spawn("write", LineStream::write_all(stream));
  std::string name;
  co_await converse(stream, number, name);
  // What was said last, a refusal perhaps, still goes out.
  stream->finish();
  for (int i = 0; i < 100 && stream->is_open(); ++i) co_await sleep_for(std::chrono::milliseconds(10));
  stream->close();
  co_await writer.stop();
}

Task<> Server::converse(std::shared_ptr<LineStream> stream, std::uint64_t number, std::string& name) {
  struct Leave {
    Server& server;
    std::string& name;
    std::uint64_t number;
    bool bye = false;
    ~Leave() { server.gone(name, number, bye); }
  } leave{*this, name, number};
  for (;;) {
    auto line = co_await stream->read_line(kMaxLine);
    if (!line) {
      if (line.error().code == Errc::invalid) stream->send(encode(Answer(Refusal{line.error().message})));
      co_return;
    }
    auto request = decode_request(*line);
    if (!request) {
      log::warn("bfd client", {{"client", name}, {"error", request.error().message}});
      stream->send(encode(Answer(Refusal{request.error().message})));
      co_return;
    }
    if (const auto* greeting = std::get_if<Hello>(&*request)) {
      name = greeting->client;
      hello(*greeting, stream, number);
    } else if (std::holds_alternative<AskOverview>(*request)) {
      stream->send(overview());
    } else if (name.empty()) {
      stream->send(encode(Answer(Refusal{"say hello first, with the name of the client"})));
      co_return;
    } else if (auto* want = std::get_if<WantSessions>(&*request)) {
      registry_.want(name, std::move(want->sessions));
      apply();
      stream->send(statuses_of(name));
    } else if (std::holds_alternative<Refresh>(*request)) {
      auto rows = loop_.snapshot();
      for (const auto& change : loop_.take()) learn(change);
      for (auto& row : rows)
        if (const auto known = rows_.find(row.key); known != rows_.end()) known->second = std::move(row);
      stream->send(statuses_of(name));
    } else {
      leave.bye = true;
      co_return;
    }
  }
}

void Server::hello(const Hello& hello, const std::shared_ptr<LineStream>& stream, std::uint64_t number) {
  Client& c = clients_[hello.client];
  if (c.stream && c.stream != stream) {
    log::info("bfd client replaced", {{"client", hello.client}});
    c.stream->close();
  }
  c = {stream, hello.linger, number};
  log::info("bfd client", {{"client", hello.client}, {"linger_ms", hello.linger.count()}});
  stream->send(encode(Answer(Welcome{info_})));
}

void Server::gone(const std::string& name, std::uint64_t number, bool bye) {
  const auto at = clients_.find(name);
  if (at == clients_.end() || at->second.connection != number) return;  // another connection has its place
  at->second.stream.reset();
  const auto linger = at->second.linger;
  if (bye || linger.count() == 0) {
    log::info("bfd client left", {{"client", name}});
    forget(name);
    return;
  }
  log::warn("bfd client vanished, its sessions go on", {{"client", name}, {"linger_ms", linger.count()}});
  connections_.spawn("linger", forget_after(name, number, linger));
}

Task<> Server::forget_after(std::string name, std::uint64_t connection, std::chrono::milliseconds linger) {
  co_await sleep_for(linger);
  const auto at = clients_.find(name);
  if (at == clients_.end() || at->second.connection != connection) co_return;
  log::warn("bfd client did not come back", {{"client", name}});
  forget(name);
}

void Server::forget(const std::string& name) {
  clients_.erase(name);
  registry_.forget(name);
  apply();
}

// ---- Sessions

void Server::apply() {
  loop_.set_sessions(registry_.merged());
  std::erase_if(rows_, [&](const auto& row) { return registry_.interested_in(row.first).empty(); });
}

Task<> Server::pump() {
  // A descriptor of our own for the same events: Asio closes what it is given.
  asio::posix::stream_descriptor events(io_, ::dup(loop_.event_fd()));
  for (;;) {
    co_await events.async_wait(asio::posix::descriptor_base::wait_read, asio::use_awaitable);
    for (const SessionStatus& status : loop_.take()) learn(status);
  }
}

void Server::learn(const SessionStatus& status) {
  if (registry_.interested_in(status.key).empty()) return;
  const auto known = rows_.find(status.key);
  const State before = known == rows_.end() ? State::down : known->second.state;
  if (before != status.state)
    log::write(status.state == State::down ? log::Level::warn : log::Level::info, "bfd session",
               {{"session", status.key.to_string()},
                {"was", to_string(before)},
                {"is", to_string(status.state)},
                {"why", status.why}});
  rows_[status.key] = status;
  if (status.source.port != 0 && registry_.learn_source(status.key, status.source.address)) {
    apply();
    for (const auto& [name, client] : clients_)
      if (client.stream) client.stream->send(statuses_of(name));
    return;
  }
  for (const auto& [name, key] : registry_.interested_in(status.key)) {
    const auto at = clients_.find(name);
    if (at == clients_.end() || !at->second.stream) continue;
    Statuses one;
    one.sessions.push_back(status);
    one.sessions.back().key = key;
    at->second.stream->send(encode(Answer(std::move(one))));
  }
}

std::string Server::statuses_of(const std::string& name) const {
  Statuses all;
  all.complete = true;
  for (const auto& [own, merged] : registry_.sessions_of(name)) {
    const auto known = rows_.find(merged);
    if (known != rows_.end()) {
      all.sessions.push_back(known->second);
    } else {
      SessionStatus fresh;
      fresh.why = "starting";
      fresh.since = Wall::now();
      all.sessions.push_back(std::move(fresh));
    }
    all.sessions.back().key = own;
  }
  for (auto& s : registry_.refused(name)) all.sessions.push_back(std::move(s));
  return encode(Answer(std::move(all)));
}

std::string Server::overview() {
  Overview o;
  o.daemon = info_;
  for (auto& status : loop_.snapshot()) {
    Overview::Row row;
    std::set<std::string> names;
    for (const auto& i : registry_.interested_in(status.key)) names.insert(i.client);
    row.clients.assign(names.begin(), names.end());
    row.status = std::move(status);
    o.rows.push_back(std::move(row));
  }
  const LoopHealth health = loop_.health();
  o.strays = health.strays;
  o.wakeups = health.wakeups;
  o.late_1ms = health.late_1ms;
  o.floods = health.floods;
  o.latest = std::chrono::duration_cast<std::chrono::microseconds>(health.latest);
  return encode(Answer(std::move(o)));
}

}  // namespace weft::bfd
