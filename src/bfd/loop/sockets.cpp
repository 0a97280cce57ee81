#include "bfd/loop/sockets.h"

#include <fmt/format.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace weft::bfd {
namespace {

constexpr Port kFirstSourcePort = 49152;  // RFC 5881 §4
constexpr std::size_t kBatch = 32;
constexpr std::size_t kBufferSize = 512;  // a BFD packet has 255 bytes at most
constexpr int kReceiveBuffer = 1 << 20;   // what arrives while the thread cannot run must wait, not be lost
constexpr int kClass = IPTOS_PREC_INTERNETCONTROL;

socklen_t fill(sockaddr_storage& out, const Address& address, Port port, unsigned scope) {
  out = {};
  if (address.is_v4()) {
    auto& in = reinterpret_cast<sockaddr_in&>(out);
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, address.bytes().data(), 4);
    return sizeof in;
  }
  auto& in = reinterpret_cast<sockaddr_in6&>(out);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, address.bytes().data(), 16);
  if (address.is_link_local()) in.sin6_scope_id = scope;
  return sizeof in;
}

Address address_of(const in_addr& a) {
  std::array<std::uint8_t, 4> bytes;
  std::memcpy(bytes.data(), &a, 4);
  return Address::v4(bytes);
}

Address address_of(const in6_addr& a) {
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), &a, 16);
  return Address::v6(bytes);
}

SocketAddress socket_address(const sockaddr_storage& s) {
  if (s.ss_family == AF_INET) {
    const auto& in = reinterpret_cast<const sockaddr_in&>(s);
    return {address_of(in.sin_addr), ntohs(in.sin_port)};
  }
  const auto& in = reinterpret_cast<const sockaddr_in6&>(s);
  return {address_of(in.sin6_addr), ntohs(in.sin6_port)};
}

bool set(int fd, int level, int option, int value) {
  return ::setsockopt(fd, level, option, &value, sizeof value) == 0;
}

int domain_of(Family f) { return f == Family::v4 ? AF_INET : AF_INET6; }

// TTL, destination and link, from the control messages.
void read_control(msghdr& header, Arrival& a) {
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) {
      std::memcpy(&a.ttl, CMSG_DATA(c), sizeof a.ttl);
    } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
      in_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      a.destination = address_of(info.ipi_addr);
      a.interface_index = static_cast<unsigned>(info.ipi_ifindex);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT) {
      std::memcpy(&a.ttl, CMSG_DATA(c), sizeof a.ttl);
    } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
      in6_pktinfo info;
      std::memcpy(&info, CMSG_DATA(c), sizeof info);
      a.destination = address_of(info.ipi6_addr);
      a.interface_index = info.ipi6_ifindex;
    }
  }
}

}  // namespace

Result<Listener> Listener::open(Family family, Hops hops) {
  const Port port = hops == Hops::single ? kSingleHopPort : kMultihopPort;
  Fd fd(::socket(domain_of(family), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(errno_error(fmt::format("BFD socket for {}", to_string(family)), errno));
  const bool ready = family == Family::v4
                         ? set(fd.get(), IPPROTO_IP, IP_RECVTTL, 1) && set(fd.get(), IPPROTO_IP, IP_PKTINFO, 1)
                         : set(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, 1) &&
                               set(fd.get(), IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1) &&
                               set(fd.get(), IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
  if (!ready) return fail(errno_error(fmt::format("BFD socket for {}", to_string(family)), errno));
  // More than the system's limit where we may, as much as it gives otherwise.
  if (!set(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, kReceiveBuffer)) set(fd.get(), SOL_SOCKET, SO_RCVBUF, kReceiveBuffer);
  sockaddr_storage any{};
  const socklen_t length = fill(any, Address::any(family), port, 0);
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&any), length) != 0) {
    const int err = errno;
    Error e = errno_error(fmt::format("BFD port {} (UDP, {})", port, to_string(family)), err);
    if (err == EADDRINUSE) {
      e.code = Errc::exists;
      e.message += ": another BFD daemon runs in this network namespace, stop one of them";
    }
    return fail(std::move(e));
  }
  return Listener(std::move(fd), family, hops);
}

bool Listener::receive(std::size_t limit, const std::function<void(const Arrival&)>& handle) {
  std::array<mmsghdr, kBatch> messages;
  std::array<iovec, kBatch> vectors;
  std::array<sockaddr_storage, kBatch> sources;
  std::array<std::array<std::uint8_t, kBufferSize>, kBatch> buffers;
  struct alignas(cmsghdr) Control {
    std::array<std::uint8_t, 128> bytes;
  };
  std::array<Control, kBatch> controls;
  for (std::size_t taken = 0; taken < limit;) {
    for (std::size_t i = 0; i < kBatch; ++i) {
      vectors[i] = {buffers[i].data(), buffers[i].size()};
      messages[i] = {};
      messages[i].msg_hdr.msg_name = &sources[i];
      messages[i].msg_hdr.msg_namelen = sizeof sources[i];
      messages[i].msg_hdr.msg_iov = &vectors[i];
      messages[i].msg_hdr.msg_iovlen = 1;
      messages[i].msg_hdr.msg_control = controls[i].bytes.data();
      messages[i].msg_hdr.msg_controllen = controls[i].bytes.size();
    }
    const int n = ::recvmmsg(fd_.get(), messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    if (n <= 0) return false;
    for (int i = 0; i < n; ++i) {
      Arrival a;
      a.bytes = std::span(buffers[i]).first(messages[i].msg_len);
      a.source = socket_address(sources[i]).address;
      a.destination = Address::any(family_);
      a.hops = hops_;
      read_control(messages[i].msg_hdr, a);
      handle(a);
    }
    if (static_cast<std::size_t>(n) < kBatch) return false;
    taken += static_cast<std::size_t>(n);
  }
  return true;
}

Result<Port> SenderSockets::bind_port(int fd, std::uint32_t id, const SessionKey& key, unsigned scope) {
  const Address local = key.local.value_or(Address::any(key.peer.family()));
  std::uniform_int_distribution<int> any_port(kFirstSourcePort, 65535);
  int err = 0;
  for (int attempt = 0; attempt < 64; ++attempt) {
    const auto known = ports_.find(id);
    const Port port = attempt == 0 && known != ports_.end() ? known->second : static_cast<Port>(any_port(random_));
    // Unique among our sessions while there are ports left.
    const bool ours = known != ports_.end() && known->second == port;
    if (!ours && used_ports_.contains(port) && used_ports_.size() < 8192) continue;
    sockaddr_storage address{};
    const socklen_t length = fill(address, local, port, scope);
    if (::bind(fd, reinterpret_cast<sockaddr*>(&address), length) == 0) {
      if (!ours) {
        release(id);
        ports_[id] = port;
        used_ports_.insert(port);
      }
      return port;
    }
    err = errno;
    if (err != EADDRINUSE) break;
  }
  if (err == EADDRNOTAVAIL)
    return fail(Errc::unavailable, fmt::format("our address {} is not on this machine", local.to_string()));
  return fail(errno_error("a source port for " + key.to_string(), err));
}

Result<Transport::Path> SenderSockets::open(std::uint32_t id, const SessionKey& key) {
  sockets_.erase(id);
  const bool v4 = key.peer.is_v4();
  Path path;
  if (!key.interface.empty()) {
    path.interface_index = ::if_nametoindex(key.interface.c_str());
    if (path.interface_index == 0)
      return fail(Errc::not_found, fmt::format("interface {} does not exist", key.interface));
  }
  Fd fd(::socket(domain_of(key.peer.family()), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return fail(errno_error("socket for " + key.to_string(), errno));
  const bool ready = v4 ? set(fd.get(), IPPROTO_IP, IP_TTL, 255) : set(fd.get(), IPPROTO_IPV6, IPV6_UNICAST_HOPS, 255);
  if (!ready) return fail(errno_error("TTL 255 for " + key.to_string(), errno));
  // Ahead of ordinary traffic where queues build up; a kernel that refuses changes nothing for the protocol.
  if (v4) {
    set(fd.get(), IPPROTO_IP, IP_TOS, kClass);
  } else {
    set(fd.get(), IPPROTO_IPV6, IPV6_TCLASS, kClass);
  }
  set(fd.get(), SOL_SOCKET, SO_PRIORITY, 7);
  if (!key.interface.empty() && ::setsockopt(fd.get(), SOL_SOCKET, SO_BINDTODEVICE, key.interface.c_str(),
                                             static_cast<socklen_t>(key.interface.size())) != 0)
    return fail(errno_error(fmt::format("interface {} for {}", key.interface, key.to_string()), errno));
  auto port = bind_port(fd.get(), id, key, path.interface_index);
  if (!port) return fail(port.error());
  // Connected, so that the kernel fixes our address and tells when the peer has no BFD.
  sockaddr_storage address{};
  socklen_t length =
      fill(address, key.peer, key.hops == Hops::single ? kSingleHopPort : kMultihopPort, path.interface_index);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), length) != 0)
    return fail(errno_error("no route to " + key.peer.to_string(), errno));
  length = sizeof address;
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length);
  path.source = socket_address(address);
  sockets_[id] = Socket{std::move(fd), key};
  return path;
}

void SenderSockets::release(std::uint32_t id) {
  sockets_.erase(id);
  const auto at = ports_.find(id);
  if (at == ports_.end()) return;
  used_ports_.erase(at->second);
  ports_.erase(at);
}

Result<> SenderSockets::send(std::uint32_t id, std::span<const std::uint8_t> datagram) {
  const auto at = sockets_.find(id);
  if (at == sockets_.end()) return fail(Errc::internal, "no socket is open");
  const auto once = [&] { return ::send(at->second.fd.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL); };
  if (once() >= 0) return {};
  int err = errno;
  bool refused = false;
  if (err == ECONNREFUSED) {
    // That was the answer to an earlier packet, and this one has not been sent.
    refused = true;
    if (once() < 0) err = errno;
  }
  const auto& key = at->second.key;
  if (refused)
    return fail(Errc::unavailable,
                fmt::format("{} says that nobody listens on its BFD port (UDP {})", key.peer.to_string(),
                            key.hops == Hops::single ? kSingleHopPort : kMultihopPort));
  Error e = errno_error("sending to " + key.peer.to_string(), err);
  const bool passes = err == EAGAIN || err == ENOBUFS || err == ENOMEM || err == EPERM || err == EINTR;
  e.code = passes ? Errc::unavailable : Errc::not_found;
  return fail(std::move(e));
}

}  // namespace weft::bfd
