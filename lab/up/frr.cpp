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

// The folder for sockets belongs to the user that the daemons become. A daemon's vty socket says that it serves, and
// one left by a daemon that died would say so, too.
//
// The order matters: a client that comes before zebra asks again after 10 s only. A bgpd without zebra knows no
// interface: it gives IPv6 routes the IPv4-mapped next hop of its session, on which other routers close, and its BFD
// sessions are not made, for dynamic neighbors for good.
ProgramSpec daemon(const Sandbox& s, const std::string& name, const std::string& after = "",
                   const std::string& options = "") {
  std::string start = fmt::format("install -d -o frr -g frr /run/frr && rm -f /run/frr/{}.vty && ", name);
  if (!after.empty())
    start += fmt::format(
        "timeout 30 sh -c 'until test -S /run/frr/{0}.vty; do sleep 0.02; done' || "
        "{{ echo {1} waits for {0}, which does not serve >&2; exit 1; }} && ",
        after, name);
  start += fmt::format("exec {0}/{1} -f /etc/frr/{1}.conf --log stdout -A 127.0.0.1{2}", kFrrDaemons, name, options);
  return {s.name + "/" + name, s.name, {"/bin/sh", "-c", std::move(start)}};
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
  // Without it zebra changes an IPv6 route by taking it away and adding another, and what comes in between has no way.
  std::vector<ProgramSpec> out = {daemon(s, "zebra", "", " --v6-rr-semantics")};
  if (s.bgp->bfd) out.push_back(daemon(s, "bfdd", "zebra"));
  out.push_back(daemon(s, "bgpd", s.bgp->bfd ? "bfdd" : "zebra"));
  return out;
}

}  // namespace weft::lab
