#include "bgp/speaker/listener.h"

#include <sys/socket.h>

#include <cerrno>
#include <set>

#include "base/log.h"
#include "bgp/speaker/tcp.h"

namespace weft::bgp {

namespace {

constexpr auto kRetry = std::chrono::seconds(2);
constexpr auto kOutOfDescriptors = std::chrono::milliseconds(200);
constexpr int kAcceptsPerTurn = 16;

}  // namespace

struct Listener::State : std::enable_shared_from_this<State> {
  asio::io_context& io;
  SocketAddress at;
  std::function<void(Fd)> accepted;
  std::optional<asio::posix::stream_descriptor> socket;
  asio::steady_timer timer;
  std::map<Address, std::string> passwords;  // wanted
  std::map<Address, std::string> installed;  // the kernel has
  std::string problem;
  bool stopped = false;

  State(asio::io_context& i, SocketAddress a, std::function<void(Fd)> f)
      : io(i), at(a), accepted(std::move(f)), timer(i) {}

  void later(std::chrono::milliseconds delay, void (State::*what)()) {
    timer.expires_after(delay);
    timer.async_wait([self = shared_from_this(), what](const boost::system::error_code& ec) {
      if (!ec && !self->stopped) ((*self).*what)();
    });
  }

  void open() {
    auto fd = open_listener(at.address, at.port);
    if (!fd) {
      if (problem != fd.error().message) log::warn("BGP does not listen", {{"why", fd.error().message}});
      problem = fd.error().message;
      return later(kRetry, &State::open);
    }
    problem.clear();
    socket.emplace(io, fd->release());
    sync_passwords();
    wait();
  }

  void wait() {
    socket->async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& ec) {
                         if (!ec && !self->stopped) self->take();
                       });
  }

  void take() {
    for (int i = 0; i < kAcceptsPerTurn; ++i) {
      Fd fd(::accept4(socket->native_handle(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
      if (!fd) {
        // Waiting for readability would return at once while a connection waits that no descriptor is left for.
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
          return later(kOutOfDescriptors, &State::wait);
        if (errno == EAGAIN || errno == EWOULDBLOCK) break;
        continue;  // the connection was gone before we took it
      }
      accepted(std::move(fd));
      if (stopped) return;
    }
    wait();
  }

  void sync_passwords() {
    if (!socket) return;
    const int fd = socket->native_handle();
    for (auto it = installed.begin(); it != installed.end();) {
      if (passwords.contains(it->first)) {
        ++it;
        continue;
      }
      if (auto r = set_listener_password(fd, it->first, std::nullopt); !r)
        log::warn("a TCP MD5 password stays", {{"why", r.error().message}});
      it = installed.erase(it);
    }
    for (const auto& [peer, password] : passwords) {
      const auto known = installed.find(peer);
      if (known != installed.end() && known->second == password) continue;
      if (auto r = set_listener_password(fd, peer, password); r) {
        installed[peer] = password;
      } else {
        log::warn("a TCP MD5 password was not taken", {{"why", r.error().message}});
        installed.erase(peer);
      }
    }
  }
};

Listener::Listener(asio::io_context& io, SocketAddress at, std::function<void(Fd)> accepted)
    : state_(std::make_shared<State>(io, at, std::move(accepted))) {
  state_->open();
}

Listener::~Listener() {
  state_->stopped = true;
  state_->timer.cancel();
  state_->socket.reset();
}

void Listener::set_passwords(std::map<Address, std::string> passwords) {
  // Of the listener's family only: the kernel takes no other.
  std::erase_if(passwords, [&](const auto& p) { return p.first.family() != state_->at.address.family(); });
  if (passwords == state_->passwords) return;
  state_->passwords = std::move(passwords);
  state_->sync_passwords();
}

bool Listener::protects(const Address& peer, const std::string& password) const {
  const auto known = state_->installed.find(peer);
  return known != state_->installed.end() && known->second == password;
}
const SocketAddress& Listener::at() const { return state_->at; }
const std::string& Listener::problem() const { return state_->problem; }

}  // namespace weft::bgp
