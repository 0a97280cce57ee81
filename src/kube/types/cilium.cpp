#include "kube/types/cilium.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include <charconv>

namespace weft::kube {

namespace {

Result<std::optional<Address>> optional_address(const json::object& o, std::string_view key, std::string_view field) {
  const auto text = text_at(o, key);
  if (text.empty()) return std::optional<Address>();
  auto a = Address::parse(text);
  if (!a) return fail(a.error().in(field));
  return std::optional(*a);
}

Result<std::uint8_t> encryption_key(const json::object& encryption) {
  const auto n = number_at(encryption, "key").value_or(0);
  if (n < 0 || n > 255) return fail(Errc::invalid, fmt::format("encryption.key {} is not 0 to 255", n));
  return static_cast<std::uint8_t>(n);
}

json::object address_pair(const std::optional<Address>& v4, const std::optional<Address>& v6) {
  json::object o;
  if (v4) o["ipv4"] = v4->to_string();
  if (v6) o["ipv6"] = v6->to_string();
  return o;
}

}  // namespace

Result<std::optional<Node>> parse_cilium_node(const json::object& object, const ClusterInfo& cluster) {
  Node n;
  n.cluster = cluster.name;
  n.cluster_id = cluster.id;
  n.source = "custom-resource";
  n.name = name_of(object).name;
  if (n.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  n.labels = labels_at(metadata(object), "labels");
  n.annotations = labels_at(metadata(object), "annotations");
  if (const auto it = n.annotations.find(kWireguardKeyAnnotation); it != n.annotations.end())
    n.wireguard_key = it->second;
  const auto& spec = object_at(object, "spec");
  for (const auto& entry : array_at(spec, "addresses")) {
    if (!entry.is_object()) continue;
    const auto& o = entry.get_object();
    auto type = parse_node_address_type(text_at(o, "type"));
    if (!type) return fail(type.error().in("spec.addresses.type"));
    const auto ip = text_at(o, "ip");
    if (*type == NodeAddressType::internal_ip || *type == NodeAddressType::external_ip ||
        *type == NodeAddressType::cilium_internal_ip)
      if (auto a = Address::parse(ip); !a) return fail(a.error().in("spec.addresses.ip"));
    n.addresses.push_back({*type, ip});
  }
  const auto& ipam = object_at(spec, "ipam");
  for (const auto& text : texts_at(ipam, "podCIDRs")) {
    auto p = Prefix::parse(text);
    if (!p) return fail(p.error().in("spec.ipam.podCIDRs"));
    n.pod_cidrs.push_back(*p);
  }
  // Multi-pool allocations count as further pod CIDRs.
  for (const auto& pool : array_at(object_at(ipam, "pools"), "allocated")) {
    if (!pool.is_object()) continue;
    for (const auto& text : texts_at(pool.get_object(), "cidrs"))
      if (auto p = Prefix::parse(text)) n.pod_cidrs.push_back(*p);
  }
  const auto& health = object_at(spec, "health");
  const auto& ingress = object_at(spec, "ingress");
  auto h4 = optional_address(health, "ipv4", "spec.health.ipv4");
  auto h6 = optional_address(health, "ipv6", "spec.health.ipv6");
  auto i4 = optional_address(ingress, "ipv4", "spec.ingress.ipv4");
  auto i6 = optional_address(ingress, "ipv6", "spec.ingress.ipv6");
  for (const auto* r : {&h4, &h6, &i4, &i6})
    if (!*r) return fail(r->error());
  n.health_v4 = *h4;
  n.health_v6 = *h6;
  n.ingress_v4 = *i4;
  n.ingress_v6 = *i6;
  auto key = encryption_key(object_at(spec, "encryption"));
  if (!key) return fail(key.error().in("spec"));
  n.encryption_key = *key;
  n.boot_id = text_at(spec, "bootid");
  return n;
}

json::object to_cilium_node(const Node& n) {
  json::array addresses;
  for (const auto& a : n.addresses) addresses.push_back(json::object{{"type", to_string(a.type)}, {"ip", a.value}});
  json::array cidrs;
  for (const auto& p : n.pod_cidrs) cidrs.push_back(json::string(p.to_string()));
  json::object encryption;
  if (n.encryption_key != 0) encryption["key"] = n.encryption_key;
  json::object spec{{"addresses", std::move(addresses)},
                    {"ipam", json::object{{"podCIDRs", std::move(cidrs)}}},
                    {"health", address_pair(n.health_v4, n.health_v6)},
                    {"ingress", address_pair(n.ingress_v4, n.ingress_v6)},
                    {"encryption", std::move(encryption)}};
  if (!n.boot_id.empty()) spec["bootid"] = n.boot_id;
  json::object meta{{"name", n.name}};
  if (!n.labels.empty()) meta["labels"] = to_json(n.labels);
  Labels annotations = n.annotations;
  if (!n.wireguard_key.empty()) annotations[kWireguardKeyAnnotation] = n.wireguard_key;
  if (!annotations.empty()) meta["annotations"] = to_json(annotations);
  return {
      {"apiVersion", "cilium.io/v2"}, {"kind", "CiliumNode"}, {"metadata", std::move(meta)}, {"spec", std::move(spec)}};
}

Result<std::optional<CiliumEndpoint>> parse_cilium_endpoint(const json::object& object) {
  CiliumEndpoint e;
  e.name = name_of(object);
  if (e.name.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  e.uid = uid_of(object);
  e.labels = labels_at(metadata(object), "labels");
  for (const auto& owner : array_at(metadata(object), "ownerReferences"))
    if (owner.is_object() && text_at(owner.get_object(), "kind") == "Pod")
      e.pod_uid = text_at(owner.get_object(), "uid");
  const auto& status = object_at(object, "status");
  e.endpoint_id = number_at(status, "id").value_or(0);
  const auto& identity = object_at(status, "identity");
  const auto id = number_at(identity, "id").value_or(0);
  if (id < 0 || id > 0xffffff)
    return fail(Errc::invalid, fmt::format("status.identity.id {} is not a 24-bit number", id));
  e.identity = static_cast<NumericIdentity>(id);
  e.identity_labels = texts_at(identity, "labels");
  const auto& networking = object_at(status, "networking");
  for (const auto& pair : array_at(networking, "addressing")) {
    if (!pair.is_object()) continue;
    for (const char* family : {"ipv4", "ipv6"}) {
      auto a = optional_address(pair.get_object(), family, "status.networking.addressing");
      if (!a) return fail(a.error());
      if (*a) e.addresses.push_back(**a);
    }
  }
  auto node = optional_address(networking, "node", "status.networking.node");
  if (!node) return fail(node.error());
  e.node = *node;
  auto key = encryption_key(object_at(status, "encryption"));
  if (!key) return fail(key.error().in("status"));
  e.encryption_key = *key;
  e.container_id = text_at(object_at(status, "external-identifiers"), "container-id");
  e.service_account = text_at(status, "service-account");
  e.state = text_at(status, "state");
  for (const auto& entry : array_at(status, "named-ports")) {
    if (!entry.is_object()) continue;
    const auto& o = entry.get_object();
    NamedPort p{text_at(o, "name"), Protocol::tcp, static_cast<Port>(number_at(o, "port").value_or(0))};
    if (auto protocol = parse_protocol(text_at(o, "protocol"))) p.protocol = *protocol;
    e.named_ports.push_back(std::move(p));
  }
  return e;
}

json::object to_cilium_endpoint(const CiliumEndpoint& e) {
  json::object meta{{"name", e.name.name}, {"namespace", e.name.ns}};
  if (!e.labels.empty()) meta["labels"] = to_json(e.labels);
  if (!e.pod_uid.empty())
    meta["ownerReferences"] = json::array{json::object{{"apiVersion", "v1"},
                                                       {"kind", "Pod"},
                                                       {"name", e.name.name},
                                                       {"uid", e.pod_uid},
                                                       {"blockOwnerDeletion", false}}};
  // One entry for each pair of an IPv4 and an IPv6 address, as the agent of a dual-stack pod writes it.
  json::array addressing;
  std::vector<std::string> v4, v6;
  for (const auto& a : e.addresses) (a.is_v4() ? v4 : v6).push_back(a.to_string());
  for (std::size_t i = 0; i < std::max(v4.size(), v6.size()); ++i) {
    json::object pair;
    if (i < v4.size()) pair["ipv4"] = v4[i];
    if (i < v6.size()) pair["ipv6"] = v6[i];
    addressing.push_back(std::move(pair));
  }
  json::object networking{{"addressing", std::move(addressing)}};
  if (e.node) networking["node"] = e.node->to_string();
  json::array labels;
  for (const auto& l : e.identity_labels) labels.push_back(json::string(l));
  json::object identifiers{
      {"k8s-namespace", e.name.ns}, {"k8s-pod-name", e.name.name}, {"pod-name", e.name.to_string()}};
  if (!e.container_id.empty()) identifiers["container-id"] = e.container_id;
  json::object encryption;
  if (e.encryption_key != 0) encryption["key"] = e.encryption_key;
  json::object status{{"id", e.endpoint_id},
                      {"identity", json::object{{"id", e.identity}, {"labels", std::move(labels)}}},
                      {"networking", std::move(networking)},
                      {"external-identifiers", std::move(identifiers)},
                      {"encryption", std::move(encryption)}};
  if (!e.state.empty()) status["state"] = e.state;
  if (!e.service_account.empty()) status["service-account"] = e.service_account;
  if (!e.named_ports.empty()) {
    json::array ports;
    for (const auto& p : e.named_ports)
      ports.push_back(json::object{{"name", p.name}, {"port", p.port}, {"protocol", to_string(p.protocol)}});
    status["named-ports"] = std::move(ports);
  }
  return {{"apiVersion", "cilium.io/v2"},
          {"kind", "CiliumEndpoint"},
          {"metadata", std::move(meta)},
          {"status", std::move(status)}};
}

Result<std::optional<Identity>> parse_cilium_identity(const json::object& object, const ClusterInfo& cluster) {
  const auto name = name_of(object).name;
  Identity i;
  const auto [end, ec] = std::from_chars(name.data(), name.data() + name.size(), i.id);
  if (ec != std::errc{} || end != name.data() + name.size() || i.id == 0 || i.id > 0xffffff)
    return fail(Errc::invalid, "metadata.name \"" + name + "\" is not a numeric identity");
  i.labels = labels_at(object, "security-labels");
  if (i.labels.empty()) return fail(Errc::invalid, "security-labels is empty");
  i.cluster = cluster.name;
  return i;
}

json::object to_cilium_identity(const Identity& i) {
  // metadata.labels repeat the Kubernetes labels without their source, so that `kubectl get -l` finds them; keys that
  // would not be valid there stay out of it.
  json::object labels;
  for (const auto& [key, value] : i.labels) {
    const auto colon = key.find(':');
    if (colon == std::string::npos || key.substr(0, colon) != "k8s") continue;
    const auto bare = key.substr(colon + 1);
    if (bare.starts_with("io.cilium.k8s.") || bare.size() > 63 || value.size() > 63) continue;
    labels[bare] = value;
  }
  return {{"apiVersion", "cilium.io/v2"},
          {"kind", "CiliumIdentity"},
          {"metadata", json::object{{"name", std::to_string(i.id)}, {"labels", std::move(labels)}}},
          {"security-labels", to_json(i.labels)}};
}

}  // namespace weft::kube
