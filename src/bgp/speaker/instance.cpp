#include "bgp/speaker/instance.h"

#include <algorithm>

namespace weft::bgp {

Instance::Instance(Shared& shared, InstanceConfig config)
    : shared_(shared), config_(std::move(config)), in_(config_.local_as, config_.router_id) {
  in_.set_ours([this](const Prefix& p) { return ours(p); });
}

bool Instance::set_routes(const std::map<std::string, RouteSet>& sets, bool complete) {
  const Seconds now = shared_.seconds();
  const bool completed = complete_ != complete;
  complete_ = complete;
  const bool imports =
      std::any_of(config_.peers.begin(), config_.peers.end(), [](const PeerConfig& p) { return p.import.has_value(); });
  std::vector<std::string> changed;
  const auto replace = [&](const std::string& name, LocalRib& rib, const RouteSet& next) {
    const RouteSet before = rib.routes();
    if (!rib.replace(next, now)) return;
    changed.push_back(name);
    // What is ours now is not imported any more, and what was ours may be.
    if (imports)
      before.diff(next, [&](const RouteSet::Change& c) {
        if (c.before == nullptr || c.after == nullptr) in_.touch(c.prefix);
      });
  };
  for (const auto& [name, set] : sets) replace(name, sets_[name], set);
  for (auto it = sets_.begin(); it != sets_.end();) {
    if (sets.contains(it->first)) {
      ++it;
      continue;
    }
    replace(it->first, it->second, {});
    it = sets_.erase(it);
  }
  std::erase_if(groups_, [](const Group& g) { return g.group.expired(); });
  for (const Group& g : groups_)
    if (completed || std::find(changed.begin(), changed.end(), g.set) != changed.end())
      if (const auto group = g.group.lock()) update(*group, g.set);
  return completed || !changed.empty();
}

void Instance::update(OutGroup& group, const std::string& set) const {
  const LocalRib* rib = routes(set);
  const Family family = group.rules().family;
  group.update(rib == nullptr ? RouteTable(family) : rib->routes().table(family), complete_);
}

const LocalRib* Instance::routes(const std::string& set) const {
  const auto found = sets_.find(set);
  return found == sets_.end() ? nullptr : &found->second;
}

bool Instance::ours(const Prefix& prefix) const {
  return std::any_of(sets_.begin(), sets_.end(), [&](const auto& s) { return s.second.routes().contains(prefix); });
}

std::shared_ptr<OutGroup> Instance::group(const std::string& set, const ExportRules& rules) {
  for (const Group& g : groups_)
    if (g.set == set)
      if (auto group = g.group.lock(); group && group->rules() == rules) return group;
  auto group = std::make_shared<OutGroup>(rules);
  update(*group, set);
  groups_.push_back({set, group});
  return group;
}

}  // namespace weft::bgp
