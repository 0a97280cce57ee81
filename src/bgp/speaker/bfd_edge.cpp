#include "bgp/speaker/bfd_edge.h"

#include <boost/asio/post.hpp>

#include <set>

namespace weft::bgp {

std::map<std::string, bfd::SessionConfig> bfd_configs(const std::map<std::string, BfdEdge::Session>& sessions) {
  std::map<std::string, bfd::SessionConfig> out;
  std::map<bfd::SessionKey, bfd::SessionConfig> by_key;
  for (const auto& [name, s] : sessions) {
    bfd::SessionConfig c;
    c.key.peer = s.remote;
    c.key.local = s.local;
    c.key.interface = s.multihop ? "" : s.interface;
    c.key.hops = s.multihop ? bfd::Hops::multi : bfd::Hops::single;
    c.min_ttl = s.min_ttl;
    c.min_tx = s.parameters.transmit;
    c.min_rx = s.parameters.receive;
    c.multiplier = s.parameters.multiplier;
    if (s.parameters.sha1_key)
      c.auth = bfd::AuthKey{.id = s.parameters.sha1_key_id, .secret = *s.parameters.sha1_key, .meticulous = true};
    const auto [first, fresh] = by_key.try_emplace(c.key, std::move(c));
    out.emplace(name, first->second);
  }
  return out;
}

BfdEdge::Status bfd_status(const bfd::SessionStatus& row) {
  BfdEdge::Status s;
  s.control_plane_independent = row.remote_control_plane_independent;
  s.words = row.why;
  if (row.known && row.state == bfd::State::up)
    s.state = BfdEdge::Status::State::up;
  else if (bfd::path_failed(row))
    s.state = BfdEdge::Status::State::failed;
  return s;
}

BfdClientEdge::BfdClientEdge(asio::io_context& io, bfd::Client& client) : io_(io), client_(client) {
  // Some answers come while set_sessions() is called, and the speaker is in the middle of its own change then.
  client_.on_change([this](const bfd::SessionStatus& now, const bfd::SessionStatus&) {
    asio::post(io_, [this, alive = std::weak_ptr(alive_), now] {
      if (!alive.expired()) row(now);
    });
  });
}

BfdClientEdge::~BfdClientEdge() { client_.on_change(nullptr); }

void BfdClientEdge::want(const std::map<std::string, Session>& sessions) {
  auto before = std::exchange(wanted_, bfd_configs(sessions));
  std::map<bfd::SessionKey, bfd::SessionConfig> all;
  for (const auto& [name, config] : wanted_) all.emplace(config.key, config);
  std::vector<bfd::SessionConfig> list;
  for (auto& [key, config] : all) list.push_back(std::move(config));
  client_.set_sessions(std::move(list));
  // A name that joins a session which runs already hears of it now; no change may come for long.
  std::set<bfd::SessionKey> joined;
  for (const auto& [name, config] : wanted_) {
    const auto old = before.find(name);
    if (old == before.end() || old->second.key != config.key) joined.insert(config.key);
  }
  asio::post(io_, [this, alive = std::weak_ptr(alive_), joined = std::move(joined)] {
    if (alive.expired()) return;
    for (const bfd::SessionKey& key : joined)
      if (const bfd::SessionStatus* status = client_.find(key)) row(*status);
  });
}

void BfdClientEdge::row(const bfd::SessionStatus& status) {
  if (!told_) return;
  std::vector<std::string> names;
  for (const auto& [name, config] : wanted_)
    if (config.key == status.key) names.push_back(name);
  const Status s = bfd_status(status);
  for (const std::string& name : names)
    if (told_) told_(name, s);
}

}  // namespace weft::bgp
