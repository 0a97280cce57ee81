#include "bgp/speaker/tcp.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "bgp/speaker/socket_option.h"

namespace weft::bgp {

namespace {

constexpr int kBacklog = 128;
constexpr Port kDiscardPort = 9;
constexpr int kIpv6MinHopCount = 73;           // IPV6_MINHOPCOUNT of linux/in6.h, which clashes with netinet/in.h
constexpr unsigned kUnsentLimit = 512 * 1024;  // bytes that wait in the kernel for a slow peer
constexpr int kInternetworkControl = 6 << 5;   // CS6 (RFC 4271 has no word; RFC 4594 §3.2 does)

struct RawAddress {
  sockaddr_storage storage{};
  socklen_t size = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

RawAddress raw(const Endpoint& e) {
  RawAddress r;
  if (e.address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(r.storage);
    in.sin_family = AF_INET;
    in.sin_port = htons(e.port);
    std::memcpy(&in.sin_addr, e.address.bytes().data(), 4);
    r.size = sizeof in;
  } else {
    auto& in = reinterpret_cast<sockaddr_in6&>(r.storage);
    in.sin6_family = AF_INET6;
    in.sin6_port = htons(e.port);
    std::memcpy(&in.sin6_addr, e.address.bytes().data(), 16);
    in.sin6_scope_id = e.scope;
    r.size = sizeof in;
  }
  return r;
}

Endpoint from_raw(const sockaddr_storage& s) {
  Endpoint e;
  if (s.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(s);
    e.address = Address::v4(ntohl(in.sin_addr.s_addr));
    e.port = ntohs(in.sin_port);
  } else if (s.ss_family == AF_INET6) {
    const auto& in = reinterpret_cast<const sockaddr_in6&>(s);
    std::array<std::uint8_t, 16> bytes;
    std::memcpy(bytes.data(), &in.sin6_addr, 16);
    e.address = Address::v6(bytes);
    e.port = ntohs(in.sin6_port);
    if (e.address.is_link_local()) e.scope = in.sin6_scope_id;
  }
  return e;
}

Result<> set_md5(int fd, const Address& peer, const std::optional<std::string>& password) {
  if (password && (password->empty() || password->size() > kMaxPassword))
    return fail(Errc::invalid, fmt::format("password of peer {}: {} bytes, but TCP MD5 takes 1 to {}; use another",
                                           peer.to_string(), password->size(), kMaxPassword));
  tcp_md5sig sig{};
  const RawAddress a = raw({peer, 0, 0});
  std::memcpy(&sig.tcpm_addr, &a.storage, a.size);
  if (password) {
    sig.tcpm_keylen = static_cast<std::uint16_t>(password->size());
    std::memcpy(sig.tcpm_key, password->data(), password->size());
  }
  if (::setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &sig, sizeof sig) == 0) return {};
  if (!password && errno == ENOENT) return {};  // there was none
  return fail(errno_error("setting the TCP MD5 password of peer " + peer.to_string(), errno));
}

Result<> set_ttl(int fd, Family family, std::uint8_t ttl, std::optional<std::uint8_t> min_ttl) {
  const int value = ttl;
  if (family == Family::v4) {
    WEFT_TRY(set_option(fd, IPPROTO_IP, IP_TTL, value, "setting IP_TTL"));
    const int least = min_ttl.value_or(0);
    if (min_ttl) WEFT_TRY(set_option(fd, IPPROTO_IP, IP_MINTTL, least, "setting IP_MINTTL"));
  } else {
    WEFT_TRY(set_option(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, value, "setting IPV6_UNICAST_HOPS"));
    const int least = min_ttl.value_or(0);
    if (min_ttl) WEFT_TRY(set_option(fd, IPPROTO_IPV6, kIpv6MinHopCount, least, "setting IPV6_MINHOPCOUNT"));
  }
  return {};
}

// What connecting and accepted sockets have in common.
Result<> tune(int fd, Family family, const TcpOptions& options) {
  const int on = 1;
  WEFT_TRY(set_option(fd, IPPROTO_TCP, TCP_NODELAY, on, "setting TCP_NODELAY"));
  WEFT_TRY(set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, kUnsentLimit, "setting TCP_NOTSENT_LOWAT"));
  const auto timeout = static_cast<unsigned>(options.user_timeout.count());
  if (timeout > 0) WEFT_TRY(set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, timeout, "setting TCP_USER_TIMEOUT"));
  const int tos = kInternetworkControl;
  if (family == Family::v4)
    WEFT_TRY(set_option(fd, IPPROTO_IP, IP_TOS, tos, "setting IP_TOS"));
  else
    WEFT_TRY(set_option(fd, IPPROTO_IPV6, IPV6_TCLASS, tos, "setting IPV6_TCLASS"));
  return set_ttl(fd, family, options.ttl, options.min_ttl);
}

// The kernel looks at the TTL of what arrives from set_ttl() on. What came before that, an OPEN for one, stands in the
// queue by then; but its connection began with a SYN, which the listener keeps (TCP_SAVE_SYN).
Result<> came_from_near(int fd, const Address& peer, std::uint8_t min_ttl) {
  std::array<std::uint8_t, 256> syn{};
  socklen_t size = syn.size();
  const std::size_t at = peer.is_v4() ? 8 : 7;  // TTL (RFC 791 §3.1), Hop Limit (RFC 8200 §3)
  if (::getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn.data(), &size) != 0)
    return fail(errno_error("TTL security: reading its SYN", errno));
  if (size <= at) {
    // Under SYN cookies none is kept. Then nothing may have come before the TTL is looked at.
    int waiting = 0;
    if (::ioctl(fd, FIONREAD, &waiting) == 0 && waiting == 0) return {};
    return fail(Errc::invalid, "TTL security: what it sent at once came without its SYN; it may call again");
  }
  if (syn[at] >= min_ttl) return {};
  return fail(
      Errc::invalid,
      fmt::format("TTL security: its SYN came with TTL {}, but {} is the least; let it send with 255 (TTL security "
                  "there, too), or allow for more hops in ttlSecurity",
                  syn[at], min_ttl));
}

Result<Fd> open_socket(Family family) {
  Fd fd(::socket(family == Family::v4 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP));
  if (!fd) return fail(errno_error("opening a TCP socket", errno));
  if (family == Family::v6) {
    const int on = 1;
    WEFT_TRY(set_option(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, on, "setting IPV6_V6ONLY"));
  }
  return fd;
}

}  // namespace

std::string Endpoint::to_string() const {
  if (scope == 0) return SocketAddress{address, port}.to_string();
  char name[IF_NAMESIZE];
  const char* zone = ::if_indextoname(scope, name);
  return fmt::format("[{}%{}]:{}", address.to_string(), zone != nullptr ? zone : std::to_string(scope), port);
}

Result<Fd> start_connect(const ConnectSpec& spec) {
  const Family family = spec.remote.address.family();
  const std::string peer = "connecting to " + spec.remote.to_string();
  auto fd = open_socket(family);
  if (!fd) return fail(fd.error().in(peer));
  if (auto tuned = tune(fd->get(), family, spec.options); !tuned) return fail(tuned.error().in(peer));
  if (spec.options.password)
    if (auto r = set_md5(fd->get(), spec.remote.address, spec.options.password); !r) return fail(r.error().in(peer));
  if (!spec.device.empty() &&
      ::setsockopt(fd->get(), SOL_SOCKET, SO_BINDTODEVICE, spec.device.data(), spec.device.size()) != 0)
    return fail(errno_error(fmt::format("{}: binding to interface {}", peer, spec.device), errno));
  if (spec.local) {
    if (spec.local->address.family() != family)
      return fail(Errc::invalid, fmt::format("{}: the local address {} is of the other family; name one of the peer's",
                                             peer, spec.local->address.to_string()));
    const int on = 1;
    // Lets many connections share the address without reserving a port before the peer is known.
    WEFT_TRY(set_option(fd->get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, on, "setting IP_BIND_ADDRESS_NO_PORT"));
    const RawAddress local = raw(*spec.local);
    if (::bind(fd->get(), local.get(), local.size) != 0) {
      const int why = errno;
      return fail(
          errno_error(fmt::format("{}: using the local address {}{}", peer, spec.local->address.to_string(),
                                  why == EADDRNOTAVAIL ? " (this node does not have it; name one of its own)" : ""),
                      why));
    }
  }
  const RawAddress remote = raw(spec.remote);
  if (::connect(fd->get(), remote.get(), remote.size) != 0 && errno != EINPROGRESS)
    return fail(errno_error(peer, errno));
  return fd;
}

bool connecting(int fd) {
  pollfd p{fd, POLLOUT, 0};
  return ::poll(&p, 1, 0) == 0;
}

Result<> connect_result(int fd, const Endpoint& remote) {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0) error = errno;
  if (error != 0) return fail(errno_error("connecting to " + remote.to_string(), error));
  return {};
}

Result<Fd> open_listener(const Address& address, Port port) {
  const std::string what = "listening on " + SocketAddress{address, port}.to_string();
  auto fd = open_socket(address.family());
  if (!fd) return fail(fd.error().in(what));
  const int on = 1;
  WEFT_TRY(set_option(fd->get(), SOL_SOCKET, SO_REUSEADDR, on, what));
  WEFT_TRY(set_option(fd->get(), IPPROTO_IP, IP_FREEBIND, on, what));
  WEFT_TRY(set_option(fd->get(), IPPROTO_TCP, TCP_SAVE_SYN, on, what));
  if (auto r = tune(fd->get(), address.family(), {}); !r) return fail(r.error().in(what));
  const RawAddress local = raw({address, port, 0});
  if (::bind(fd->get(), local.get(), local.size) != 0 || ::listen(fd->get(), kBacklog) != 0)
    return fail(errno_error(what, errno));
  return fd;
}

Result<> set_listener_password(int fd, const Address& peer, const std::optional<std::string>& password) {
  return set_md5(fd, peer, password);
}

Result<> tune_accepted(int fd, const TcpOptions& options) {
  const Address peer = remote_end(fd).address;
  // A connection may have waited in the listener's queue since before the listener had the password.
  if (options.password) WEFT_TRY(set_md5(fd, peer, options.password));
  WEFT_TRY(tune(fd, peer.family(), options));
  return options.min_ttl ? came_from_near(fd, peer, *options.min_ttl) : Result<>{};
}

bool closed_by_peer(int fd) {
  pollfd p{fd, POLLRDHUP, 0};
  return ::poll(&p, 1, 0) > 0;
}

Endpoint local_end(int fd) {
  sockaddr_storage s{};
  socklen_t size = sizeof s;
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&s), &size) == 0 ? from_raw(s) : Endpoint{};
}

Endpoint remote_end(int fd) {
  sockaddr_storage s{};
  socklen_t size = sizeof s;
  return ::getpeername(fd, reinterpret_cast<sockaddr*>(&s), &size) == 0 ? from_raw(s) : Endpoint{};
}

std::optional<Address> source_towards(const Address& remote) {
  // Connecting a datagram socket sends nothing, but makes the kernel choose.
  const Fd fd(::socket(remote.is_v4() ? AF_INET : AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const RawAddress to = raw({remote, kDiscardPort, 0});
  if (!fd || ::connect(fd.get(), to.get(), to.size) != 0) return std::nullopt;
  const Address chosen = local_end(fd.get()).address;
  return chosen.is_unspecified() ? std::nullopt : std::optional(chosen);
}

}  // namespace weft::bgp
