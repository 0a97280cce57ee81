#include "apps/agent/speaker.h"

#include "apps/agent/bfd_edge.h"
#include "bgp/speaker/kernel_routes.h"
#include "bgp/speaker/speaker.h"

namespace weft::agent {

namespace {

class RealSpeaker final : public bgp::control::SpeakerEdge {
 public:
  RealSpeaker(asio::io_context& io, netlink::Kernel& kernel, const std::string& bfd_socket, const std::string& node,
              bool restarting)
      : routes_(kernel),
        bfd_(io, bfd_socket),
        speaker_(io, {.bfd = &bfd_, .kernel = &routes_}, options(node, restarting)) {}

  std::vector<bgp::PeerFault> apply(bgp::Wanted wanted) override { return speaker_.apply(std::move(wanted)); }
  std::vector<bgp::PeerStatus> peers() const override { return speaker_.peers(); }
  std::vector<bgp::RouteView> routes_available(const bgp::RouteQuery& q) const override {
    return speaker_.routes_available(q);
  }
  std::vector<bgp::RouteView> routes_advertised(const bgp::RouteQuery& q) const override {
    return speaker_.routes_advertised(q);
  }
  std::vector<bgp::RouteView> routes_received(const bgp::RouteQuery& q) const override {
    return speaker_.routes_received(q);
  }
  Notifier& changes() override { return speaker_.changes(); }
  Task<> stop(std::string text, bool graceful) override {
    co_await speaker_.stop(std::move(text), graceful);
    co_await bfd_.stop(!graceful);
  }

 private:
  static bgp::SpeakerOptions options(const std::string& node, bool restarting) {
    bgp::SpeakerOptions o;
    o.restarting = restarting;
    o.host_name = node;
    return o;
  }

  bgp::KernelRoutes routes_;
  BfdSessions bfd_;
  bgp::Speaker speaker_;
};

}  // namespace

std::unique_ptr<bgp::control::SpeakerEdge> make_real_speaker(asio::io_context& io, netlink::Kernel& kernel,
                                                             const std::string& bfd_socket, const std::string& node,
                                                             bool restarting) {
  return std::make_unique<RealSpeaker>(io, kernel, bfd_socket, node, restarting);
}

}  // namespace weft::agent
