#include <fmt/format.h>

#include "model/identity.h"
#include "model/node.h"

namespace weft {

namespace {
constexpr std::pair<NodeAddressType, std::string_view> kNodeAddressTypes[] = {
    {NodeAddressType::hostname, "Hostname"},        {NodeAddressType::external_ip, "ExternalIP"},
    {NodeAddressType::internal_ip, "InternalIP"},   {NodeAddressType::external_dns, "ExternalDNS"},
    {NodeAddressType::internal_dns, "InternalDNS"}, {NodeAddressType::cilium_internal_ip, "CiliumInternalIP"},
};
}  // namespace

std::string_view to_string(NodeAddressType t) {
  for (const auto& [type, text] : kNodeAddressTypes)
    if (type == t) return text;
  return "InternalIP";
}

Result<NodeAddressType> parse_node_address_type(std::string_view text) {
  for (const auto& [type, name] : kNodeAddressTypes)
    if (name == text) return type;
  return fail(Errc::invalid, fmt::format("\"{}\" is not a node address type", text));
}

std::optional<Address> Node::internal_ip(Family f) const {
  for (const NodeAddress& a : addresses) {
    if (a.type != NodeAddressType::internal_ip) continue;
    if (auto parsed = Address::parse(a.value); parsed && parsed->family() == f) return *parsed;
  }
  return std::nullopt;
}

IdentityRange identity_range(ClusterId cluster, ClusterId max_connected_clusters) {
  const unsigned shift = max_connected_clusters > 255 ? 15 : 16;
  const NumericIdentity base = cluster << shift;
  return {cluster == 0 ? kIdentityMinimumAllocated : base, base + (1u << shift) - 1};
}

}  // namespace weft
