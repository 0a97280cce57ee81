#include "datapath/socket_diag.h"

#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <thread>

namespace weft {

namespace {

constexpr std::uint32_t established = 1u << 1;  // TCP_ESTABLISHED: a UDP socket with a peer

struct Request {
  nlmsghdr header;
  inet_diag_req_v2 body;
};

Result<Fd> open_diag() {
  Fd fd(socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG));
  if (!fd) return fail(errno_error("opening a sock_diag socket", errno));
  return fd;
}

Request request(std::uint16_t type, std::uint16_t flags, std::uint8_t family) {
  Request r{};
  r.header.nlmsg_len = sizeof r;
  r.header.nlmsg_type = type;
  r.header.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
  r.body.sdiag_family = family;
  r.body.sdiag_protocol = IPPROTO_UDP;
  r.body.idiag_states = established;
  return r;
}

UdpSocket read_socket(const inet_diag_msg& m) {
  UdpSocket s;
  s.cookie = std::uint64_t{m.id.idiag_cookie[1]} << 32 | m.id.idiag_cookie[0];
  std::array<std::uint8_t, 16> bytes;
  std::memcpy(bytes.data(), m.id.idiag_dst, 16);
  const auto* a = reinterpret_cast<const in6_addr*>(m.id.idiag_dst);
  if (m.idiag_family == AF_INET) {
    s.peer.address.address = Address::v4({bytes[0], bytes[1], bytes[2], bytes[3]});
  } else if (IN6_IS_ADDR_V4MAPPED(a)) {
    s.peer.address.address = Address::v4({bytes[12], bytes[13], bytes[14], bytes[15]});
  } else {
    s.peer.address.address = Address::v6(bytes);
  }
  s.peer.address.port = ntohs(m.id.idiag_dport);
  s.peer.protocol = Protocol::udp;
  return s;
}

// Sends one request that is answered by an error code (0: done).
Result<int> ask(const Fd& fd, const Request& r) {
  if (send(fd.get(), &r, sizeof r, 0) < 0) return fail(errno_error("sock_diag send", errno));
  std::array<char, 4096> buffer;
  const ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), 0);
  if (n < 0) return fail(errno_error("sock_diag receive", errno));
  const auto* h = reinterpret_cast<const nlmsghdr*>(buffer.data());
  if (!NLMSG_OK(h, static_cast<unsigned>(n)) || h->nlmsg_type != NLMSG_ERROR) return 0;
  return -static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error;
}

Result<> list(const Fd& fd, std::uint8_t family, const std::function<void(const inet_diag_msg&)>& each) {
  const Request r = request(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, family);
  if (send(fd.get(), &r, sizeof r, 0) < 0) return fail(errno_error("sock_diag send", errno));
  std::vector<char> buffer(65'536);
  for (;;) {
    const ssize_t n = recv(fd.get(), buffer.data(), buffer.size(), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno_error("sock_diag receive", errno));
    auto left = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(buffer.data()); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type == NLMSG_DONE) return {};
      if (h->nlmsg_type == NLMSG_ERROR) {
        const int error = -static_cast<const nlmsgerr*>(NLMSG_DATA(h))->error;
        if (error == ENOENT) return {};  // no udp_diag in this kernel: nothing to list
        return fail(errno_error("sock_diag dump", error));
      }
      if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(inet_diag_msg))) each(*static_cast<const inet_diag_msg*>(NLMSG_DATA(h)));
    }
  }
}

}  // namespace

bool probe_diag_destroy() {
  const auto fd = open_diag();
  if (!fd) return false;
  Request r = request(SOCK_DESTROY, NLM_F_ACK, AF_INET);
  r.body.id.idiag_cookie[0] = r.body.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
  r.body.id.idiag_dst[0] = r.body.id.idiag_src[0] = htonl(0x7fffffff);
  r.body.id.idiag_dport = r.body.id.idiag_sport = htons(1);
  const auto answer = ask(*fd, r);
  return answer && (*answer == 0 || *answer == ENOENT);
}

Result<std::size_t> destroy_udp_sockets(const std::function<bool(const UdpSocket&)>& doomed) {
  auto fd = open_diag();
  if (!fd) return fail(fd.error());
  std::vector<inet_diag_msg> found;
  for (const std::uint8_t family : {AF_INET, AF_INET6})
    WEFT_TRY(list(*fd, family, [&](const inet_diag_msg& m) {
      if (doomed(read_socket(m))) found.push_back(m);
    }));
  std::size_t destroyed = 0;
  for (const inet_diag_msg& m : found) {
    Request r = request(SOCK_DESTROY, NLM_F_ACK, m.idiag_family);
    r.body.id = m.id;
    const auto answer = ask(*fd, r);
    if (!answer) return fail(answer.error());
    if (*answer == 0) {
      ++destroyed;
    } else if (*answer != ENOENT) {  // closed meanwhile
      return fail(errno_error("destroying a UDP socket", *answer));
    }
  }
  return destroyed;
}

Result<> in_network_namespace(int netns, const std::function<void()>& work) {
  Result<> result;
  std::thread([&] {
    if (setns(netns, CLONE_NEWNET) != 0) {
      result = fail(errno_error("entering a network namespace", errno));
      return;
    }
    work();
  }).join();
  return result;
}

}  // namespace weft
