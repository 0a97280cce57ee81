#include "base/encoding.h"
#include "mesh/values/codec.h"
#include "mesh/values/go_json.h"
#include "mesh/values/json_read.h"

namespace weft::mesh {
namespace {

void write_cidr(GoJson& w, const Prefix& p) {
  w.open('{');
  w.field("IP", p.address().to_string());
  w.field("Mask", base64_encode(p.mask_bytes()));
  w.close('}');
}

// The first CIDR of a family under one name, all further ones under another.
void write_cidrs(GoJson& w, const Node& node, Family family, std::string_view first, std::string_view rest) {
  std::vector<Prefix> cidrs;
  for (const auto& p : node.pod_cidrs)
    if (p.family() == family) cidrs.push_back(p);
  w.key(first);
  cidrs.empty() ? w.null() : write_cidr(w, cidrs.front());
  w.key(rest);
  if (cidrs.size() < 2) {
    w.null();
    return;
  }
  w.open('[');
  for (std::size_t i = 1; i < cidrs.size(); ++i) write_cidr(w, cidrs[i]);
  w.close(']');
}

void write_labels_or_null(GoJson& w, std::string_view name, const Labels& labels) {
  w.key(name);
  labels.empty() ? w.null() : w.labels(labels);
}

// "IPv4AllocCIDR" holds IPv4, and so on.
Result<> of_family(const Prefix& p, std::string_view field) {
  if (field.starts_with(to_string(p.family()))) return {};
  return fail(Errc::invalid,
              fmt::format("field {} holds {}, which is {}", field, p.to_string(), to_string(p.family())));
}

std::string text(const std::optional<Address>& a) { return a ? a->to_string() : std::string(); }

}  // namespace

std::string encode_node(const Node& node) {
  GoJson w;
  w.open('{');
  w.field("Name", node.name);
  w.field("Cluster", node.cluster);
  w.key("IPAddresses");
  // The field holds addresses only: the names among a node's addresses stay behind, as in Cilium.
  std::vector<std::pair<NodeAddressType, Address>> addresses;
  for (const auto& a : node.addresses)
    if (auto ip = Address::parse(a.value)) addresses.emplace_back(a.type, *ip);
  if (addresses.empty()) {
    w.null();
  } else {
    w.open('[');
    for (const auto& [type, ip] : addresses) {
      w.open('{');
      w.field("Type", to_string(type));
      w.field("IP", ip.to_string());
      w.close('}');
    }
    w.close(']');
  }
  write_cidrs(w, node, Family::v4, "IPv4AllocCIDR", "IPv4SecondaryAllocCIDRs");
  write_cidrs(w, node, Family::v6, "IPv6AllocCIDR", "IPv6SecondaryAllocCIDRs");
  w.field("IPv4HealthIP", text(node.health_v4));
  w.field("IPv6HealthIP", text(node.health_v6));
  w.field("IPv4IngressIP", text(node.ingress_v4));
  w.field("IPv6IngressIP", text(node.ingress_v6));
  w.field("ClusterID", node.cluster_id);
  w.field("Source", node.source);
  w.field("EncryptionKey", node.encryption_key);
  write_labels_or_null(w, "Labels", node.labels);
  write_labels_or_null(w, "Annotations", node.annotations);
  w.field("NodeIdentity", 0);
  w.field("WireguardPubKey", node.wireguard_key);
  w.field("BootID", node.boot_id);
  w.close('}');
  return w.take();
}

Result<Node> decode_node(std::string_view value) {
  Document document;
  WEFT_READ(o, Document::parse(value, document));
  Node node;
  WEFT_READ(name, get_text(*o, "Name"));
  WEFT_READ(cluster, get_text(*o, "Cluster"));
  node.name = std::move(name);
  node.cluster = std::move(cluster);
  WEFT_READ(addresses, get_array(*o, "IPAddresses"));
  if (addresses) {
    for (const auto& a : *addresses) {
      if (!a.is_object()) return fail(Errc::invalid, "field IPAddresses has something that is not an object");
      WEFT_READ(type, get_text(a.get_object(), "Type"));
      WEFT_READ(ip, get_address(a.get_object(), "IP"));
      const auto known = parse_node_address_type(type);
      if (known && ip)
        node.addresses.push_back({*known, ip->to_string()});  // a type of a later release says nothing to us
    }
  }
  for (const auto* name : {"IPv4AllocCIDR", "IPv6AllocCIDR"}) {
    const auto* v = find(*o, name);
    if (!v) continue;
    auto p = to_prefix(*v);
    if (!p) return std::unexpected(p.error().in(fmt::format("field {}", name)));
    WEFT_TRY(of_family(*p, name));
    node.pod_cidrs.push_back(*p);
  }
  for (const auto* name : {"IPv4SecondaryAllocCIDRs", "IPv6SecondaryAllocCIDRs"}) {
    WEFT_READ(list, get_array(*o, name));
    if (!list) continue;
    for (const auto& v : *list) {
      auto p = to_prefix(v);
      if (!p) return std::unexpected(p.error().in(fmt::format("field {}", name)));
      WEFT_TRY(of_family(*p, name));
      node.pod_cidrs.push_back(*p);
    }
  }
  WEFT_READ(health4, get_address(*o, "IPv4HealthIP"));
  WEFT_READ(health6, get_address(*o, "IPv6HealthIP"));
  WEFT_READ(ingress4, get_address(*o, "IPv4IngressIP"));
  WEFT_READ(ingress6, get_address(*o, "IPv6IngressIP"));
  node.health_v4 = health4;
  node.health_v6 = health6;
  node.ingress_v4 = ingress4;
  node.ingress_v6 = ingress6;
  WEFT_READ(cluster_id, get_number(*o, "ClusterID", UINT32_MAX));
  WEFT_READ(encryption_key, get_number(*o, "EncryptionKey", UINT8_MAX));
  WEFT_READ(source, get_text(*o, "Source"));
  WEFT_READ(labels, get_labels(*o, "Labels"));
  WEFT_READ(annotations, get_labels(*o, "Annotations"));
  WEFT_READ(wireguard, get_text(*o, "WireguardPubKey"));
  WEFT_READ(boot_id, get_text(*o, "BootID"));
  node.cluster_id = static_cast<ClusterId>(cluster_id);
  node.encryption_key = static_cast<std::uint8_t>(encryption_key);
  node.source = std::move(source);
  node.labels = std::move(labels);
  node.annotations = std::move(annotations);
  node.wireguard_key = std::move(wireguard);
  node.boot_id = std::move(boot_id);
  return node;
}

}  // namespace weft::mesh
