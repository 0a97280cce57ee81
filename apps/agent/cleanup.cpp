#include "apps/agent/cleanup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "datapath/loader.h"
#include "pods/install.h"
#include "routing/plan.h"

namespace weft::agent {

CleanupReport clean_up(const Options& options, netlink::Kernel& kernel) {
  CleanupReport report;
  const auto note = [&](std::string what, const Result<>& r) {
    report.ok = report.ok && r;
    report.lines.push_back(r ? what + ": removed" : what + ": stays: " + r.error().message);
  };
  // The runtime first: it must not start pods that nobody connects any more.
  const pods::CniInstall defaults;
  const std::string conf =
      (options.cni_conf_dir.empty() ? defaults.conf_dir : options.cni_conf_dir) + "/" + defaults.conf_name;
  const bool gone = ::unlink(conf.c_str()) == 0 || errno == ENOENT;
  note("CNI configuration " + conf, gone ? Result<>{} : fail(errno_error(conf, errno)));
  note("service load balancing in " + options.bpf_root, SockLb::unload(options.bpf_root));
  if (auto routes = kernel.routes({.table = std::nullopt, .protocol = netlink::kRouteProtocol})) {
    std::size_t removed = 0;
    for (const auto& r : *routes) removed += kernel.delete_route(r) ? 1 : 0;
    const bool all = removed == routes->size();
    note(fmt::format("{} of {} routes to nodes", removed, routes->size()),
         all ? Result<>{} : fail(Errc::internal, "see ip route show proto 214"));
  }
  auto tunnel = kernel.delete_link(routing::kTunnelDevice);
  if (!tunnel && tunnel.error().code == Errc::not_found) tunnel = Result<>{};
  note(std::string("device ") + routing::kTunnelDevice, tunnel);
  if (kernel.nft("list table inet weft_masquerade"))
    note("nftables table weft_masquerade", kernel.nft("delete table inet weft_masquerade"));
  return report;
}

}  // namespace weft::agent
