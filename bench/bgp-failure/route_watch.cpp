#include "route_watch.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace weft::bench {
namespace {

constexpr int kRoom = 8 << 20;  // all routes of a trial may go at once

// Family, prefix length and destination: what names a route here. Empty: not one of a BGP daemon.
std::string name_of(nlmsghdr* header) {
  auto* route = static_cast<rtmsg*>(NLMSG_DATA(header));
  if (route->rtm_protocol != RTPROT_BGP) return {};
  std::string out{static_cast<char>(route->rtm_family), static_cast<char>(route->rtm_dst_len)};
  auto left = static_cast<int>(RTM_PAYLOAD(header));
  for (rtattr* a = RTM_RTA(route); RTA_OK(a, left); a = RTA_NEXT(a, left))
    if (a->rta_type == RTA_DST) out.append(static_cast<const char*>(RTA_DATA(a)), RTA_PAYLOAD(a));
  return out;
}

}  // namespace

RouteWatch::RouteWatch(const interop::Host& host) : stop_(::eventfd(0, EFD_CLOEXEC)) {
  std::string why;
  host.in_network([&] {
    netlink_ = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    ::setsockopt(netlink_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    if (!netlink_ || ::bind(netlink_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      why = std::strerror(errno);
  });
  if (!why.empty()) throw std::runtime_error(host.name() + ": watching its routes: " + why);
  thread_ = std::thread([this] { run(); });
}

RouteWatch::~RouteWatch() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

std::size_t RouteWatch::routes() const {
  const std::scoped_lock lock(mutex_);
  return routes_.size();
}

Steady::time_point RouteWatch::last_change() const {
  const std::scoped_lock lock(mutex_);
  return last_change_;
}

void RouteWatch::run() {
  alignas(nlmsghdr) std::array<char, 65536> bytes{};
  for (;;) {
    std::array<pollfd, 2> fds{{{stop_.get(), POLLIN, 0}, {netlink_.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[0].revents != 0) return;
    const auto n = ::recv(netlink_.get(), bytes.data(), bytes.size(), 0);
    const auto now = Steady::now();
    if (n <= 0) continue;  // ENOBUFS shows as routes that never go: the trial fails
    const std::scoped_lock lock(mutex_);
    auto left = static_cast<unsigned>(n);
    for (auto* h = reinterpret_cast<nlmsghdr*>(bytes.data()); NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
      if (h->nlmsg_type != RTM_NEWROUTE && h->nlmsg_type != RTM_DELROUTE) continue;
      const std::string name = name_of(h);
      if (name.empty()) continue;
      last_change_ = now;
      if (h->nlmsg_type == RTM_NEWROUTE) {
        routes_[name] = 1;
      } else {
        routes_.erase(name);
      }
    }
  }
}

}  // namespace weft::bench
