#include "ways.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

#include "netlink/netns.h"
#include "until.h"

namespace weft::bench {
namespace {

constexpr int kRoom = 8 << 20;

Result<Fd> event_socket(const std::string& netns) {
  auto inside = netlink::open_netns(netns);
  if (!inside) return fail(inside.error());
  Fd out;
  WEFT_TRY(netlink::run_in_netns(inside->get(), [&]() -> Result<> {
    out = Fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    ::setsockopt(out.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom);
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
    if (!out || ::bind(out.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
      return fail(errno_error("watching routes in " + netns, errno));
    // A group of routes may change in place.
    const int group = RTNLGRP_NEXTHOP;
    ::setsockopt(out.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group);
    return {};
  }));
  return out;
}

}  // namespace

Result<std::unique_ptr<Ways>> Ways::open(std::string router, const std::string& netns, std::vector<Prefix> prefixes) {
  auto events = event_socket(netns);
  if (!events) return fail(events.error());
  auto here = netlink::make_linux_kernel();
  if (!here) return fail(here.error());
  auto kernel = (*here)->open(netns);
  if (!kernel) return fail(kernel.error());
  return std::unique_ptr<Ways>(
      new Ways(std::move(router), std::move(prefixes), std::move(*events), std::move(*kernel)));
}

Ways::Ways(std::string router, std::vector<Prefix> prefixes, Fd events, std::unique_ptr<netlink::Kernel> kernel)
    : router_(std::move(router)),
      prefixes_(std::move(prefixes)),
      events_(std::move(events)),
      stop_(::eventfd(0, EFD_CLOEXEC)),
      kernel_(std::move(kernel)),
      states_(prefixes_.size()),
      thread_([this] { run(); }) {}

Ways::~Ways() {
  const std::uint64_t one = 1;
  [[maybe_unused]] const auto n = ::write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void Ways::run() {
  look();
  for (;;) {
    std::array<pollfd, 2> fds{{{stop_.get(), POLLIN, 0}, {events_.get(), POLLIN, 0}}};
    ::poll(fds.data(), fds.size(), -1);
    if (fds[0].revents != 0) return;
    // What they say is not read: the look that follows sees it. Lost ones (ENOBUFS) are events too.
    std::array<char, 65536> bytes;
    while (::recv(events_.get(), bytes.data(), bytes.size(), 0) > 0) {
    }
    look();
  }
}

void Ways::look() {
  const auto routes = kernel_->routes({.table = netlink::kMainTable, .protocol = RTPROT_BGP});
  const auto now = Steady::now();
  std::vector<std::set<std::string>> seen(prefixes_.size());
  if (routes)
    for (const auto& r : *routes)
      for (std::size_t i = 0; i < prefixes_.size(); ++i) {
        if (r.destination != prefixes_[i]) continue;
        if (r.via) seen[i].insert(r.via->to_string());
        for (const auto& hop : r.hops)
          if (hop.via) seen[i].insert(hop.via->to_string());
      }
  const std::scoped_lock lock(mutex_);
  error_ = routes ? "" : routes.error().message;
  if (!routes) return;
  for (std::size_t i = 0; i < prefixes_.size(); ++i)
    if (states_[i].hops != seen[i]) states_[i] = {std::move(seen[i]), now};
}

Ways::State Ways::to(std::size_t prefix) const {
  const std::scoped_lock lock(mutex_);
  return states_.at(prefix);
}

std::string Ways::describe() const {
  const std::scoped_lock lock(mutex_);
  std::string out;
  for (std::size_t i = 0; i < prefixes_.size(); ++i)
    out += fmt::format(
        "{}: {} via {}\n", router_, prefixes_[i].to_string(),
        states_[i].hops.empty() ? std::string("nothing") : fmt::format("{}", fmt::join(states_[i].hops, ", ")));
  return out + error_;
}

Task<Result<>> ways_through(std::string router, std::string netns, std::vector<Prefix> prefixes, std::size_t hops) {
  const auto ways = Ways::open(std::move(router), netns, std::move(prefixes));
  if (!ways) co_return fail(ways.error());
  const Ways& at_router = **ways;
  std::string what = fmt::format("{} has {} ways to each", at_router.router(), hops);
  auto reaching = until(
      std::move(what),
      [&] {
        for (std::size_t i = 0; i < at_router.prefixes().size(); ++i)
          if (at_router.to(i).hops.size() != hops) return false;
        return true;
      },
      [&] { return at_router.describe(); });
  auto reached = co_await std::move(reaching);
  co_return reached;
}

}  // namespace weft::bench
