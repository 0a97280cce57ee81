#include "tests/interop/harness/raw_peer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace weft::interop {
namespace {

using Clock = std::chrono::steady_clock;

socklen_t fill(sockaddr_storage& s, const std::string& text, unsigned port) {
  std::memset(&s, 0, sizeof s);
  const std::string bytes = packet::address(text);
  if (bytes.size() == 4) {
    auto& in = reinterpret_cast<sockaddr_in&>(s);
    in.sin_family = AF_INET;
    in.sin_port = htons(static_cast<std::uint16_t>(port));
    std::memcpy(&in.sin_addr, bytes.data(), 4);
    return sizeof in;
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(s);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(static_cast<std::uint16_t>(port));
  std::memcpy(&in.sin6_addr, bytes.data(), 16);
  return sizeof in;
}

int left(Clock::time_point deadline) {
  const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::max<std::int64_t>(ms, 0));
}

}  // namespace

std::string RawMessage::to_string() const {
  static constexpr const char* kNames[] = {"?", "OPEN", "UPDATE", "NOTIFICATION", "KEEPALIVE", "ROUTE-REFRESH"};
  std::string out = type < std::size(kNames) ? kNames[type] : "?";
  if (type == packet::kNotification && body.size() >= 2)
    out += fmt::format(" {}/{}", static_cast<unsigned char>(body[0]), static_cast<unsigned char>(body[1]));
  return out;
}

bool RawMessage::is_notification(unsigned code, unsigned subcode) const {
  return type == packet::kNotification && body.size() >= 2 && static_cast<unsigned char>(body[0]) == code &&
         static_cast<unsigned char>(body[1]) == subcode;
}

RawPeer::RawPeer(const Host& host, const std::string& from, const std::string& to, std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  std::string why;
  do {
    host.in_network([&] {
      sockaddr_storage mine{}, theirs{};
      const socklen_t mine_size = fill(mine, from, 0), size = fill(theirs, to, 179);
      Fd fd(::socket(theirs.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
      const timeval patience{5, 0};
      ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
      if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&mine), mine_size) != 0 ||
          ::connect(fd.get(), reinterpret_cast<sockaddr*>(&theirs), size) != 0) {
        why = std::strerror(errno);
        return;
      }
      fd_ = std::move(fd);
    });
    if (fd_) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  } while (Clock::now() < deadline);
  throw std::runtime_error(host.name() + ": connecting to " + to + ": " + why);
}

void RawPeer::send(const std::string& bytes) {
  std::size_t sent = 0;
  while (sent < bytes.size()) {
    const auto n = ::send(fd_.get(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
    if (n <= 0) return;  // the other side has closed: what it answered says why
    sent += static_cast<std::size_t>(n);
  }
}

std::optional<RawMessage> RawPeer::receive(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    if (buffer_.size() >= 19) {
      const auto length = static_cast<std::size_t>(static_cast<unsigned char>(buffer_[16]) << 8 |
                                                   static_cast<unsigned char>(buffer_[17]));
      if (length >= 19 && buffer_.size() >= length) {
        RawMessage m{static_cast<unsigned char>(buffer_[18]), buffer_.substr(19, length - 19)};
        buffer_.erase(0, length);
        return m;
      }
    }
    pollfd ready{fd_.get(), POLLIN, 0};
    if (ended_ || ::poll(&ready, 1, left(deadline)) != 1) return std::nullopt;
    char bytes[65536];
    const auto n = ::recv(fd_.get(), bytes, sizeof bytes, 0);
    if (n > 0) {
      buffer_.append(bytes, static_cast<std::size_t>(n));
    } else {
      ended_ = true;
    }
  }
}

bool RawPeer::greeted(std::chrono::milliseconds limit) {
  const auto m = receive(limit);
  if (m) buffer_.insert(0, packet::message(m->type, m->body));
  return m && m->type == packet::kOpen;
}

std::optional<RawMessage> RawPeer::notification(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  for (;;) {
    auto m = receive(std::chrono::milliseconds(left(deadline)));
    if (!m || m->type == packet::kNotification) return m;
  }
}

bool RawPeer::closed(std::chrono::milliseconds limit) {
  const auto deadline = Clock::now() + limit;
  while (receive(std::chrono::milliseconds(left(deadline)))) {
  }
  return ended_;
}

RawMessage RawPeer::handshake(const packet::Open& open) {
  send(packet::open(open));
  const auto answer = receive();
  if (!answer || answer->type != packet::kOpen)
    throw std::runtime_error("instead of OPEN: " + (answer ? answer->to_string() : "nothing"));
  send(packet::keepalive());
  const auto keepalive = receive();
  if (!keepalive || keepalive->type != packet::kKeepalive)
    throw std::runtime_error("instead of KEEPALIVE: " + (keepalive ? keepalive->to_string() : "nothing"));
  return *answer;
}

}  // namespace weft::interop
