#include "bgp/speaker/bfd_edge.h"

#include <fmt/format.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace weft::bgp {

namespace {

bfd::SessionConfig bfd_config(const BfdEdge::Session& s) {
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
  return c;
}

}  // namespace

BfdConfigs bfd_configs(const std::map<std::string, BfdEdge::Session>& sessions) {
  struct Joined {
    std::string first;
    bfd::SessionConfig config;
  };
  std::map<bfd::SessionKey, Joined> by_key;
  BfdConfigs out;
  for (const auto& [name, s] : sessions) {
    bfd::SessionConfig c = bfd_config(s);
    const auto [at, fresh] = by_key.try_emplace(c.key, Joined{name, c});
    bfd::SessionConfig& joined = at->second.config;
    if (joined.auth != c.auth) {
      out.refused.emplace(
          name, fmt::format("BFD session {}: peer {} uses it with {} authentication key: use the same for both",
                            c.key.to_string(), at->second.first, joined.auth ? c.auth ? "another" : "an" : "no"));
      continue;
    }
    joined.min_tx = std::min(joined.min_tx, c.min_tx);
    joined.min_rx = std::min(joined.min_rx, c.min_rx);
    joined.multiplier = std::min(joined.multiplier, c.multiplier);
    joined.min_ttl = std::max(joined.min_ttl, c.min_ttl);
    out.sessions.emplace(name, std::move(c));
  }
  for (auto& [name, config] : out.sessions) config = by_key.at(config.key).config;
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
  const BfdConfigs before = std::exchange(wanted_, bfd_configs(sessions));
  std::map<bfd::SessionKey, bfd::SessionConfig> all;
  for (const auto& [name, config] : wanted_.sessions) all.emplace(config.key, config);
  std::vector<bfd::SessionConfig> list;
  for (auto& [key, config] : all) list.push_back(std::move(config));
  client_.set_sessions(std::move(list));
  // A name that joins a session which runs already hears of it now; no change may come for long. Of one that is refused
  // no change comes ever.
  std::set<bfd::SessionKey> joined;
  for (const auto& [name, config] : wanted_.sessions) {
    const auto old = before.sessions.find(name);
    if (old == before.sessions.end() || old->second.key != config.key) joined.insert(config.key);
  }
  std::map<std::string, std::string> refused = wanted_.refused;
  std::erase_if(refused, [&](const auto& entry) {
    const auto old = before.refused.find(entry.first);
    return old != before.refused.end() && old->second == entry.second;
  });
  asio::post(io_, [this, alive = std::weak_ptr(alive_), joined = std::move(joined), refused = std::move(refused)] {
    if (alive.expired()) return;
    for (const bfd::SessionKey& key : joined)
      if (const bfd::SessionStatus* status = client_.find(key)) row(*status);
    for (const auto& [name, why] : refused)
      if (told_) told_(name, {.words = why});
  });
}

void BfdClientEdge::row(const bfd::SessionStatus& status) {
  if (!told_) return;
  std::vector<std::string> names;
  for (const auto& [name, config] : wanted_.sessions)
    if (config.key == status.key) names.push_back(name);
  const Status s = bfd_status(status);
  for (const std::string& name : names)
    if (told_) told_(name, s);
}

}  // namespace weft::bgp
