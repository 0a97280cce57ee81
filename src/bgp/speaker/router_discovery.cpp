#include "bgp/speaker/router_discovery.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "base/fd.h"
#include "base/log.h"
#include "bgp/speaker/ndp.h"
#include "bgp/speaker/router_choice.h"
#include "bgp/speaker/socket_option.h"

namespace weft::bgp {

namespace {

constexpr auto kRetryOpen = std::chrono::seconds(1);
constexpr auto kSolicitEvery = std::chrono::seconds(4);     // RTR_SOLICITATION_INTERVAL (RFC 4861 §10)
constexpr auto kAdvertiseEvery = std::chrono::seconds(10);  // as FRR does on an unnumbered link
constexpr auto kAnswerAtMost = std::chrono::seconds(3);     // MIN_DELAY_BETWEEN_RAS
constexpr int kMessagesPerTurn = 16;

sockaddr_in6 group(const char* text, unsigned ifindex) {
  sockaddr_in6 a{};
  a.sin6_family = AF_INET6;
  const auto parsed = Address::parse(text);
  std::memcpy(&a.sin6_addr, parsed->bytes().data(), 16);
  a.sin6_scope_id = ifindex;
  return a;
}
constexpr const char* kAllNodes = "ff02::1";
constexpr const char* kAllRouters = "ff02::2";

// A raw ICMPv6 socket on one interface that hears nothing but solicitations and advertisements.
Result<Fd> open_raw(const std::string& interface, unsigned ifindex) {
  const std::string what = "listening for routers on " + interface;
  Fd fd(::socket(AF_INET6, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_ICMPV6));
  if (!fd) return fail(errno_error(what, errno));
  icmp6_filter filter;
  ICMP6_FILTER_SETBLOCKALL(&filter);
  ICMP6_FILTER_SETPASS(ND_ROUTER_SOLICIT, &filter);
  ICMP6_FILTER_SETPASS(ND_ROUTER_ADVERT, &filter);
  WEFT_TRY(set_option(fd.get(), IPPROTO_ICMPV6, ICMP6_FILTER, filter, what));
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, interface.data(), interface.size()) != 0)
    return fail(errno_error(what, errno));
  const int on = 1, off = 0, hops = kNdpHopLimit;
  WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_LOOP, off, what));
  WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, hops, what));
  WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, hops, what));
  WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, on, what));
  const int index = static_cast<int>(ifindex);
  WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_MULTICAST_IF, index, what));
  ipv6_mreq routers{};
  routers.ipv6mr_multiaddr = group(kAllRouters, ifindex).sin6_addr;
  routers.ipv6mr_interface = ifindex;
  WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_JOIN_GROUP, routers, what));
  return fd;
}

}  // namespace

struct RouterDiscovery::State : std::enable_shared_from_this<State> {
  asio::io_context& io;
  std::string interface;
  std::function<void(const Router&)> heard;
  std::optional<asio::posix::stream_descriptor> socket;
  unsigned ifindex = 0;
  asio::steady_timer timer;
  Steady::time_point next_advertisement{};
  Steady::time_point last_advertisement{};
  RouterChoice routers;
  std::string problem;
  bool stopped = false;

  State(asio::io_context& i, std::string n, std::function<void(const Router&)> h)
      : io(i), interface(std::move(n)), heard(std::move(h)), timer(i) {}

  void open() {
    ifindex = ::if_nametoindex(interface.c_str());
    if (ifindex == 0) {
      problem = fmt::format("interface {} does not exist on this node", interface);
      return;
    }
    auto fd = open_raw(interface, ifindex);
    if (!fd) {
      problem = fd.error().message;
      return;
    }
    problem.clear();
    socket.emplace(io, fd->release());
    listen();
  }

  void listen() {
    socket->async_wait(asio::posix::stream_descriptor::wait_read,
                       [self = shared_from_this()](const boost::system::error_code& ec) {
                         if (ec || self->stopped || !self->socket) return;
                         if (self->drain()) self->listen();
                       });
  }

  // False when the socket is dead and has been closed; the timer opens another.
  bool drain() {
    for (int i = 0; i < kMessagesPerTurn; ++i) {
      std::uint8_t buffer[2048];
      std::uint8_t control[128];
      sockaddr_in6 from{};
      iovec io_vector{buffer, sizeof buffer};
      msghdr m{};
      m.msg_name = &from;
      m.msg_namelen = sizeof from;
      m.msg_iov = &io_vector;
      m.msg_iovlen = 1;
      m.msg_control = control;
      m.msg_controllen = sizeof control;
      const auto n = ::recvmsg(socket->native_handle(), &m, MSG_DONTWAIT);
      if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
      if (n < 0) {
        problem = errno_error("listening for routers on " + interface, errno).message;
        socket.reset();
        return false;
      }
      if (m.msg_flags & MSG_TRUNC) continue;
      int hops = 0;
      for (cmsghdr* c = CMSG_FIRSTHDR(&m); c != nullptr; c = CMSG_NXTHDR(&m, c))
        if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
          std::memcpy(&hops, CMSG_DATA(c), sizeof hops);
      std::array<std::uint8_t, 16> bytes;
      std::memcpy(bytes.data(), &from.sin6_addr, 16);
      take({buffer, static_cast<std::size_t>(n)}, Address::v6(bytes), hops);
      if (stopped || !socket) return false;
    }
    return true;
  }

  void take(std::span<const std::uint8_t> message, const Address& source, int hops) {
    const auto now = Steady::now();
    switch (classify(message, source, hops)) {
      case NdpKind::other: return;
      case NdpKind::solicitation:
        if (now - last_advertisement >= kAnswerAtMost) {
          advertise(now);
        } else {
          next_advertisement = std::min(next_advertisement, last_advertisement + kAnswerAtMost);
          arm(now);
        }
        return;
      case NdpKind::advertisement:
        if (routers.heard(source, now)) heard({source, ifindex});
        return;
    }
  }

  void send(const std::vector<std::uint8_t>& message, const char* to) {
    if (!socket) return;
    const sockaddr_in6 a = group(to, ifindex);
    if (::sendto(socket->native_handle(), message.data(), message.size(), MSG_DONTWAIT,
                 reinterpret_cast<const sockaddr*>(&a), sizeof a) < 0 &&
        errno != EAGAIN)
      problem = errno_error("asking for routers on " + interface, errno).message;
    else
      problem.clear();
  }

  void advertise(Steady::time_point now) {
    send(encode(RouterAdvertisement{}), kAllNodes);
    last_advertisement = now;
    next_advertisement = now + kAdvertiseEvery;
  }

  void tick() {
    const auto now = Steady::now();
    // An interface that went and came back has another index.
    if (socket && ::if_nametoindex(interface.c_str()) != ifindex) {
      socket.reset();
      routers = {};
    }
    if (!socket) open();
    if (socket) {
      if (!routers.current()) send(router_solicitation(), kAllRouters);
      if (now >= next_advertisement) advertise(now);
    }
    arm(now);
  }

  void arm(Steady::time_point now) {
    auto due = now + kRetryOpen;
    if (socket) due = std::min(next_advertisement, now + (routers.current() ? kAdvertiseEvery : kSolicitEvery));
    timer.expires_at(due);
    timer.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
      if (!ec && !self->stopped) self->tick();
    });
  }
};

RouterDiscovery::RouterDiscovery(asio::io_context& io, std::string interface, std::function<void(const Router&)> heard)
    : state_(std::make_shared<State>(io, std::move(interface), std::move(heard))) {
  asio::post(io, [state = state_] {
    if (!state->stopped) state->tick();
  });
}

RouterDiscovery::~RouterDiscovery() {
  state_->stopped = true;
  state_->timer.cancel();
  state_->socket.reset();
}

const std::string& RouterDiscovery::interface() const { return state_->interface; }
std::optional<RouterDiscovery::Router> RouterDiscovery::router() const {
  const auto& current = state_->routers.current();
  return current ? std::optional(Router{current->address, state_->ifindex}) : std::nullopt;
}
void RouterDiscovery::settle(const Address& address) { state_->routers.settle(address, Steady::now()); }
void RouterDiscovery::release() { state_->routers.release(Steady::now()); }
bool RouterDiscovery::try_next() { return state_->routers.try_next(Steady::now()); }
std::size_t RouterDiscovery::others() const { return state_->routers.others(); }
std::string RouterDiscovery::why_not() const {
  if (state_->routers.current()) return "";
  if (!state_->problem.empty()) return state_->problem;
  return fmt::format("no router advertisement was heard on {}; let the router send them there", state_->interface);
}

}  // namespace weft::bgp
