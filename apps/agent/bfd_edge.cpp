#include "apps/agent/bfd_edge.h"

namespace weft::agent {

bfd::SessionConfig to_bfd(const bgp::BfdEdge::Session& s) {
  bfd::SessionConfig out;
  out.key = {.peer = s.remote,
             .local = s.local,
             .interface = s.multihop ? "" : s.interface,
             .hops = s.multihop ? bfd::Hops::multi : bfd::Hops::single};
  out.min_tx = s.parameters.transmit;
  out.min_rx = s.parameters.receive;
  out.multiplier = s.parameters.multiplier;
  if (s.parameters.sha1_key)
    out.auth = bfd::AuthKey{.id = s.parameters.sha1_key_id, .secret = *s.parameters.sha1_key, .meticulous = true};
  return out;
}

bgp::BfdEdge::Status from_bfd(const bfd::SessionStatus& s) {
  bgp::BfdEdge::Status out;
  out.control_plane_independent = s.remote_control_plane_independent;
  out.words = s.why;
  if (!s.known) return out;
  if (s.state == bfd::State::up) {
    out.state = bgp::BfdEdge::Status::State::up;
  } else if (bfd::path_failed(s)) {
    out.state = bgp::BfdEdge::Status::State::failed;
  }
  return out;
}

BfdSessions::BfdSessions(asio::io_context& io, std::string socket)
    : client_(io, {.socket = std::move(socket), .name = "agent"}), scope_(io, "bfd") {
  client_.on_change([this](const bfd::SessionStatus& s) { changed(s); });
}

void BfdSessions::want(const std::map<std::string, Session>& sessions) {
  if (!started_ && sessions.empty()) return;
  names_.clear();
  std::vector<bfd::SessionConfig> all;
  for (const auto& [name, session] : sessions) {
    auto config = to_bfd(session);
    auto& names = names_[config.key];
    names.push_back(name);
    if (names.size() == 1) all.push_back(std::move(config));
  }
  client_.set_sessions(std::move(all));
  if (!std::exchange(started_, true)) scope_.spawn("client", client_.run());
}

void BfdSessions::on_change(std::function<void(const std::string&, const Status&)> told) { told_ = std::move(told); }

// Some answers come at once, and the speaker is in the middle of its own change then.
void BfdSessions::changed(const bfd::SessionStatus& status) {
  const auto tell = [](BfdSessions& self, bfd::SessionStatus s) -> Task<> {
    co_await yield();
    const auto names = self.names_.find(s.key);
    if (names == self.names_.end() || !self.told_) co_return;
    const Status seen = from_bfd(s);
    for (const std::string& name : std::vector<std::string>(names->second)) self.told_(name, seen);
  };
  scope_.spawn("change", tell(*this, status));
}

Task<> BfdSessions::stop(bool for_good) {
  if (for_good && started_) co_await client_.bye();
  co_await scope_.stop();
}

}  // namespace weft::agent
