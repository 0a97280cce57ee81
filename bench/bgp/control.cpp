#include "bench/bgp/control.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

namespace weft::bgpbench {

std::string Control::ask(const std::string& request) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    if (!fd_) {
      fd_ = Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
      sockaddr_un address{};
      address.sun_family = AF_UNIX;
      path_.copy(address.sun_path, sizeof address.sun_path - 1);
      if (::connect(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
        fd_.reset();
        return {};
      }
      // A daemon that is busy with a million routes answers when it is done with some of them.
      const timeval limit{120, 0};
      ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    std::string answer;
    bool ok = ::send(fd_.get(), request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size());
    while (ok && !complete_(answer)) {
      char buffer[65536];
      const auto n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
      ok = n > 0;
      if (ok) answer.append(buffer, static_cast<std::size_t>(n));
    }
    if (ok) return answer;
    fd_.reset();
  }
  return {};
}

// Commands and answers end with zero bytes; an answer has three of them and its status.
Control frr_control(const interop::Host& host) {
  return {host, "/run/frr/bgpd.vty",
          [](const std::string& s) { return s.size() >= 4 && s.compare(s.size() - 4, 3, std::string(3, '\0')) == 0; }};
}

std::string ask_frr(Control& control, const std::string& command) {
  control.ask(std::string("enable") + '\0');
  std::string answer = control.ask(command + '\0');
  answer.resize(answer.size() >= 4 ? answer.size() - 4 : 0);
  return answer;
}

// Lines begin with a code; a blank behind it, instead of a dash, marks the last one. "0001 … ready." comes first of
// all.
Control bird_control(const interop::Host& host) {
  return {host, "/run/bird/bird.ctl", [](const std::string& s) {
            if (s.empty() || s.back() != '\n') return false;
            const auto line = s.rfind('\n', s.size() - 2);
            const auto begin = line == std::string::npos ? 0 : line + 1;
            return s.size() > begin + 5 && s[begin + 4] == ' ' && s.compare(begin, 4, "0001") != 0 && s[begin] != ' ';
          }};
}

Control weft_control(const interop::Host& host, const std::string& path) {
  return {host, path, [](const std::string& s) { return !s.empty() && s.back() == '\n'; }};
}

std::uint64_t number_after(const std::string& text, const std::string& label, std::uint64_t otherwise) {
  const auto at = text.find(label);
  if (at == std::string::npos) return otherwise;
  const auto digit = text.find_first_of("0123456789", at + label.size());
  return digit == std::string::npos ? otherwise : std::strtoull(text.c_str() + digit, nullptr, 10);
}

}  // namespace weft::bgpbench
