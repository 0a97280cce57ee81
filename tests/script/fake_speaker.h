// A speaker that speaks with nobody: it keeps what it is told, and its sessions are as the test says.
#pragma once

#include <map>
#include <set>
#include <string>
#include <utility>

#include "bgp/control/speaker_edge.h"

namespace weft::script {

/// What outlives the agent of a test: its routers.
struct Routers {
  std::set<std::string> up;                   // peers (by name) whose sessions are established
  std::set<std::string> forgetful;            // peers (by name) that do not offer graceful restart
  std::map<std::string, std::string> refuse;  // peers (by name) that cannot be sent anything, and why
  bgp::Wanted told;
  bool restarting = false;
  std::string goodbye;  // "Cease: the agent stops", "none, graceful restart"
};

class FakeSpeaker final : public bgp::control::SpeakerEdge {
 public:
  FakeSpeaker(asio::io_context& io, Routers& routers, bool restarting) : routers_(routers), changes_(io) {
    routers_.restarting = restarting;
    routers_.told = {};
  }
  std::vector<bgp::PeerFault> apply(bgp::Wanted wanted) override {
    routers_.told = std::move(wanted);
    changes_.notify();
    return {};
  }
  std::vector<bgp::PeerStatus> peers() const override;
  bgp::RouteViews routes_available(const bgp::RouteQuery&) const override { return {}; }
  bgp::RouteViews routes_advertised(const bgp::RouteQuery&) const override { return {}; }
  bgp::RouteViews routes_received(const bgp::RouteQuery&) const override { return {}; }
  std::vector<bgp::PrefixAnswer> why(const Prefix& prefix) const override;
  Notifier& changes() override { return changes_; }
  Task<> stop(std::string text, bool graceful) override {
    routers_.goodbye = graceful ? text : text + ", for good";
    co_return;
  }

 private:
  Routers& routers_;
  Notifier changes_;
};

/// Instances, peers and routes as they were told, a line each.
std::string wanted_text(const Routers& routers);

}  // namespace weft::script
