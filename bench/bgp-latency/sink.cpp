#include "sink.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <boost/asio/post.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <stdexcept>

namespace weft::bench {
namespace {

constexpr int kKeepaliveEvery = 10'000;  // milliseconds
constexpr std::uint16_t kHoldTime = 90;

Fd tcp_socket() {
  Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) throw std::runtime_error(std::string("socket: ") + std::strerror(errno));
  return fd;
}

sockaddr_in at(const std::string& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  ::inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

Fd listener(const std::string& address, std::uint16_t port) {
  Fd fd = tcp_socket();
  const int on = 1;
  ::setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto where = at(address, port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0 || ::listen(fd.get(), 4) != 0)
    throw std::runtime_error(address + ": cannot listen: " + std::strerror(errno));
  return fd;
}

}  // namespace

struct Sink::Thread {
  boost::asio::io_context& io;
  bgp::Asn asn;
  std::function<void(Arrival)> told;
  Fd bgp_listener, ping_end, stop, session;
  bgp::Context context;
  std::vector<std::uint8_t> buffer;
  mutable std::mutex mutex;
  std::string why;

  void run();
  void accept_session();
  bool read_session();
  void take(const bgp::Message& message, std::size_t bytes, Steady::time_point when);
  void send(const bgp::Message& message) {
    const auto bytes = bgp::encode(message, context);
    if (::send(session.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      end("it takes no message");
  }
  void end(std::string words) {
    const std::scoped_lock lock(mutex);
    why = std::move(words);
    session.reset();
    buffer.clear();
  }
  void tell(Arrival arrival) {
    boost::asio::post(io, [this, a = std::move(arrival)]() mutable { told(std::move(a)); });
  }
};

void Sink::Thread::accept_session() {
  session = Fd(::accept4(bgp_listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
  buffer.clear();
  context = {};
  bgp::Capabilities capabilities;
  capabilities.families = {bgp::kIpv4Unicast};
  capabilities.four_octet_asn = asn;
  send(bgp::Open{asn, kHoldTime, bgp::RouterId{0xc0000202}, capabilities});
}

void Sink::Thread::take(const bgp::Message& message, std::size_t bytes, Steady::time_point when) {
  if (std::holds_alternative<bgp::Open>(message)) {
    context.four_octet_asn = true;
    send(bgp::Keepalive{});
  } else if (const auto* n = std::get_if<bgp::Notification>(&message)) {
    end("the speaker says " + n->to_string());
  } else if (const auto* u = std::get_if<bgp::Update>(&message)) {
    Arrival a{.when = when, .bytes = bytes, .announced = {}, .withdrawn = u->withdrawn};
    for (const auto& reach : u->announced)
      a.announced.insert(a.announced.end(), reach.prefixes.begin(), reach.prefixes.end());
    tell(std::move(a));
  }
}

bool Sink::Thread::read_session() {
  std::array<std::uint8_t, 65536> bytes;
  const auto n = ::recv(session.get(), bytes.data(), bytes.size(), 0);
  const auto when = Steady::now();
  if (n <= 0) return false;
  buffer.insert(buffer.end(), bytes.begin(), bytes.begin() + n);
  std::size_t done = 0;
  while (session && buffer.size() - done >= bgp::kHeaderSize) {
    const auto rest = std::span(buffer).subspan(done);
    const auto length = bgp::message_length(rest, context);
    if (!length) return false;
    if (rest.size() < *length) break;
    const auto decoded = bgp::decode(rest.first(*length), context);
    if (!decoded) return false;
    done += *length;
    take(decoded->message, *length, when);
  }
  if (session) buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(done));
  return true;
}

void Sink::Thread::run() {
  auto next_keepalive = Steady::now() + std::chrono::milliseconds(kKeepaliveEvery);
  for (;;) {
    std::array<pollfd, 4> fds{{{stop.get(), POLLIN, 0},
                               {ping_end.get(), POLLIN, 0},
                               {bgp_listener.get(), POLLIN, 0},
                               {session.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), kKeepaliveEvery);
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0) {
      std::array<std::uint8_t, 8192> bytes;
      const auto n = ::recv(ping_end.get(), bytes.data(), bytes.size(), 0);
      const auto when = Steady::now();
      if (n > 0)
        tell({.when = when, .ping = true, .bytes = static_cast<std::size_t>(n), .announced = {}, .withdrawn = {}});
    }
    if (session && fds[3].revents != 0 && !read_session()) end("the connection ended");
    if (fds[2].revents != 0) accept_session();
    if (session && Steady::now() >= next_keepalive) {
      send(bgp::Keepalive{});
      next_keepalive = Steady::now() + std::chrono::milliseconds(kKeepaliveEvery);
    }
  }
}

Sink::Sink(boost::asio::io_context& io, const std::string& address, bgp::Asn asn, std::function<void(Arrival)> told)
    : state_(new Thread{.io = io, .asn = asn, .told = std::move(told), .why = "the speaker has not connected yet"}) {
  state_->bgp_listener = listener(address, 179);
  state_->stop = Fd(::eventfd(0, EFD_CLOEXEC));
  const Fd once = listener(address, 0);
  sockaddr_in where{};
  socklen_t size = sizeof where;
  ::getsockname(once.get(), reinterpret_cast<sockaddr*>(&where), &size);
  ping_ = tcp_socket();
  if (::connect(ping_.get(), reinterpret_cast<const sockaddr*>(&where), sizeof where) != 0)
    throw std::runtime_error(address + ": cannot connect: " + std::strerror(errno));
  const int on = 1;
  ::setsockopt(ping_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  state_->ping_end = Fd(::accept4(once.get(), nullptr, nullptr, SOCK_CLOEXEC));
  thread_ = std::thread([state = state_] { state->run(); });
}

Sink::~Sink() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(state_->stop.get(), &one, sizeof one);
  thread_.join();
}

void Sink::ping(std::size_t bytes) {
  const std::vector<std::uint8_t> payload(bytes, 0);
  if (::send(ping_.get(), payload.data(), payload.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes))
    throw std::runtime_error(std::string("ping: ") + std::strerror(errno));
}

std::string Sink::trouble() const {
  const std::scoped_lock lock(state_->mutex);
  return state_->why;
}

}  // namespace weft::bench
