#include "pods/endpoint_manager.h"

#include <boost/json.hpp>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "pods/cni.h"
#include "pods/plumbing.h"

namespace weft::pods {

namespace fs = std::filesystem;

namespace {

constexpr const char* kSource = "pods";

std::string list(const std::vector<Address>& ips) {
  std::string out;
  for (const auto& ip : ips) out += (out.empty() ? "" : ", ") + ip.to_string();
  return out;
}

}  // namespace

EndpointManager::EndpointManager(netlink::Kernel& kernel, Table<LocalPod>& table, EndpointOptions options)
    : kernel_(kernel),
      table_(table),
      options_(std::move(options)),
      ipam_(options_.reuse_delay),
      store_(options_.state_dir + "/endpoints") {
  table_.expect(kSource);
}

Result<> EndpointManager::start(const std::vector<Prefix>& pod_cidrs) {
  WEFT_TRY(store_.prepare());
  std::error_code ec;
  fs::create_directories(delete_queue_dir(), ec);
  if (!pod_cidrs.empty()) WEFT_TRY(set_pod_cidrs(pod_cidrs));
  restore();
  claim_orphans();
  drain_delete_queue();
  table_.initialized_by(kSource);
  return {};
}

Result<> EndpointManager::set_pod_cidrs(const std::vector<Prefix>& pod_cidrs) {
  const auto before = ipam_.gateways();
  ipam_.set_cidrs(pod_cidrs);
  WEFT_TRY(ensure_host_device(kernel_, ipam_.gateways(), options_.mtu));
  if (before == ipam_.gateways()) return {};
  // Restored pods were repaired without the gateway as preferred source; now it is there.
  for (auto& [key, stored] : pods_)
    if (auto r = repair_host_side(kernel_, stored.pod, ipam_.gateways()); !r)
      log::warn("pod could not be repaired", {{"pod", stored.pod.pod.to_string()}, {"error", r.error().message}});
  return {};
}

void EndpointManager::restore() {
  for (auto& stored : store_.load()) {
    LocalPod& pod = stored.pod;
    const std::string who = pod.pod.to_string();
    if (auto r = ipam_.claim(pod.ips, pod.key()); !r) {
      log::error("stored pod is dropped: its address belongs to another", {{"pod", who}, {"error", r.error().message}});
      (void)detach_pod(kernel_, pod);
      store_.erase(pod.key());
      continue;
    }
    // A veth end lives exactly as long as the other end's namespace, so a link that is there proves the pod alive even
    // when the path of its namespace is not visible from where the agent runs.
    auto repaired = repair_host_side(kernel_, pod, ipam_.gateways());
    if (!repaired && repaired.error().code == Errc::not_found && !kernel_.link(pod.host_ifname)) {
      const auto id = kernel_.netns_id(pod.netns);
      if (!id || *id != stored.netns_id) {
        log::info("stored pod is gone", {{"pod", who}, {"netns", pod.netns}});
        ipam_.release(pod.ips, options_.now());
        store_.erase(pod.key());
        continue;
      }
      log::warn("pod lost its link, making it anew", {{"pod", who}});
      repaired = attach_pod(kernel_, pod, ipam_.gateways());
    }
    if (!repaired) log::error("pod could not be repaired", {{"pod", who}, {"error", repaired.error().message}});
    table_.upsert(pod);
    pods_[pod.key()] = std::move(stored);
  }
  log::info("pods restored", {{"count", pods_.size()}});
}

// Links that carry our alias but have no file (the state directory was lost): the pods work, so they stay, and
// their addresses must not be given to others.
void EndpointManager::claim_orphans() {
  auto links = kernel_.links();
  auto routes = kernel_.routes({.table = netlink::kMainTable, .protocol = netlink::kPodRouteProtocol});
  if (!links || !routes) return;
  for (const auto& link : *links) {
    if (!link.alias.starts_with(kAliasPrefix)) continue;
    const std::string key = link.alias.substr(std::string_view(kAliasPrefix).size());
    if (pods_.contains(key) || link.name != host_ifname(key)) continue;
    std::vector<Address> ips;
    for (const auto& r : *routes)
      if (r.ifindex == link.index && r.destination.is_host()) ips.push_back(r.destination.address());
    if (auto r = ipam_.claim(ips, key); !r) {
      log::warn("link without a stored pod", {{"link", link.name}, {"error", r.error().message}});
      continue;
    }
    log::warn("link without a stored pod: kept, its addresses stay taken until it is deleted",
              {{"link", link.name}, {"ips", list(ips)}});
    orphans_[key] = std::move(ips);
  }
}

Result<> EndpointManager::save(const LocalPod& pod, std::uint64_t netns_id) {
  StoredPod stored{pod, netns_id};
  WEFT_TRY(store_.save(stored));
  pods_[pod.key()] = std::move(stored);
  return {};
}

Result<LocalPod> EndpointManager::add(const AddRequest& q) {
  const std::string who = q.pod.name.empty() ? q.container_id : q.pod.to_string();
  auto netns_id = kernel_.netns_id(q.netns);
  if (!netns_id) return fail(netns_id.error().in("pod " + who));

  LocalPod pod;
  pod.container_id = q.container_id;
  pod.pod_ifname = q.ifname;
  const auto key = pod.key();
  const auto known = pods_.find(key);
  if (known != pods_.end()) {
    pod = known->second.pod;
    if (known->second.netns_id != *netns_id) WEFT_TRY(detach_pod(kernel_, pod));
  } else {
    if (orphans_.contains(key)) WEFT_TRY(remove(key));
    auto ips = ipam_.allocate(key, options_.now());
    if (!ips) return fail(ips.error().in("pod " + who));
    pod.ips = std::move(*ips);
    pod.host_ifname = host_ifname(key);
    pod.host_mac = derive_mac(key, "host");
    pod.pod_mac = derive_mac(key, "pod");
    pod.mtu = options_.mtu;
  }
  pod.pod = q.pod;
  pod.uid = q.uid;
  pod.netns = q.netns;

  // On disk first: whatever dies from here on, the next agent knows whose link and address this is.
  auto done = save(pod, *netns_id);
  if (done) done = attach_pod(kernel_, pod, ipam_.gateways());
  if (!done) {
    (void)detach_pod(kernel_, pod);
    forget(key);
    ipam_.release(pod.ips, options_.now());
    return fail(done.error().in("pod " + who));
  }
  pods_[key].pod = pod;  // now with its ifindex
  table_.upsert(pod);
  log::info("pod attached",
            {{"pod", who}, {"ips", list(pod.ips)}, {"link", pod.host_ifname}, {"container", q.container_id}});
  return pod;
}

void EndpointManager::forget(const LocalPod::Key& key) {
  store_.erase(key);
  pods_.erase(key);
  orphans_.erase(key);
  table_.remove(key);
}

Result<> EndpointManager::remove(const LocalPod::Key& key) {
  LocalPod pod;
  pod.host_ifname = host_ifname(key);  // also removes the link of a pod whose file was lost
  const auto known = pods_.find(key);
  if (known != pods_.end()) {
    pod = known->second.pod;
  } else if (const auto orphan = orphans_.find(key); orphan != orphans_.end()) {
    pod.ips = orphan->second;
  }
  WEFT_TRY(detach_pod(kernel_, pod));
  const bool was_known = known != pods_.end();
  forget(key);
  ipam_.release(pod.ips, options_.now());
  if (was_known)
    log::info("pod detached", {{"pod", pod.pod.to_string()}, {"ips", list(pod.ips)}, {"container", pod.container_id}});
  return {};
}

Result<> EndpointManager::check(const LocalPod::Key& key, const std::optional<std::vector<Address>>& previous_ips) {
  const auto known = pods_.find(key);
  if (known == pods_.end())
    return fail(Errc::not_found,
                "attachment " + key + ": unknown to this agent; delete the pod so that it is made anew");
  const auto& pod = known->second.pod;
  if (previous_ips) {
    const std::set<Address> then(previous_ips->begin(), previous_ips->end());
    const std::set<Address> now(pod.ips.begin(), pod.ips.end());
    if (then != now)
      return fail(Errc::conflict, "pod " + pod.pod.to_string() + ": prevResult has " + list(*previous_ips) +
                                      ", the agent gave it " + list(pod.ips));
  }
  return verify_pod(kernel_, pod, ipam_.gateways());
}

Result<std::size_t> EndpointManager::collect_garbage(const std::vector<LocalPod::Key>& valid) {
  const std::set<LocalPod::Key> keep(valid.begin(), valid.end());
  std::vector<LocalPod::Key> drop;
  for (const auto& [key, pod] : pods_)
    if (!keep.contains(key)) drop.push_back(key);
  for (const auto& [key, ips] : orphans_)
    if (!keep.contains(key)) drop.push_back(key);
  for (const auto& key : drop) WEFT_TRY(remove(key));
  return drop.size();
}

Result<> EndpointManager::ready() const {
  if (!ipam_.ready())
    return fail(Errc::unavailable, "node has no pod CIDR yet: wait for the cluster to assign one (Node spec.podCIDRs)");
  for (const Family f : {Family::v4, Family::v6}) {
    const auto& pool = ipam_.pool(f);
    if (!pool.cidrs().empty() && pool.used() >= pool.capacity())
      return fail(Errc::exhausted, "pod CIDR " + pool.cidrs().front().to_string() + ": all " +
                                       std::to_string(pool.capacity()) + " addresses are in use");
  }
  return {};
}

void EndpointManager::drain_delete_queue() {
  std::error_code ec;
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(delete_queue_dir(), ec))
    if (entry.path().extension() == ".json") files.push_back(entry.path());
  for (const auto& file : files) {
    auto content = read_file(file);
    if (!content) continue;
    boost::system::error_code parse_error;
    const auto body = json::parse(*content, parse_error);
    auto request = parse_cni_request(body);
    if (parse_error || !request || request->command != CniCommand::del) {
      log::warn("queued delete is not readable and is dropped", {{"file", file.string()}});
      fs::remove(file, ec);
      continue;
    }
    if (auto r = remove(request->container_id + "/" + request->ifname); !r) {
      log::warn("queued delete failed and is tried again", {{"file", file.string()}, {"error", r.error().message}});
      continue;
    }
    log::info("queued delete done", {{"container", request->container_id}});
    fs::remove(file, ec);
  }
}

}  // namespace weft::pods
