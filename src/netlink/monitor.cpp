#include "netlink/monitor.h"

#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cerrno>

#include "base/fd.h"

namespace weft::netlink {

namespace {

class LinuxMonitor : public Monitor {
 public:
  LinuxMonitor(asio::io_context& io, int fd) : socket_(io, fd) {}

  Task<> run(std::function<void(int)> changed) override {
    for (;;) {
      co_await socket_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
      drain(changed);
    }
  }

 private:
  void drain(const std::function<void(int)>& changed) {
    alignas(nlmsghdr) char buffer[16384];
    for (;;) {
      const auto n = ::recv(socket_.native_handle(), buffer, sizeof buffer, MSG_DONTWAIT);
      if (n < 0 && errno == ENOBUFS) {
        changed(0);
        continue;
      }
      if (n <= 0) return;
      auto left = static_cast<unsigned>(n);
      for (auto* m = reinterpret_cast<nlmsghdr*>(buffer); NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
        if (m->nlmsg_type == RTM_NEWLINK || m->nlmsg_type == RTM_DELLINK)
          changed(static_cast<ifinfomsg*>(NLMSG_DATA(m))->ifi_index);
        if (m->nlmsg_type == RTM_NEWADDR || m->nlmsg_type == RTM_DELADDR)
          changed(static_cast<int>(static_cast<ifaddrmsg*>(NLMSG_DATA(m))->ifa_index));
      }
    }
  }

  asio::posix::stream_descriptor socket_;
};

}  // namespace

Result<std::unique_ptr<Monitor>> Monitor::open(asio::io_context& io) {
  Fd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!fd) return fail(errno_error("opening a netlink monitor", errno));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
    return fail(errno_error("subscribing to link changes", errno));
  return std::make_unique<LinuxMonitor>(io, fd.release());
}

}  // namespace weft::netlink
