#include "tests/bpf/testbed.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/epoll.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace weft::testing_bpf {

SocketAddress at(const std::string& text) {
  const auto a = SocketAddress::parse(text);
  if (!a) log::fatal(a.error().message, __FILE__, __LINE__);
  return *a;
}
FrontendKey tcp(const std::string& text) { return {at(text), Protocol::tcp}; }
FrontendKey udp(const std::string& text) { return {at(text), Protocol::udp}; }

Frontend row(FrontendKey frontend, const std::vector<std::string>& active,
             const std::vector<std::string>& terminating) {
  Frontend f;
  f.address = std::move(frontend);
  f.service = {"default", "test"};
  for (const auto& a : active) f.backends.push_back({.address = at(a)});
  for (const auto& a : terminating) f.backends.push_back({.address = at(a), .state = BackendState::terminating});
  return f;
}

void add_loopback_address(const std::string& address) {
  const std::string length = address.find(':') == std::string::npos ? "/32" : "/128 nodad";
  const std::string command = "ip link set lo up && ip addr replace " + address + length + " dev lo";
  ASSERT_EQ(system(command.c_str()), 0) << command;
}

RawAddress raw(const SocketAddress& a, bool mapped) {
  RawAddress out;
  if (a.address.is_v4() && !mapped) {
    auto* sin = reinterpret_cast<sockaddr_in*>(&out.storage);
    sin->sin_family = AF_INET;
    sin->sin_port = htons(a.port);
    std::memcpy(&sin->sin_addr, a.address.bytes().data(), 4);
    out.length = sizeof *sin;
    return out;
  }
  auto* sin6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  sin6->sin6_family = AF_INET6;
  sin6->sin6_port = htons(a.port);
  if (a.address.is_v4()) {
    sin6->sin6_addr.s6_addr[10] = sin6->sin6_addr.s6_addr[11] = 0xff;
    std::memcpy(sin6->sin6_addr.s6_addr + 12, a.address.bytes().data(), 4);
  } else {
    std::memcpy(&sin6->sin6_addr, a.address.bytes().data(), 16);
  }
  out.length = sizeof *sin6;
  return out;
}

std::string text(const sockaddr_storage& a) {
  char buffer[INET6_ADDRSTRLEN];
  if (a.ss_family == AF_INET) {
    const auto& sin = reinterpret_cast<const sockaddr_in&>(a);
    return fmt::format("{}:{}", inet_ntop(AF_INET, &sin.sin_addr, buffer, sizeof buffer), ntohs(sin.sin_port));
  }
  const auto& sin6 = reinterpret_cast<const sockaddr_in6&>(a);
  return fmt::format("[{}]:{}", inet_ntop(AF_INET6, &sin6.sin6_addr, buffer, sizeof buffer), ntohs(sin6.sin6_port));
}

std::string peer_name(int fd) {
  sockaddr_storage peer{};
  socklen_t length = sizeof peer;
  return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0 ? text(peer) : std::string("none");
}

// ---- Servers

Servers::Servers() : epoll_(epoll_create1(EPOLL_CLOEXEC)), thread_([this] { run(); }) {}

Servers::~Servers() {
  stop_ = true;
  thread_.join();
  for (const auto& [fd, where] : listeners_) ::close(fd);
}

void Servers::listen(const FrontendKey& where) {
  const bool stream = where.protocol == Protocol::tcp;
  const RawAddress address = raw(where.address);
  const int fd =
      socket(address.get()->sa_family, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  ASSERT_EQ(bind(fd, address.get(), address.length), 0) << where.to_string() << ": " << strerror(errno);
  if (stream) {
    ASSERT_EQ(::listen(fd, 4096), 0) << strerror(errno);
  }
  const std::lock_guard lock(mutex_);
  listeners_.emplace(fd, where);
  epoll_event e{.events = EPOLLIN, .data = {.fd = fd}};
  ASSERT_EQ(epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &e), 0);
}

void Servers::close(const FrontendKey& where) {
  const std::lock_guard lock(mutex_);
  std::erase_if(listeners_, [&](const auto& l) {
    if (l.second != where) return false;
    ::close(l.first);
    return true;
  });
}

void Servers::run() {
  while (!stop_) {
    epoll_event events[64];
    const int n = epoll_wait(epoll_.get(), events, 64, 20);
    const std::lock_guard lock(mutex_);
    for (int i = 0; i < n; ++i) {
      const auto it = listeners_.find(events[i].data.fd);
      if (it == listeners_.end()) continue;
      const std::string name = it->second.address.to_string();
      if (it->second.protocol == Protocol::tcp) {
        for (;;) {
          const Fd peer(accept4(it->first, nullptr, nullptr, SOCK_CLOEXEC));
          if (!peer) break;
          (void)!write(peer.get(), name.data(), name.size());
        }
      } else {
        char buffer[64];
        sockaddr_storage from{};
        socklen_t length = sizeof from;
        while (recvfrom(it->first, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length) >= 0)
          sendto(it->first, name.data(), name.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
      }
    }
  }
}

// ---- clients

namespace {

Fd client_socket(const SocketAddress& like, int type, const Call& call) {
  const int family = like.address.is_v6() || call.mapped ? AF_INET6 : AF_INET;
  Fd fd(socket(family, type | SOCK_CLOEXEC, call.protocol));
  if (!fd) return fd;
  const timeval limit{.tv_sec = 5, .tv_usec = 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  if (type == SOCK_STREAM) {
    // No TIME_WAIT: ten thousand connections in a row must not run out of ports.
    const linger hard{.l_onoff = 1, .l_linger = 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
  }
  if (!call.source.empty()) {
    const RawAddress source = raw({*Address::parse(call.source), 0}, call.mapped);
    if (bind(fd.get(), source.get(), source.length) != 0) return {};
  }
  return fd;
}

Answer failed() { return {.error = errno}; }

}  // namespace

std::string Answer::to_string() const { return error ? strerrorname_np(error) : server + " as " + peer; }

Fd udp_socket(const SocketAddress& like, const Call& call) { return client_socket(like, SOCK_DGRAM, call); }

Answer tcp_call(const SocketAddress& to, const Call& call) {
  const Fd fd = client_socket(to, SOCK_STREAM, call);
  const RawAddress address = raw(to, call.mapped);
  if (!fd || connect(fd.get(), address.get(), address.length) != 0) return failed();
  Answer out{.server = {}, .peer = peer_name(fd.get())};
  char buffer[128];
  for (ssize_t n; (n = read(fd.get(), buffer, sizeof buffer)) != 0;) {
    if (n < 0) return failed();
    out.server.append(buffer, static_cast<std::size_t>(n));
  }
  return out;
}

Answer udp_connected_call(const SocketAddress& to, const Call& call) {
  const Fd fd = client_socket(to, SOCK_DGRAM, call);
  const RawAddress address = raw(to, call.mapped);
  if (!fd || connect(fd.get(), address.get(), address.length) != 0) return failed();
  char buffer[128];
  if (send(fd.get(), "?", 1, 0) != 1) return failed();
  const ssize_t n = recv(fd.get(), buffer, sizeof buffer, 0);
  if (n < 0) return failed();
  return {.server = {buffer, static_cast<std::size_t>(n)}, .peer = peer_name(fd.get())};
}

Answer udp_call(const SocketAddress& to, const Call& call, int use) {
  Fd own;
  if (use < 0) {
    own = client_socket(to, SOCK_DGRAM, call);
    use = own.get();
  }
  const RawAddress address = raw(to, call.mapped);
  if (sendto(use, "?", 1, 0, address.get(), address.length) != 1) return failed();
  char buffer[128];
  sockaddr_storage from{};
  socklen_t length = sizeof from;
  const ssize_t n = recvfrom(use, buffer, sizeof buffer, 0, reinterpret_cast<sockaddr*>(&from), &length);
  if (n < 0) return failed();
  return {.server = {buffer, static_cast<std::size_t>(n)}, .peer = text(from)};
}

// ---- Lb

LbSizes Lb::small() {
  return {.frontends = 256,
          .backends = 1024,
          .slots = 65'536,
          .members = 1024,
          .sticky = 4096,
          .connected = 16'384,
          .reverse = 4096,
          .maglev_table = 1021};
}

Lb::Lb(KernelFeatures features, LbSizes sizes, LbReconciler::Options options, std::uint32_t maglev_salt) {
  auto loaded =
      SockLb::load({.bpffs = bpffs(), .cgroup = cgroup(), .sizes = sizes, .maglev_salt = maglev_salt}, features);
  if (!loaded) log::fatal(loaded.error().message, __FILE__, __LINE__);
  sock = std::move(*loaded);
  reconciler = std::make_unique<LbReconciler>(io, sock->maps(), std::move(options));
  if (auto r = reconciler->adopt(); !r) log::fatal(r.error().message, __FILE__, __LINE__);
}

namespace {

void run(asio::io_context& io, Task<Result<>> task, LbReconciler& lb) {
  bool done = false;
  const auto body = [](Task<Result<>> t, LbReconciler& l, bool& d) -> Task<> {
    auto r = co_await std::move(t);
    if (!r) ADD_FAILURE() << r.error().message;
    auto f = co_await l.flush();
    if (!f) ADD_FAILURE() << f.error().message;
    d = true;
  };
  asio::co_spawn(io, body(std::move(task), lb, done), asio::detached);
  io.restart();
  while (!done) io.run_one();
}

}  // namespace

void Lb::apply(const Frontend& r) { run(io, reconciler->update(r), *reconciler); }
void Lb::remove(const FrontendKey& key) { run(io, reconciler->remove(key), *reconciler); }
void Lb::prune(Table<Frontend>& table) { run(io, reconciler->prune(table), *reconciler); }

}  // namespace weft::testing_bpf
