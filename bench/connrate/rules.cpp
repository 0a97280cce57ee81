#include "bench/connrate/rules.h"

#include <fmt/format.h>

#include "base/net.h"

namespace weft::connrate {

namespace {

std::string address(std::uint32_t i) { return Address::v4(first_service + i).to_string(); }

}  // namespace

std::string iptables_rules(std::uint32_t services) {
  std::string out = "*nat\n:KUBE-SERVICES - [0:0]\n";
  const auto add = std::back_inserter(out);
  for (std::uint32_t i = 0; i < services; ++i)
    fmt::format_to(add, ":KUBE-SVC-{0} - [0:0]\n:KUBE-SEP-{0}-1 - [0:0]\n:KUBE-SEP-{0}-2 - [0:0]\n", i);
  out += "-A OUTPUT -j KUBE-SERVICES\n";
  for (std::uint32_t i = 0; i < services; ++i) {
    fmt::format_to(add, "-A KUBE-SERVICES -d {}/32 -p tcp -m tcp --dport 80 -j KUBE-SVC-{}\n", address(i), i);
    fmt::format_to(add, "-A KUBE-SVC-{0} -m statistic --mode random --probability 0.5 -j KUBE-SEP-{0}-1\n", i);
    fmt::format_to(add, "-A KUBE-SVC-{0} -j KUBE-SEP-{0}-2\n", i);
    for (int e = 1; e <= 2; ++e)
      fmt::format_to(add, "-A KUBE-SEP-{0}-{1} -p tcp -m tcp -j DNAT --to-destination 10.1.0.{1}:8080\n", i, e);
  }
  return out + "COMMIT\n";
}

std::string nftables_rules(std::uint32_t services) {
  std::string out = "table ip kube-proxy {\n";
  const auto add = std::back_inserter(out);
  for (std::uint32_t i = 0; i < services; ++i) {
    for (int e = 1; e <= 2; ++e)
      fmt::format_to(add, "chain endpoint-{0}-{1} {{ meta l4proto tcp dnat to 10.1.0.{1}:8080; }}\n", i, e);
    fmt::format_to(add, "chain service-{0} {{ numgen random mod 2 0 goto endpoint-{0}-1; goto endpoint-{0}-2; }}\n", i);
  }
  out += "map service-ips { type ipv4_addr . inet_proto . inet_service : verdict; elements = {\n";
  for (std::uint32_t i = 0; i < services; ++i) fmt::format_to(add, "{} . tcp . 80 : goto service-{},\n", address(i), i);
  return out +
         "} }\nchain services { ip daddr . meta l4proto . th dport vmap @service-ips; }\n"
         "chain nat-output { type nat hook output priority -100; jump services; }\n}\n";
}

}  // namespace weft::connrate
