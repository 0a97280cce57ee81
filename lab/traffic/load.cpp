// weft-lab-load: sends bounded HTTP requests to one URL and says who answered.
//
//   weft-lab-load --count 200 http://api-server.shop.svc.cluster.local/
//   200 requests: 200 ok, 0 failed, longest gap 3 ms
//     cluster1  103   51.5 %
//     cluster2   97   48.5 %
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <CLI/CLI.hpp>

#include <boost/json.hpp>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <map>
#include <thread>

#include "base/fd.h"
#include "base/result.h"

namespace weft::lab {
namespace {

using Clock = std::chrono::steady_clock;

struct Target {
  std::string host;
  std::string port = "80";
};

struct Settings {
  Target target;
  int family = AF_UNSPEC;
  unsigned count = 200;
  unsigned duration_seconds = 0;
  unsigned interval_ms = 0;
  unsigned timeout_ms = 2000;
  bool keepalive = false;
};

struct Tally {
  unsigned ok = 0;
  unsigned failed = 0;
  unsigned reconnects = 0;
  std::map<std::string, unsigned> by_cluster, by_pod, errors, clients;
  std::chrono::nanoseconds longest_gap{0};
  std::string last_cluster_change;
};

Result<Target> parse_url(std::string url) {
  if (url.starts_with("http://")) url.erase(0, 7);
  if (const auto slash = url.find('/'); slash != std::string::npos) url.erase(slash);
  Target t;
  if (url.starts_with("[")) {
    const auto end = url.find(']');
    if (end == std::string::npos) return fail(Errc::invalid, "URL: '[' without ']'");
    t.host = url.substr(1, end - 1);
    if (end + 1 < url.size() && url[end + 1] == ':') t.port = url.substr(end + 2);
  } else if (const auto colon = url.rfind(':'); colon != std::string::npos) {
    t.host = url.substr(0, colon);
    t.port = url.substr(colon + 1);
  } else {
    t.host = url;
  }
  if (t.host.empty()) return fail(Errc::invalid, "URL: no host; use http://HOST[:PORT]/");
  return t;
}

Result<Fd> dial(const Settings& s) {
  addrinfo hints{};
  hints.ai_family = s.family;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int rc = getaddrinfo(s.target.host.c_str(), s.target.port.c_str(), &hints, &found); rc != 0)
    return fail(Errc::not_found, std::string("resolve: ") + gai_strerror(rc));
  Fd fd(::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int rc = ::connect(fd.get(), found->ai_addr, found->ai_addrlen);
  const int connect_errno = errno;
  freeaddrinfo(found);
  if (rc != 0 && connect_errno != EINPROGRESS) return fail(errno_error("connect", connect_errno));
  pollfd p{fd.get(), POLLOUT, 0};
  if (::poll(&p, 1, static_cast<int>(s.timeout_ms)) <= 0) return fail(Errc::timeout, "connect: timed out");
  int err = 0;
  socklen_t len = sizeof err;
  ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &err, &len);
  if (err != 0) return fail(errno_error("connect", err));
  int one = 1;
  ::setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

Result<std::string> exchange(const Settings& s, int fd) {
  const std::string request =
      "GET / HTTP/1.1\r\nHost: " + s.target.host + (s.keepalive ? "\r\n\r\n" : "\r\nConnection: close\r\n\r\n");
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(request.size()))
    return fail(errno_error("send", errno));
  std::string reply;
  for (;;) {
    pollfd p{fd, POLLIN, 0};
    if (::poll(&p, 1, static_cast<int>(s.timeout_ms)) <= 0) return fail(Errc::timeout, "answer: timed out");
    char buffer[4096];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n < 0) return fail(errno_error("receive", errno));
    if (n == 0) return fail(Errc::unavailable, "receive: connection closed");
    reply.append(buffer, static_cast<std::size_t>(n));
    const auto head = reply.find("\r\n\r\n");
    if (head != std::string::npos && reply.size() > head + 4 && reply.back() == '\n') return reply.substr(head + 4);
  }
}

Tally run(const Settings& s) {
  Tally t;
  Fd held;
  const auto start = Clock::now();
  auto last_ok = start;
  const auto more = [&](unsigned done) {
    return s.duration_seconds > 0 ? Clock::now() - start < std::chrono::seconds(s.duration_seconds) : done < s.count;
  };
  for (unsigned i = 0; more(i); ++i) {
    Result<std::string> answer = fail(Errc::internal, "");
    if (!held) {
      auto fd = dial(s);
      if (fd) {
        held = std::move(*fd);
        if (s.keepalive && i > 0) ++t.reconnects;
      } else {
        answer = fail(fd.error());
      }
    }
    if (held) answer = exchange(s, held.get());
    if (!s.keepalive || !answer) held.reset();
    const auto now = Clock::now();
    if (answer) {
      ++t.ok;
      t.longest_gap = std::max(t.longest_gap, std::chrono::nanoseconds(now - last_ok));
      last_ok = now;
      boost::system::error_code ec;
      const auto json = boost::json::parse(*answer, ec);
      const auto text = [&](const char* key) {
        return !ec && json.is_object() && json.as_object().contains(key) ? std::string(json.at(key).as_string())
                                                                         : std::string("?");
      };
      ++t.by_cluster[text("cluster")];
      ++t.by_pod[text("pod")];
      ++t.clients[text("client")];
    } else {
      ++t.failed;
      ++t.errors[answer.error().message];
    }
    if (s.interval_ms > 0) std::this_thread::sleep_for(std::chrono::milliseconds(s.interval_ms));
  }
  t.longest_gap = std::max(t.longest_gap, std::chrono::nanoseconds(Clock::now() - last_ok));
  return t;
}

boost::json::object as_json(const std::map<std::string, unsigned>& m) {
  boost::json::object out;
  for (const auto& [k, v] : m) out[k] = v;
  return out;
}

void print(const Tally& t, bool json) {
  const double gap = std::chrono::duration<double, std::milli>(t.longest_gap).count();
  if (json) {
    std::puts(boost::json::serialize(boost::json::object{{"requests", t.ok + t.failed},
                                                         {"ok", t.ok},
                                                         {"failed", t.failed},
                                                         {"reconnects", t.reconnects},
                                                         {"longestGapMs", gap},
                                                         {"clusters", as_json(t.by_cluster)},
                                                         {"pods", as_json(t.by_pod)},
                                                         {"clients", as_json(t.clients)},
                                                         {"errors", as_json(t.errors)}})
                  .c_str());
    return;
  }
  std::printf("%u requests: %u ok, %u failed, longest gap %.1f ms\n", t.ok + t.failed, t.ok, t.failed, gap);
  for (const auto& [name, n] : t.by_cluster)
    std::printf("  %-12s %6u  %5.1f %%\n", name.c_str(), n, 100.0 * n / std::max(1u, t.ok));
  for (const auto& [name, n] : t.errors) std::printf("  failed: %s (%u times)\n", name.c_str(), n);
}

}  // namespace
}  // namespace weft::lab

int main(int argc, char** argv) {
  using namespace weft::lab;
  CLI::App app{"Sends bounded HTTP requests to one URL and says who answered"};
  Settings s;
  std::string url, output = "text";
  bool v4 = false, v6 = false;
  app.add_option("url", url, "http://HOST[:PORT]/")->required();
  app.add_option("--count", s.count, "how many requests")->check(CLI::Range(1u, 10'000'000u));
  app.add_option("--duration", s.duration_seconds, "run for so many seconds instead of a count")
      ->check(CLI::Range(1u, 600u));
  app.add_option("--interval", s.interval_ms, "milliseconds between two requests");
  app.add_option("--timeout", s.timeout_ms, "milliseconds for each step of a request");
  app.add_flag("--keepalive", s.keepalive, "all requests on one connection, a new one only when that breaks");
  app.add_flag("-4", v4, "IPv4 only");
  app.add_flag("-6", v6, "IPv6 only");
  app.add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  CLI11_PARSE(app, argc, argv);
  s.family = v6 ? AF_INET6 : v4 ? AF_INET : AF_UNSPEC;
  auto target = parse_url(url);
  if (!target) {
    std::fprintf(stderr, "%s\n", target.error().message.c_str());
    return 2;
  }
  s.target = *target;
  const Tally t = run(s);
  print(t, output == "json");
  return t.ok > 0 && t.failed == 0 ? 0 : 1;
}
