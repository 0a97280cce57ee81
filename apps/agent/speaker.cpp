#include "apps/agent/speaker.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "async/scope.h"
#include "base/log.h"
#include "bfd/client.h"
#include "bgp/speaker/bfd_edge.h"
#include "bgp/speaker/kernel_routes.h"
#include "bgp/speaker/speaker.h"
#include "netlink/monitor.h"

namespace weft::agent {

std::chrono::seconds bfd_linger(const bgp::Wanted& wanted) {
  std::chrono::seconds longest{120};
  for (const auto& [name, instance] : wanted.instances)
    for (const bgp::PeerConfig& p : instance.config.peers)
      if (p.bfd && p.graceful_restart) longest = std::max(longest, p.graceful_restart->restart_time);
  return longest + std::chrono::seconds(30);
}

namespace {

class RealSpeaker final : public bgp::control::SpeakerEdge {
 public:
  RealSpeaker(asio::io_context& io, netlink::Kernel& kernel, const std::string& bfd_socket, const std::string& node,
              bool restarting)
      : routes_(kernel),
        bfd_client_(io, {.socket = bfd_socket, .name = "agent"}),
        scope_(io, "speaker"),
        bfd_(io, bfd_client_),
        speaker_(io, {.bfd = &bfd_, .kernel = &routes_}, options(node, restarting)) {
    auto monitor = netlink::Monitor::open(io);
    if (!monitor) {
      log::warn("links are not watched for BGP: routes that go with one come back within a minute",
                {{"error", monitor.error().message}});
      return;
    }
    monitor_ = std::move(*monitor);
    scope_.spawn("links", monitor_->run([this](int) { speaker_.kernel_changed(); }));
  }

  // A node without BFD needs no weft-bfd: the first peer that wants it makes us look for the daemon.
  std::vector<bgp::PeerFault> apply(bgp::Wanted wanted) override {
    const bool wants_bfd = std::any_of(wanted.instances.begin(), wanted.instances.end(), [](const auto& i) {
      return std::any_of(i.second.config.peers.begin(), i.second.config.peers.end(),
                         [](const bgp::PeerConfig& p) { return p.bfd.has_value(); });
    });
    bfd_client_.set_linger(bfd_linger(wanted));
    if (wants_bfd && !std::exchange(bfd_runs_, true)) scope_.spawn("client", bfd_client_.run());
    return speaker_.apply(std::move(wanted));
  }
  std::vector<bgp::PeerStatus> peers() const override { return speaker_.peers(); }
  bgp::RouteViews routes_available(const bgp::RouteQuery& q) const override { return speaker_.routes_available(q); }
  bgp::RouteViews routes_advertised(const bgp::RouteQuery& q) const override { return speaker_.routes_advertised(q); }
  bgp::RouteViews routes_received(const bgp::RouteQuery& q) const override { return speaker_.routes_received(q); }
  std::vector<bgp::PrefixAnswer> why(const Prefix& prefix) const override { return speaker_.why(prefix); }
  std::vector<std::string> troubles() const override {
    const auto& missing = speaker_.missing_in_kernel();
    if (missing.empty()) return {};
    return {fmt::format("{} route(s) are not in the kernel, the first: {}", missing.size(), missing.begin()->second)};
  }
  Notifier& changes() override { return speaker_.changes(); }
  Task<> stop(std::string text, bool graceful) override {
    co_await speaker_.stop(std::move(text), graceful);
    // Under graceful restart the sessions go on for a while, for the next run to take over.
    if (!graceful && bfd_runs_) co_await bfd_client_.bye();
    co_await scope_.stop();
  }

 private:
  static bgp::SpeakerOptions options(const std::string& node, bool restarting) {
    bgp::SpeakerOptions o;
    o.restarting = restarting;
    o.host_name = node;
    return o;
  }

  bgp::KernelRoutes routes_;
  bfd::Client bfd_client_;
  std::unique_ptr<netlink::Monitor> monitor_;
  Scope scope_;
  bool bfd_runs_ = false;
  bgp::BfdClientEdge bfd_;
  bgp::Speaker speaker_;
};

}  // namespace

std::unique_ptr<bgp::control::SpeakerEdge> make_real_speaker(asio::io_context& io, netlink::Kernel& kernel,
                                                             const std::string& bfd_socket, const std::string& node,
                                                             bool restarting) {
  return std::make_unique<RealSpeaker>(io, kernel, bfd_socket, node, restarting);
}

}  // namespace weft::agent
