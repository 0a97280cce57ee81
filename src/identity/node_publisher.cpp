#include "identity/node_publisher.h"

#include <boost/json.hpp>

#include "async/backoff.h"
#include "base/log.h"
#include "kube/json.h"
#include "kube/reflector.h"

namespace weft::identity {

namespace json = boost::json;

Node describe_node(const kube::CoreNode& node, const kube::ClusterInfo& cluster,
                   const std::vector<Address>& internal_ips, const std::vector<Address>& health_ips) {
  Node n;
  n.cluster = cluster.name;
  n.cluster_id = cluster.id;
  n.source = "custom-resource";
  n.name = node.name;
  n.labels = node.labels;
  n.pod_cidrs = node.pod_cidrs;
  n.boot_id = node.boot_id;
  for (const auto& a : node.addresses)
    if (a.type == NodeAddressType::internal_ip || a.type == NodeAddressType::external_ip) n.addresses.push_back(a);
  for (const auto& ip : internal_ips) n.addresses.push_back({NodeAddressType::cilium_internal_ip, ip.to_string()});
  for (const auto& ip : health_ips) (ip.is_v4() ? n.health_v4 : n.health_v6) = ip;
  return n;
}

NodePublisher::NodePublisher(kube::Client& client, Table<Node>& nodes) : client_(client), nodes_(nodes) {}

void NodePublisher::set(Node wanted, std::string node_uid) {
  if (wanted_ == wanted && uid_ == node_uid) return;
  wanted_ = std::move(wanted);
  uid_ = std::move(node_uid);
  ++generation_;
  nodes_.notifier().notify();
}

bool NodePublisher::published() const {
  const auto seen = nodes_.get(wanted_->key());
  if (!seen) return false;
  Node a = *seen;
  a.annotations = wanted_->annotations;  // others may annotate
  a.source = wanted_->source;
  return a == *wanted_;
}

Task<> NodePublisher::run() {
  Backoff backoff(std::chrono::milliseconds(100), std::chrono::seconds(10));
  for (;;) {
    const auto version = nodes_.notifier().version();
    // The nodes of remote clusters may take their time.
    const bool listed = !nodes_.waits_for(kube::kSourcePrefix);
    if (!wanted_ || !listed || published()) {
      if (wanted_ && listed) {
        error_.clear();
        backoff.reset();
      }
      co_await nodes_.notifier().changed_since(version);
      continue;
    }
    const auto generation = generation_;
    auto r = co_await write();
    if (!r) {
      if (error_ != r.error().message) log::warn("the CiliumNode cannot be written", {{"error", r.error().message}});
      error_ = r.error().message;
      co_await sleep_for(backoff.next());
      continue;
    }
    error_.clear();
    // Written; now it has to come back through the watch. If something else comes back, write again, but not in a fury.
    const bool again = co_await nodes_.notifier().changed_since(version, std::chrono::seconds(2));
    if (again && !published() && generation == generation_) co_await sleep_for(backoff.next());
  }
}

Task<Result<>> NodePublisher::write() {
  const json::object wanted = kube::to_cilium_node(*wanted_);
  json::object owner{{"apiVersion", "v1"}, {"kind", "Node"}, {"name", wanted_->name}, {"uid", uid_}};
  auto now = co_await client_.get(kube::kCiliumNodes, "", wanted_->name);
  if (!now && now.error().code != Errc::not_found) co_return fail(now.error());
  Result<json::object> done;
  if (!now) {
    json::object fresh = wanted;
    json::array owners;
    owners.push_back(std::move(owner));
    if (!uid_.empty()) kube::metadata_of(fresh)["ownerReferences"] = std::move(owners);
    done = co_await client_.create(kube::kCiliumNodes, "", fresh);
  } else {
    json::object next = std::move(*now);
    auto& meta = kube::metadata_of(next);
    meta["labels"] = kube::to_json(wanted_->labels);
    for (const auto& [key, value] : kube::object_at(kube::metadata(wanted), "annotations")) {
      auto& annotations = meta["annotations"];
      if (!annotations.is_object()) annotations.emplace_object();
      annotations.get_object()[key] = value;
    }
    json::array owners;
    owners.push_back(std::move(owner));
    if (!uid_.empty()) meta["ownerReferences"] = std::move(owners);
    auto& spec = next["spec"];
    if (!spec.is_object()) spec.emplace_object();
    for (const auto& [key, value] : wanted.at("spec").get_object()) {
      if (key == "ipam" && spec.get_object()["ipam"].is_object()) {
        spec.get_object()["ipam"].get_object()["podCIDRs"] = value.at("podCIDRs");
      } else {
        spec.get_object()[key] = value;
      }
    }
    done = co_await client_.update(kube::kCiliumNodes, "", next);
  }
  if (!done) co_return fail(done.error());
  co_return Result<>{};
}

}  // namespace weft::identity
