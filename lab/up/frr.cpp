#include "lab/up/frr.h"

#include <fmt/format.h>

namespace weft::lab {
namespace {

std::string bgpd_conf(const Sandbox& s) {
  const BgpRouter& b = *s.bgp;
  const Address* id = s.address(Family::v4);
  std::string out = fmt::format("hostname {}\nlog stdout informational\nrouter bgp {}\n", s.name, b.asn);
  if (id != nullptr) out += fmt::format(" bgp router-id {}\n", id->to_string());
  // Routes are taken and given without a policy, and those that differ in AS numbers alone are used together.
  out +=
      " bgp log-neighbor-changes\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n"
      " bgp bestpath as-path multipath-relax\n neighbor nodes peer-group\n neighbor nodes remote-as external\n";
  if (b.bfd) out += " neighbor nodes bfd profile lab\n";
  for (const Prefix& p : b.nodes) out += fmt::format(" bgp listen range {} peer-group nodes\n", p.to_string());
  for (const Address& a : b.neighbors) {
    out += fmt::format(" neighbor {0} remote-as external\n neighbor {0} timers connect 2\n", a.to_string());
    if (b.bfd) out += fmt::format(" neighbor {} bfd profile lab\n", a.to_string());
  }
  for (const char* family : {"ipv4", "ipv6"}) {
    out += fmt::format(" address-family {} unicast\n  neighbor nodes activate\n", family);
    for (const Address& a : b.neighbors) out += fmt::format("  neighbor {} activate\n", a.to_string());
    out += "  maximum-paths 64\n exit-address-family\n";
  }
  return out + "exit\n";
}

// The folder for sockets belongs to the user that the daemons become.
ProgramSpec daemon(const Sandbox& s, const std::string& name) {
  return {
      s.name + "/" + name,
      s.name,
      {"/bin/sh", "-c",
       fmt::format("install -d -o frr -g frr /run/frr && exec {0}/{1} -f /etc/frr/{1}.conf --log stdout -A 127.0.0.1",
                   kFrrDaemons, name)}};
}

}  // namespace

std::map<std::string, std::string> frr_files(const Sandbox& s) {
  if (!s.bgp) return {};
  std::map<std::string, std::string> out = {
      {"/etc/frr/vtysh.conf", "no service integrated-vtysh-config\n"},
      {"/etc/frr/zebra.conf", fmt::format("hostname {}\n", s.name)},
      {"/etc/frr/bgpd.conf", bgpd_conf(s)},
  };
  if (s.bgp->bfd)
    out["/etc/frr/bfdd.conf"] = fmt::format(
        "hostname {}\nbfd\n profile lab\n  detect-multiplier 3\n  receive-interval 100\n  transmit-interval 100\n "
        "exit\n"
        "exit\n",
        s.name);
  return out;
}

std::vector<ProgramSpec> frr_programs(const Sandbox& s) {
  if (!s.bgp) return {};
  std::vector<ProgramSpec> out = {daemon(s, "zebra"), daemon(s, "bgpd")};
  if (s.bgp->bfd) out.push_back(daemon(s, "bfdd"));
  return out;
}

}  // namespace weft::lab
