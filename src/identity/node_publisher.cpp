#include "identity/node_publisher.h"

#include <boost/json.hpp>

#include "async/backoff.h"
#include "base/log.h"
#include "kube/json.h"
#include "kube/reflector.h"

namespace weft::identity {

namespace {

// Makes `there` say what `wanted` says in field `key`, and nothing where it says nothing.
void take_over(json::object& there, const json::object& wanted, std::string_view key) {
  if (const auto* value = wanted.if_contains(key)) {
    there[key] = *value;
  } else {
    there.erase(key);
  }
}

json::object& object_in(json::object& o, std::string_view key) {
  auto& value = o[key];
  return value.is_object() ? value.get_object() : value.emplace_object();
}

}  // namespace

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
  return seen && as_wanted(*seen);
}

bool NodePublisher::as_wanted(const Node& seen) const {
  Node a = seen;
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
    std::string trouble = r ? "" : r.error().message;
    if (r && generation == generation_) trouble = difference(*r);
    if (!trouble.empty()) {
      if (error_ != trouble) log::warn("the CiliumNode cannot be written", {{"error", trouble}});
      error_ = trouble;
      co_await sleep_for(backoff.next());
      continue;
    }
    error_.clear();
    // Written; now it has to come back through the watch. If it does not, or something else does, write again, but not
    // in a fury.
    co_await nodes_.notifier().changed_since(version, std::chrono::seconds(2));
    if (!published() && generation == generation_) co_await sleep_for(backoff.next());
  }
}

// A server that keeps something else than what it was given (a webhook, a field we do not write) would be asked again
// for ever: then there is no event to wait for.
std::string NodePublisher::difference(const json::object& answer) const {
  const std::string name = "CiliumNode " + wanted_->name;
  const auto got = kube::parse_cilium_node(answer, {wanted_->cluster, wanted_->cluster_id});
  if (!got) return name + " came back unreadable: " + got.error().message;
  if (*got && as_wanted(**got)) return {};
  return name + " does not say what was written to it: see what changes it (kubectl get ciliumnode " + wanted_->name +
         " -o yaml --show-managed-fields; admission webhooks)";
}

Task<Result<json::object>> NodePublisher::write() {
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
    auto& annotations = object_in(meta, "annotations");
    const auto& ours = kube::object_at(kube::metadata(wanted), "annotations");
    for (const auto& [key, value] : ours) annotations[key] = value;
    take_over(annotations, ours, kube::kWireguardKeyAnnotation);
    json::array owners;
    owners.push_back(std::move(owner));
    if (!uid_.empty()) meta["ownerReferences"] = std::move(owners);
    auto& spec = object_in(next, "spec");
    const auto& said = wanted.at("spec").get_object();
    for (const char* key : {"addresses", "health", "ingress", "encryption", "bootid"}) take_over(spec, said, key);
    // Other fields of ipam are settings of an operator. Pools are pod CIDRs, which are ours to tell.
    auto& ipam = object_in(spec, "ipam");
    for (const char* key : {"podCIDRs", "pools"}) take_over(ipam, kube::object_at(said, "ipam"), key);
    done = co_await client_.update(kube::kCiliumNodes, "", next);
  }
  co_return done;
}

}  // namespace weft::identity
