#include "bfd_watch.h"

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace weft::bench {
namespace {

constexpr std::uint16_t kSingleHop = 3784;  // RFC 5881 section 4
constexpr unsigned kDown = 1;               // RFC 5880 section 4.1

// The state in the BFD packet that an IPv4 packet carries; nothing when it carries none.
std::optional<unsigned> bfd_state(const unsigned char* packet, std::size_t size) {
  if (size < 20 || packet[0] >> 4 != 4 || packet[9] != IPPROTO_UDP) return std::nullopt;
  const std::size_t udp = (packet[0] & 15U) * 4, bfd = udp + 8;
  if (size < bfd + 24 || (packet[udp + 2] << 8 | packet[udp + 3]) != kSingleHop) return std::nullopt;
  return packet[bfd + 1] >> 6;
}

// The kernel stamps by the wall clock.
Steady::time_point moment_of(msghdr& message) {
  const auto now = Steady::now();
  for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    timespec stamp{}, wall{};
    std::memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
    ::clock_gettime(CLOCK_REALTIME, &wall);
    return now - std::chrono::seconds(wall.tv_sec - stamp.tv_sec) -
           std::chrono::nanoseconds(wall.tv_nsec - stamp.tv_nsec);
  }
  return now;
}

}  // namespace

BfdWatch::BfdWatch(const interop::Host& router, const std::string& interface) : stop_(::eventfd(0, EFD_CLOEXEC)) {
  std::string why;
  router.in_network([&] {
    // All protocols: only then the kernel shows what leaves as well.
    packets_ = Fd(::socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, htons(ETH_P_ALL)));
    const int on = 1;
    ::setsockopt(packets_.get(), SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(ETH_P_ALL);
    address.sll_ifindex = static_cast<int>(::if_nametoindex(interface.c_str()));
    if (!packets_ || address.sll_ifindex == 0 ||
        ::bind(packets_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      why = std::strerror(errno);
  });
  if (!why.empty()) throw std::runtime_error(router.name() + ": watching " + interface + ": " + why);
  thread_ = std::thread([this] { run(); });
}

BfdWatch::~BfdWatch() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void BfdWatch::forget_down() {
  const std::scoped_lock lock(mutex_);
  down_.reset();
}

std::optional<Steady::time_point> BfdWatch::last_from_node() const {
  const std::scoped_lock lock(mutex_);
  return last_;
}

std::optional<Steady::time_point> BfdWatch::first_down() const {
  const std::scoped_lock lock(mutex_);
  return down_;
}

void BfdWatch::run() {
  std::array<unsigned char, 2048> bytes{};
  std::array<char, 256> extra{};
  for (;;) {
    std::array<pollfd, 2> fds{{{stop_.get(), POLLIN, 0}, {packets_.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[0].revents != 0) return;
    sockaddr_ll from{};
    iovec buffer{bytes.data(), bytes.size()};
    msghdr message{&from, sizeof from, &buffer, 1, extra.data(), extra.size(), 0};
    const auto n = ::recvmsg(packets_.get(), &message, 0);
    if (n <= 0) continue;
    const auto state = bfd_state(bytes.data(), static_cast<std::size_t>(n));
    if (!state) continue;
    const auto at = moment_of(message);
    const std::scoped_lock lock(mutex_);
    if (from.sll_pkttype != PACKET_OUTGOING) {
      last_ = at;
    } else if (*state == kDown && !down_) {
      down_ = at;
    }
  }
}

}  // namespace weft::bench
