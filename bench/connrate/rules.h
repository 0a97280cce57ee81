// Rules as kube-proxy writes them for services with two endpoints each, for comparison.
#pragma once

#include <cstdint>
#include <string>

namespace weft::connrate {

/// The address of service `i`, host order: 10.96.0.1 and the following.
constexpr std::uint32_t first_service = 0x0a600001;

/// kube-proxy's iptables mode, for iptables-restore: one chain of all services searched from the top, a chain a
/// service, a chain an endpoint.
std::string iptables_rules(std::uint32_t services);

/// kube-proxy's nftables mode, for nft -f: one verdict map of all services, a chain a service, a chain an endpoint.
/// An endpoint is picked by comparing numgen instead of by an anonymous map, because loading 50 000 of those takes
/// minutes; per connection the work is the same.
std::string nftables_rules(std::uint32_t services);

}  // namespace weft::connrate
