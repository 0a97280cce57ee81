#include "bench/bgp/crowd.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <memory>
#include <new>
#include <stdexcept>

#include "base/fd.h"
#include "bench/bgp/routes.h"
#include "tests/interop/harness/packet.h"

namespace weft::bgpbench {

namespace packet = interop::packet;
using Clock = std::chrono::steady_clock;

namespace {

constexpr unsigned kHoldTime = 90;
constexpr std::uint32_t kMaxRoutes = 1u << 20;

// All routes as UPDATEs full to the brim, set by set.
std::string encode(std::uint32_t count, std::uint32_t asn, const std::string& hop) {
  std::string out;
  for (unsigned k = 0; k < kSets; ++k) {
    const std::string attributes = packet::origin() + packet::as_path({asn}) + packet::next_hop(hop) +
                                   packet::communities({community(k, 0), community(k, 1)});
    std::string nlri;
    for (std::uint32_t n = k; n < count; n += kSets) {
      nlri += packet::prefix(route(n));
      if (nlri.size() + attributes.size() + 23 + 4 > 4096 || n + kSets >= count) {
        out += packet::update({}, attributes, nlri);
        nlri.clear();
      }
    }
  }
  return out + packet::update({}, {}, {});  // End-of-RIB
}

sockaddr_in endpoint(const std::string& text, std::uint16_t port) {
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  ::inet_pton(AF_INET, text.c_str(), &a.sin_addr);
  return a;
}

unsigned byte(const std::string& s, std::size_t at) { return static_cast<unsigned char>(s[at]); }

}  // namespace

// One session. Blocks never: what it wants to write waits for the socket.
class Member {
 public:
  Member(const CrowdOptions& o, std::size_t index, Crowd::Shared& shared, const std::string& routes)
      : options_(o), index_(index), shared_(shared), routes_(routes), seen_(kMaxRoutes) {}

  int fd() const { return fd_.get(); }
  short wants() const {
    return static_cast<short>(POLLIN | (out_.empty() && left_.empty() && !connecting_ ? 0 : POLLOUT));
  }

  void tick(Clock::time_point now) {
    if (!fd_ && now >= retry_) connect();
    if (up_ && now >= keepalive_) {
      out_ += packet::keepalive();
      keepalive_ = now + std::chrono::seconds(kHoldTime / 3);
    }
  }

  void on(short events) {
    if (connecting_ && (events & (POLLOUT | POLLERR | POLLHUP))) {
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return drop();
      connecting_ = false;
      out_ = packet::open({.asn = options_.asn,
                           .hold_time = kHoldTime,
                           .router_id = options_.from[index_],
                           .capabilities = packet::usual_capabilities(options_.asn)});
    }
    if (connecting_) return;
    if (events & (POLLIN | POLLERR | POLLHUP)) read();
    if (fd_ && (events & POLLOUT)) write();
  }

 private:
  void connect() {
    fd_ = Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const auto mine = endpoint(options_.from[index_], 0), theirs = endpoint(options_.to, 179);
    const int on = 1;
    ::setsockopt(fd_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&mine), sizeof mine) != 0 ||
        (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&theirs), sizeof theirs) != 0 && errno != EINPROGRESS))
      return drop();
    connecting_ = true;
  }

  void drop() {
    if (up_) --shared_.established;
    if (written_) --shared_.written;
    written_ = false;
    fd_.reset();
    up_ = connecting_ = false;
    in_.clear();
    out_.clear();
    left_ = {};
    seen_.assign(kMaxRoutes, false);
    count_ = 0;
    shared_.routes[index_] = 0;
    retry_ = Clock::now() + std::chrono::milliseconds(50);
  }

  void read() {
    char buffer[262144];
    const auto n = ::recv(fd_.get(), buffer, sizeof buffer, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) return drop();
    if (n > 0) in_.append(buffer, static_cast<std::size_t>(n));
    std::size_t at = 0;
    while (in_.size() - at >= 19) {
      const std::size_t length = byte(in_, at + 16) << 8 | byte(in_, at + 17);
      if (length < 19) return drop();
      if (in_.size() - at < length) break;
      message(byte(in_, at + 18), at + 19, at + length);
      if (!fd_) return;
      at += length;
    }
    in_.erase(0, at);
    shared_.routes[index_].store(count_, std::memory_order_relaxed);
  }

  void message(unsigned type, std::size_t from, std::size_t to) {
    if (type == packet::kNotification) return drop();
    if (type == packet::kOpen) out_ += packet::keepalive();
    if (type == packet::kKeepalive && !up_) {
      up_ = true;
      ++shared_.established;
      keepalive_ = Clock::now() + std::chrono::seconds(kHoldTime / 3);
      left_ = routes_;
    }
    if (type != packet::kUpdate || to - from < 4) return;
    const std::size_t withdrawn = byte(in_, from) << 8 | byte(in_, from + 1);
    mark(from + 2, from + 2 + withdrawn, false);
    const std::size_t attributes = byte(in_, from + 2 + withdrawn) << 8 | byte(in_, from + 3 + withdrawn);
    mark(from + 4 + withdrawn + attributes, to, true);
  }

  void mark(std::size_t from, std::size_t to, bool there) {
    while (from < to) {
      const unsigned length = byte(in_, from), bytes = (length + 7) / 8;
      if (length == 24) {
        const std::uint32_t n =
            ((byte(in_, from + 1) << 16 | byte(in_, from + 2) << 8 | byte(in_, from + 3)) - (kBase >> 8));
        if (n < kMaxRoutes && seen_[n] != there) {
          seen_[n] = there;
          count_ += there ? 1 : static_cast<std::uint64_t>(-1);
        }
      }
      from += 1 + bytes;
    }
  }

  void write() {
    while (!out_.empty() || !left_.empty()) {
      // A KEEPALIVE goes between two messages only: at the beginning, or when all routes are gone.
      const bool first = !out_.empty() && (left_.empty() || left_.size() == routes_.size());
      const char* data = first ? out_.data() : left_.data();
      const std::size_t size = first ? out_.size() : left_.size();
      const auto n = ::send(fd_.get(), data, size, MSG_NOSIGNAL);
      if (n < 0) {
        if (errno == EAGAIN || errno == EINTR) return;
        return drop();
      }
      if (first) {
        out_.erase(0, static_cast<std::size_t>(n));
      } else {
        left_.remove_prefix(static_cast<std::size_t>(n));
        if (left_.empty()) {
          written_ = true;
          ++shared_.written;
        }
      }
    }
  }

  const CrowdOptions& options_;
  std::size_t index_;
  Crowd::Shared& shared_;
  const std::string& routes_;
  std::vector<bool> seen_;
  std::uint64_t count_ = 0;
  Fd fd_;
  bool connecting_ = false, up_ = false, written_ = false;
  std::string in_, out_;
  std::string_view left_;
  Clock::time_point retry_{}, keepalive_{};
};

void Crowd::run(const CrowdOptions& options, Shared& shared) {
  const std::string routes = options.send == 0 ? "" : encode(options.send, options.asn, options.from.front());
  std::vector<std::unique_ptr<Member>> members;
  for (std::size_t i = 0; i < options.from.size(); ++i)
    members.push_back(std::make_unique<Member>(options, i, shared, routes));
  for (;;) {
    const auto now = Clock::now();
    std::vector<pollfd> fds;
    std::vector<Member*> who;
    for (auto& m : members) {
      m->tick(now);
      if (m->fd() < 0) continue;
      fds.push_back({m->fd(), m->wants(), 0});
      who.push_back(m.get());
    }
    if (::poll(fds.data(), fds.size(), 50) <= 0) continue;
    for (std::size_t i = 0; i < fds.size(); ++i)
      if (fds[i].revents != 0) who[i]->on(fds[i].revents);
  }
}

Crowd::Crowd(const interop::Host& host, const CrowdOptions& options) : count_(options.from.size()) {
  if (count_ > kMost) throw std::runtime_error("a crowd has at most 256 members");
  void* memory = ::mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::runtime_error("mmap");
  shared_ = new (memory) Shared{};
  const Fd ns(::open(fmt::format("/proc/{}/ns/net", host.holder()).c_str(), O_RDONLY | O_CLOEXEC));
  pid_ = ::fork();
  if (pid_ == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::setns(ns.get(), CLONE_NEWNET) != 0) ::_exit(1);
    run(options, *shared_);
  }
}

Crowd::~Crowd() {
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  ::munmap(shared_, sizeof(Shared));
}

std::uint64_t Crowd::least() const {
  std::uint64_t out = ~0ull;
  for (std::size_t i = 0; i < count_; ++i) out = std::min(out, shared_->routes[i].load());
  return out;
}

std::uint64_t Crowd::most() const {
  std::uint64_t out = 0;
  for (std::size_t i = 0; i < count_; ++i) out = std::max(out, shared_->routes[i].load());
  return out;
}

unsigned Crowd::established() const { return shared_->established; }
unsigned Crowd::written() const { return shared_->written; }

}  // namespace weft::bgpbench
