#include "lab/up/network.h"

#include <fmt/format.h>

namespace weft::lab {

std::string wiring(const Plan& plan, const std::map<std::string, int>& pids) {
  std::string out = "link set lo up\n";
  for (const auto& bridge : plan.bridges)
    out += fmt::format("link add {0} type bridge mcast_snooping 0\nlink set {0} up\n", bridge);
  unsigned n = 0;
  for (const Sandbox& s : plan.sandboxes)
    for (const Port& p : s.ports) {
      if (p.bridge.empty()) continue;
      out += fmt::format("link add p{0} type veth peer name {1} netns {2}\nlink set p{0} master {3} up\n", n++,
                         p.interface, pids.at(s.name), p.bridge);
    }
  return out;
}

std::string cable(const Sandbox& s, const std::map<std::string, int>& pids) {
  std::string out;
  for (const Port& p : s.ports)
    if (!p.peer.empty())
      out +=
          fmt::format("link add {} type veth peer name {} netns {}\n", p.interface, p.peer_interface, pids.at(p.peer));
  return out;
}

std::string addressing(const Sandbox& s) {
  std::string out = "link set lo up\n";
  for (const Port& p : s.ports) {
    for (const HostAddress& a : p.addresses)
      out +=
          fmt::format("address replace {} dev {}{}\n", a.to_string(), p.interface, a.address.is_v6() ? " nodad" : "");
    out += fmt::format("link set {} up\n", p.interface);
  }
  for (const StaticRoute& r : s.routes)
    out += fmt::format("route replace {} via {}\n", r.to.to_string(), r.via.to_string());
  return out;
}

std::map<std::string, std::string> sysctls(const Sandbox& s) {
  std::map<std::string, std::string> out = {{"net/ipv6/conf/all/disable_ipv6", "0"},
                                            {"net/ipv6/conf/default/disable_ipv6", "0"},
                                            {"net/ipv6/conf/default/accept_dad", "0"},
                                            {"net/ipv6/conf/default/accept_ra", "0"},
                                            {"net/ipv6/conf/default/addr_gen_mode", "0"}};
  if (s.kind == SandboxKind::root) {
    // Bridges only carry frames; addresses of their own would be noise in captures.
    out["net/ipv6/conf/all/disable_ipv6"] = out["net/ipv6/conf/default/disable_ipv6"] = "1";
  }
  if (s.kind == SandboxKind::node || s.kind == SandboxKind::router) {
    out["net/ipv4/ip_forward"] = "1";
    out["net/ipv6/conf/all/forwarding"] = "1";
  }
  if (s.kind == SandboxKind::router) {
    // An address survives its link being cut; what comes in one way may go out another.
    out["net/ipv6/conf/all/keep_addr_on_down"] = out["net/ipv6/conf/default/keep_addr_on_down"] = "1";
    // Of several ways, a connection keeps to one by its ports.
    if (s.bgp) out["net/ipv4/fib_multipath_hash_policy"] = out["net/ipv6/fib_multipath_hash_policy"] = "1";
    out["net/ipv4/conf/all/rp_filter"] = out["net/ipv4/conf/default/rp_filter"] = "0";
  }
  return out;
}

}  // namespace weft::lab
