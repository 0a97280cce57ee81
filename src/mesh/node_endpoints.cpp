#include "mesh/node_endpoints.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <optional>
#include <set>

#include "base/net.h"

namespace weft::mesh {
namespace {

struct Endpoint {
  std::string scheme;  // "https://"
  SocketAddress at;
};

// None: the host is a name.
std::optional<Endpoint> endpoint_of(const std::string& url) {
  const auto end = url.find("://");
  if (end == std::string::npos) return std::nullopt;
  const auto at = SocketAddress::parse(url.substr(end + 3));
  if (!at) return std::nullopt;
  return Endpoint{url.substr(0, end + 3), *at};
}

}  // namespace

NodeEndpoints node_endpoints(const std::vector<std::string>& configured, const std::vector<Node>& nodes,
                             bool& were_nodes) {
  std::vector<Endpoint> endpoints;
  for (const auto& url : configured)
    if (auto e = endpoint_of(url)) endpoints.push_back(std::move(*e));
  std::set<Address> of_nodes;
  std::vector<Address> in_order;
  for (const auto& n : nodes)
    for (const auto& a : n.addresses) {
      if (a.type != NodeAddressType::internal_ip) continue;
      const auto ip = Address::parse(a.value);
      if (ip && of_nodes.insert(*ip).second) in_order.push_back(*ip);
    }
  const auto is_node = [&](const Endpoint& e) { return of_nodes.contains(e.at.address); };
  if (std::any_of(endpoints.begin(), endpoints.end(), is_node)) were_nodes = true;
  NodeEndpoints out;
  if (!were_nodes || nodes.empty()) return out;
  std::set<Address> known;
  for (const auto& e : endpoints) {
    known.insert(e.at.address);
    if (!is_node(e)) out.gone.push_back(e.at.address.to_string());
  }
  for (const auto& ip : in_order) {
    if (known.contains(ip)) continue;
    const auto like = std::find_if(endpoints.begin(), endpoints.end(),
                                   [&](const Endpoint& e) { return e.at.address.family() == ip.family(); });
    if (like != endpoints.end()) out.others.push_back(like->scheme + SocketAddress{ip, like->at.port}.to_string());
  }
  return out;
}

std::string node_endpoints_warning(const std::string& cluster, const NodeEndpoints& endpoints) {
  if (endpoints.gone.empty()) return {};
  return fmt::format(
      "{} {} configured for cluster {} and no node of it any more: agents that run know its other nodes, one that "
      "starts "
      "asks the configured ones alone; run weft clustermesh connect again",
      fmt::join(endpoints.gone, ", "), endpoints.gone.size() == 1 ? "is" : "are", cluster);
}

}  // namespace weft::mesh
