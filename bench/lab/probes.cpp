#include "probes.h"

#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include <boost/json.hpp>

#include <array>
#include <cerrno>
#include <cstring>
#include <deque>

#include "base/result.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kPodEvery = 2ms, kServiceEvery = 5ms;
constexpr auto kLost = 1s;

struct Target {
  sockaddr_storage address{};
  socklen_t size = 0;
};

// Of `port` on the address, or on any address of its family.
Target target_of(const Address& a, std::uint16_t port) {
  Target out;
  if (a.is_v4()) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    std::memcpy(&to.sin_addr, a.bytes().data(), a.bytes().size());
    std::memcpy(&out.address, &to, out.size = sizeof to);
  } else {
    sockaddr_in6 to{};
    to.sin6_family = AF_INET6;
    to.sin6_port = htons(port);
    std::memcpy(&to.sin6_addr, a.bytes().data(), a.bytes().size());
    std::memcpy(&out.address, &to, out.size = sizeof to);
  }
  return out;
}

// Connected, from port `from` (0: any). Unset when the system refuses, with the reason in errno.
Fd udp_to(const SocketAddress& to, std::uint16_t from) {
  Fd fd(::socket(to.address.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const Target here = target_of(Address::any(to.address.family()), from), there = target_of(to.address, to.port);
  if (!fd) return fd;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&here.address), here.size) != 0 ||
      ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&there.address), there.size) != 0) {
    const int why = errno;
    fd.reset();
    errno = why;
  }
  return fd;
}

bool ask(const Fd& fd) { return ::send(fd.get(), "?", 1, 0) == 1; }

// The answer, if there is one by now.
std::optional<std::string> answer(const Fd& fd) {
  std::array<char, 2048> bytes;
  const auto n = ::recv(fd.get(), bytes.data(), bytes.size(), 0);
  if (n <= 0) return std::nullopt;
  return std::string(bytes.data(), static_cast<std::size_t>(n));
}

std::string pod_of(const std::string& said) {
  boost::system::error_code ec;
  const auto v = boost::json::parse(said, ec);
  const auto* pod = !ec && v.is_object() ? v.get_object().if_contains("pod") : nullptr;
  return pod && pod->is_string() ? std::string(pod->get_string()) : std::string();
}

}  // namespace

PodProbe::PodProbe(int netns, const SocketAddress& pod) : thread_([this, netns, pod] { run(netns, pod); }) {}

PodProbe::~PodProbe() {
  ending_ = true;
  thread_.join();
}

void PodProbe::run(int netns, SocketAddress pod) {
  if (::setns(netns, CLONE_NEWNET) != 0) return;  // shows as a pod that never answers
  const Fd fd = udp_to(pod, 0);
  for (auto next = Steady::now(); fd && !ending_;) {
    if (Steady::now() >= next) {
      ask(fd);
      next = Steady::now() + kPodEvery;
    }
    pollfd p{fd.get(), POLLIN, 0};
    ::poll(&p, 1, 1);
    // A refusal (ICMP) reads as an error, which is no answer.
    while (answer(fd)) {
      const auto now = Steady::now();
      const std::scoped_lock lock(mutex_);
      if (!first_) first_ = now;
      last_ = now;
    }
  }
}

std::optional<Steady::time_point> PodProbe::first() const {
  const std::scoped_lock lock(mutex_);
  return first_;
}

std::optional<Steady::time_point> PodProbe::last() const {
  const std::scoped_lock lock(mutex_);
  return last_;
}

ServiceProbe::ServiceProbe(int netns, const SocketAddress& service, Ports& ports)
    : thread_([this, netns, service, &ports] { run(netns, service, ports); }) {}

ServiceProbe::~ServiceProbe() {
  if (thread_.joinable()) stop();
}

void ServiceProbe::run(int netns, SocketAddress service, Ports& ports) {
  struct Question {
    Fd fd;
    Steady::time_point asked;
  };
  std::deque<Question> open;
  const bool inside = ::setns(netns, CLONE_NEWNET) == 0;
  for (auto next = Steady::now(); inside && (!ending_ || !open.empty());) {
    if (!ending_ && Steady::now() >= next) {
      Fd fd = udp_to(service, ports.next());
      // Somebody else's, for a while.
      for (int more = 0; !fd && errno == EADDRINUSE && more < 10; ++more) fd = udp_to(service, ports.next());
      next = Steady::now() + kServiceEvery;
      // A question that the kernel does not take (no route) was asked all the same: it is lost.
      const std::string why = fd ? "" : errno_error("UDP to " + service.to_string(), errno).message;
      if (fd) ask(fd);
      open.push_back({std::move(fd), Steady::now()});
      const std::scoped_lock lock(mutex_);
      ++counts_.sent;
      if (!why.empty()) counts_.error = why;
    }
    pollfd youngest{open.empty() ? -1 : open.back().fd.get(), POLLIN, 0};
    ::poll(&youngest, 1, 1);
    const std::scoped_lock lock(mutex_);
    std::erase_if(open, [&](const Question& q) {
      if (q.fd)
        if (const auto said = answer(q.fd)) {
          ++counts_.by_pod[pod_of(*said)];
          return true;
        }
      if (Steady::now() < q.asked + kLost) return false;
      ++counts_.lost;
      return true;
    });
  }
  const std::scoped_lock lock(mutex_);
  if (!inside) counts_.error = "entering the client's network namespace failed";
}

ServiceProbe::Counts ServiceProbe::counts() const {
  const std::scoped_lock lock(mutex_);
  return counts_;
}

ServiceProbe::Counts ServiceProbe::stop() {
  ending_ = true;
  thread_.join();
  return counts();
}

}  // namespace weft::bench
