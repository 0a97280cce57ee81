#include "bfd/server/registry.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <set>

namespace weft::bfd {
namespace {

// The quicker and the stricter of both; `into` keeps its key.
void join(SessionConfig& into, const SessionConfig& other) {
  into.min_tx = std::min(into.min_tx, other.min_tx);
  into.min_rx = std::min(into.min_rx, other.min_rx);
  into.multiplier = std::min(into.multiplier, other.multiplier);
  into.min_ttl = std::max(into.min_ttl, other.min_ttl);
  into.passive = into.passive && other.passive;
  into.admin_down = into.admin_down && other.admin_down;
}

}  // namespace

bool Registry::same_session(const SessionKey& running, const SessionKey& wanted) const {
  if (running.peer != wanted.peer || running.hops != wanted.hops) return false;
  if (!running.interface.empty() && !wanted.interface.empty() && running.interface != wanted.interface) return false;
  if (!wanted.local) return true;
  if (running.local) return *running.local == *wanted.local;
  const auto source = sources_.find(running);
  return source == sources_.end() || source->second == *wanted.local;
}

void Registry::want(const std::string& client, std::vector<SessionConfig> sessions) {
  auto& mine = wishes_[client];
  mine.clear();
  std::set<SessionKey> seen;
  for (auto& config : sessions) {
    if (!seen.insert(config.key).second) continue;  // said twice
    const auto valid = validate(config);
    Wish& wish = mine.emplace_back();
    wish.config = std::move(config);
    if (!valid) wish.refusal = valid.error().message;
  }
  merge();
}

void Registry::forget(const std::string& client) {
  if (wishes_.erase(client) != 0) merge();
}

bool Registry::learn_source(const SessionKey& merged, const Address& source) {
  const auto known = sources_.find(merged);
  if (known != sources_.end() && known->second == source) return false;
  sources_[merged] = source;
  if (merged.local) return false;
  const auto parted = [&](const Wish& w) {
    const SessionKey& key = w.config.key;
    return key.peer == merged.peer && key.local && *key.local != source && (w.merged == merged || !w.refusal.empty());
  };
  const bool any = std::any_of(wishes_.begin(), wishes_.end(), [&](const auto& of_client) {
    return std::any_of(of_client.second.begin(), of_client.second.end(), parted);
  });
  if (any) merge();
  return any;
}

void Registry::merge() {
  struct Group {
    SessionKey key;
    std::optional<SessionConfig> config;
    std::string first;
  };
  // What runs comes first, so that a newcomer joins it and does not replace it.
  std::vector<Group> groups;
  for (const auto& running : merged_) groups.push_back({running.key, std::nullopt, {}});
  std::multimap<Address, std::size_t> by_peer;
  for (std::size_t i = 0; i < groups.size(); ++i) by_peer.emplace(groups[i].key.peer, i);
  std::size_t used = 0;
  interests_.clear();
  for (auto& [client, mine] : wishes_) {
    for (Wish& w : mine) {
      if (!validate(w.config)) continue;
      w.refusal.clear();
      const auto [first, last] = by_peer.equal_range(w.config.key.peer);
      const auto exact = std::find_if(first, last, [&](const auto& x) { return groups[x.second].key == w.config.key; });
      const auto like = exact != last ? exact : std::find_if(first, last, [&](const auto& x) {
        return same_session(groups[x.second].key, w.config.key);
      });
      Group* group = like != last ? &groups[like->second] : nullptr;
      if (group != nullptr && group->config && group->config->auth != w.config.auth) {
        w.refusal = fmt::format("BFD session {}: {} uses this session with {} authentication key: use the same in both",
                                w.config.key.to_string(), group->first,
                                group->config->auth ? w.config.auth ? "another" : "an" : "no");
        continue;
      }
      if ((group == nullptr || !group->config) && used == max_sessions_) {
        w.refusal = fmt::format("BFD session {}: there are {} sessions already, and no more are possible on a node",
                                w.config.key.to_string(), used);
        continue;
      }
      if (group == nullptr) {
        by_peer.emplace(w.config.key.peer, groups.size());
        group = &groups.emplace_back(Group{w.config.key, std::nullopt, {}});
      }
      if (group->config) {
        join(*group->config, w.config);
      } else {
        ++used;
        group->config = w.config;
        group->config->key = group->key;
        group->first = client;
      }
      w.merged = group->key;
      interests_[w.merged].push_back({client, w.config.key});
    }
  }
  merged_.clear();
  for (auto& g : groups)
    if (g.config) merged_.push_back(std::move(*g.config));
  std::erase_if(sources_, [&](const auto& known) { return !interests_.contains(known.first); });
}

const std::vector<Registry::Interest>& Registry::interested_in(const SessionKey& merged) const {
  static const std::vector<Interest> nobody;
  const auto at = interests_.find(merged);
  return at == interests_.end() ? nobody : at->second;
}

std::vector<std::pair<SessionKey, SessionKey>> Registry::sessions_of(const std::string& client) const {
  std::vector<std::pair<SessionKey, SessionKey>> out;
  const auto at = wishes_.find(client);
  if (at == wishes_.end()) return out;
  for (const Wish& w : at->second)
    if (w.refusal.empty()) out.emplace_back(w.config.key, w.merged);
  return out;
}

std::vector<SessionStatus> Registry::refused(const std::string& client) const {
  std::vector<SessionStatus> out;
  const auto at = wishes_.find(client);
  if (at == wishes_.end()) return out;
  for (const Wish& w : at->second) {
    if (w.refusal.empty()) continue;
    SessionStatus s;
    s.key = w.config.key;
    s.down_reason = DownReason::refused;
    s.why = w.refusal;
    s.since = w.since;
    out.push_back(std::move(s));
  }
  return out;
}

}  // namespace weft::bfd
