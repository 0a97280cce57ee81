#include "agent_client.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace weft::cni {

namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::unexpected<Failure> failure(bool down, std::string why) { return std::unexpected(Failure{down, std::move(why)}); }

}  // namespace

std::expected<std::string, Failure> post(const std::string& path, const std::string& target, const std::string& body,
                                         int seconds) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return failure(false, "socket path " + path + ": longer than 107 characters");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  const Descriptor s{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  if (s.fd < 0) return failure(false, std::string("socket: ") + std::strerror(errno));
  const timeval limit{seconds, 0};
  ::setsockopt(s.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(s.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (::connect(s.fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return failure(true, path + ": " + std::strerror(errno));

  const std::string request =
      "POST " + target +
      " HTTP/1.1\r\nHost: weft\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
      "\r\nConnection: close\r\n\r\n" + body;
  for (std::size_t sent = 0; sent < request.size();) {
    const ssize_t n = ::send(s.fd, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return failure(true, "sending to " + path + ": " + std::strerror(errno));
    sent += static_cast<std::size_t>(n);
  }
  std::string answer;
  char buffer[8192];
  for (;;) {
    const ssize_t n = ::recv(s.fd, buffer, sizeof buffer, 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0)
      return failure(true,
                     "no answer from " + path + " within " + std::to_string(seconds) + " s: " + std::strerror(errno));
    if (n == 0) break;
    answer.append(buffer, static_cast<std::size_t>(n));
  }
  const auto head = answer.find("\r\n\r\n");
  if (head == std::string::npos) return failure(true, path + ": the agent closed the connection without an answer");
  if (answer.compare(0, 9, "HTTP/1.1 ") != 0 || answer.compare(9, 3, "200") != 0)
    return failure(false,
                   "the agent answered " + answer.substr(0, answer.find("\r\n")) + " " + answer.substr(head + 4));
  return answer.substr(head + 4);
}

}  // namespace weft::cni
