#include "services/controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "async/scope.h"
#include "base/log.h"

namespace weft::services {

namespace {

std::string taken(const FrontendKey& key, const ObjectName& holder, FrontendKind kind) {
  return kind == FrontendKind::cluster_ip
             ? fmt::format("{} is the ClusterIP of Service {}: give this Service another external IP or port",
                           key.to_string(), holder.to_string())
             : fmt::format("{} is taken by Service {}: give one of the two another external IP or port",
                           key.to_string(), holder.to_string());
}

}  // namespace

ServiceController::ServiceController(Site site, Table<Service>& services, Table<EndpointSlice>& slices,
                                     Table<ClusterService>& remotes, Table<Frontend>& frontends)
    : ServiceController(std::move(site), services, slices, remotes, frontends, Start{}) {}

ServiceController::ServiceController(Site site, Table<Service>& services, Table<EndpointSlice>& slices,
                                     Table<ClusterService>& remotes, Table<Frontend>& frontends, Start start)
    : site_(std::move(site)),
      start_(std::move(start)),
      services_(services),
      slices_(slices),
      remotes_(remotes),
      frontends_(frontends),
      service_changes_(services),
      slice_changes_(slices),
      remote_changes_(remotes),
      woken_(frontends.notifier().io()) {
  frontends_.expect("services");
}

void ServiceController::set_zone(std::string zone) {
  if (site_.zone == zone) return;
  site_.zone = std::move(zone);
  services_.for_each([&](const Service& s) { dirty_.insert(s.key()); });
  woken_.notify();
}

// Any tenant may write any address into externalIPs. If the name decided alone, a service of a namespace that sorts
// early would get the cluster's DNS, or its API server.
ServiceController::Claims::const_iterator ServiceController::holder(const Claims& claims) {
  const auto own = std::find_if(claims.begin(), claims.end(),
                                [](const auto& claim) { return claim.second.kind == FrontendKind::cluster_ip; });
  return own == claims.end() ? claims.begin() : own;
}

std::vector<Unserved> ServiceController::unserved() const {
  std::vector<Unserved> out;
  for (const auto& [key, told] : contested_) {
    const Claims& claims = claims_.at(key);
    const auto has = holder(claims);
    for (auto it = claims.begin(); it != claims.end(); ++it)
      if (it != has) out.push_back({it->second, taken(key, has->first, has->second.kind)});
  }
  for (const auto& [service, ports] : untranslated_) out.insert(out.end(), ports.begin(), ports.end());
  return out;
}

// They are no rows: a row that the maps can never take would be tried again for ever, and kube-proxy may serve it well.
void ServiceController::leave_out_untranslated(const ObjectName& name, std::vector<Frontend>& wanted) {
  std::vector<Unserved> out;
  const auto rest = std::stable_partition(wanted.begin(), wanted.end(), [](const Frontend& f) {
    return f.address.protocol == Protocol::tcp || f.address.protocol == Protocol::udp;
  });
  for (auto it = rest; it != wanted.end(); ++it) {
    const auto protocol = to_string(it->address.protocol);
    std::string why = fmt::format("port {}/{}: protocol {} is not translated; use TCP or UDP", it->address.address.port,
                                  protocol, protocol);
    out.push_back({std::move(*it), std::move(why)});
  }
  wanted.erase(rest, wanted.end());
  if (out.empty()) {
    untranslated_.erase(name);
    return;
  }
  std::vector<Unserved>& before = untranslated_[name];
  if (before.empty())
    log::warn("not all ports of a service are served", {{"service", name.to_string()}, {"why", out.front().why}});
  before = std::move(out);
}

void ServiceController::tell_losers(const FrontendKey& key, const Claims& claims) {
  if (claims.size() < 2) {
    contested_.erase(key);
    return;
  }
  std::set<ObjectName>& told = contested_[key];
  const auto has = holder(claims);
  std::erase_if(told, [&](const ObjectName& name) { return !claims.contains(name) || name == has->first; });
  for (auto it = claims.begin(); it != claims.end(); ++it)
    if (it != has && told.insert(it->first).second)
      log::warn("address is not this service's",
                {{"service", it->first.to_string()}, {"why", taken(key, has->first, has->second.kind)}});
}

void ServiceController::note_slice(const Change<EndpointSlice>& change, std::set<ObjectName>& dirty) {
  if (const auto it = service_of_.find(change.key); it != service_of_.end()) {
    dirty.insert(it->second);
    slices_of_[it->second].erase(change.key);
    if (slices_of_[it->second].empty()) slices_of_.erase(it->second);
    service_of_.erase(it);
  }
  if (!change.row || change.row->service.empty()) return;
  const ObjectName service{change.key.ns, change.row->service};
  slices_of_[service].insert(change.key);
  service_of_[change.key] = service;
  dirty.insert(service);
}

void ServiceController::recompute(const ObjectName& name) {
  std::vector<Frontend> wanted;
  if (const auto service = services_.get(name)) {
    std::vector<std::shared_ptr<const EndpointSlice>> slices;
    if (const auto it = slices_of_.find(name); it != slices_of_.end())
      for (const ObjectName& s : it->second)
        if (auto row = slices_.get(s)) slices.push_back(std::move(row));
    std::vector<std::shared_ptr<const ClusterService>> feeds;
    std::set<ClusterTag> spoken;
    if (service->global)
      remotes_.scan({name, ""}, [&](const ClusterService& feed) {
        if (feed.name != name) return false;
        feeds.push_back(remotes_.get(feed.key()));
        spoken.insert(cluster_tag(feed.cluster));
        return true;
      });
    bool inherits = false;
    wanted = merge(site_, *service, slices, feeds, [&](const FrontendKey& key) {
      auto backends = last_known(key, spoken);
      inherits = inherits || !backends.empty();
      return backends;
    });
    if (inherits) inheriting_.insert(name);
  }

  leave_out_untranslated(name, wanted);

  std::set<FrontendKey>& claimed = claimed_by_[name];
  std::set<FrontendKey> stale = claimed;
  std::set<FrontendKey> touched;
  for (Frontend& f : wanted) {
    stale.erase(f.address);
    claimed.insert(f.address);
    touched.insert(f.address);
    claims_[f.address][name] = std::move(f);
  }
  for (const FrontendKey& key : stale) {
    claimed.erase(key);
    touched.insert(key);
    const auto it = claims_.find(key);
    it->second.erase(name);
    if (it->second.empty()) claims_.erase(it);
  }
  if (claimed.empty()) claimed_by_.erase(name);

  for (const FrontendKey& key : touched) {
    const auto it = claims_.find(key);
    if (it == claims_.end()) {
      contested_.erase(key);
      frontends_.remove(key);
      continue;
    }
    tell_losers(key, it->second);
    frontends_.upsert(holder(it->second)->second);
  }
}

void ServiceController::note_who_is_silent() {
  if (start_.inherited.empty() || (!silent_.empty() && silent_ == remotes_.waiting_for())) return;
  silent_ = remotes_.waiting_for();
  clusters_.clear();
  nameless_ = false;
  for (const std::string& source : silent_) {
    if (source.starts_with(kRemoteSourcePrefix)) {
      const std::string name = source.substr(kRemoteSourcePrefix.size());
      clusters_[cluster_tag(name)] = name;
    } else {
      nameless_ = true;
    }
  }
  if (silent_.empty()) start_.inherited.clear();
  dirty_.merge(std::exchange(inheriting_, {}));
}

std::vector<Backend> ServiceController::last_known(const FrontendKey& key, const std::set<ClusterTag>& spoken) const {
  std::vector<Backend> out;
  const auto found = start_.inherited.find(key);
  if (found == start_.inherited.end()) return out;
  for (const InheritedBackend& b : found->second) {
    const auto cluster = clusters_.find(b.cluster);
    if (spoken.contains(b.cluster) || (cluster == clusters_.end() && !nameless_)) continue;
    out.push_back({.address = b.address,
                   .state = b.state,
                   .cluster = cluster == clusters_.end() ? std::string("unknown") : cluster->second});
  }
  return out;
}

void ServiceController::step() {
  for (const auto& change : service_changes_.next()) dirty_.insert(change.key);
  for (const auto& change : slice_changes_.next()) note_slice(change, dirty_);
  for (const auto& change : remote_changes_.next()) dirty_.insert(change.key.service);
  if (!services_.initialized() || !slices_.initialized()) return;
  note_who_is_silent();
  for (const ObjectName& name : std::exchange(dirty_, {})) recompute(name);
  if (!announced_ && (remotes_.initialized() || !start_.with_remotes)) {
    announced_ = true;
    frontends_.initialized_by("services");
  }
}

Task<> ServiceController::run() {
  // One wake-up for three tables: each forwards its notifications to this one.
  Scope scope(frontends_.notifier().io(), "service-merge");
  const auto forward = [](Notifier& from, Notifier& to) -> Task<> {
    for (auto seen = from.version();;) {
      co_await from.changed_since(seen);
      seen = from.version();
      to.notify();
    }
  };
  scope.spawn("services", forward(services_.notifier(), woken_));
  scope.spawn("slices", forward(slices_.notifier(), woken_));
  scope.spawn("remotes", forward(remotes_.notifier(), woken_));
  for (;;) {
    const auto seen = woken_.version();
    step();
    co_await woken_.changed_since(seen);
  }
}

}  // namespace weft::services
