#include "apps/agent/cleanup.h"

#include <fmt/format.h>
#include <unistd.h>

#include <boost/json.hpp>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "api/client.h"
#include "api/server.h"
#include "async/scope.h"
#include "base/file.h"
#include "datapath/loader.h"
#include "netlink/linux_kernel.h"
#include "pods/install.h"
#include "pods/plumbing.h"
#include "routing/forwarding.h"
#include "routing/plan.h"

namespace weft::agent {

namespace {

class Cleaner {
 public:
  Cleaner(netlink::Kernel& kernel, CleanupReport& report) : kernel_(kernel), report_(report) {}

  void note(const std::string& what, const Result<>& r) {
    report_.ok = report_.ok && r;
    report_.lines.push_back(r ? what + ": removed" : what + ": stays: " + r.error().message);
  }
  void file(const std::string& what, const std::string& path) {
    const bool gone = ::unlink(path.c_str()) == 0 || errno == ENOENT;
    note(what + " " + path, gone ? Result<>{} : fail(errno_error(path, errno)));
  }
  void folder(const std::string& what, const std::string& path) {
    std::error_code ec;
    std::filesystem::remove_all(path, ec);
    note(what + " " + path, !ec ? Result<>{} : fail(Errc::internal, ec.message()));
  }
  void link(const std::string& name) {
    auto gone = kernel_.delete_link(name);
    if (!gone && gone.error().code == Errc::not_found) gone = Result<>{};
    note("device " + name, gone);
  }
  void routes(const std::string& what, std::uint8_t protocol) {
    const auto routes = kernel_.routes({.table = std::nullopt, .protocol = protocol});
    if (!routes) return note(what, fail(routes.error()));
    std::size_t removed = 0;
    for (const auto& r : *routes) removed += kernel_.delete_route(r) ? 1 : 0;
    note(fmt::format("{} of {} {}", removed, routes->size(), what),
         removed == routes->size()
             ? Result<>{}
             : fail(Errc::internal, fmt::format("see ip route show table all proto {}", protocol)));
  }
  // A pod's link goes with both its ends, and with it the routes and neighbours on it.
  void pod_links() {
    const auto links = kernel_.links();
    if (!links) return note("devices of pods", fail(links.error()));
    for (const auto& l : *links)
      if (l.alias.starts_with(pods::kAliasPrefix)) link(l.name);
  }

 private:
  netlink::Kernel& kernel_;
  CleanupReport& report_;
};

Task<int> answer_probes(asio::io_context& io, Port port) {
  api::Server health(io, fmt::format("tcp://127.0.0.1:{}", port));
  for (const char* path : {"/livez", "/healthz"})
    health.route_value("GET", path, [](const api::Request&) -> Result<boost::json::value> {
      return boost::json::value{{"status", "this node is clean"}};
    });
  if (const auto r = health.listen(); !r) {
    std::fprintf(stderr, "weft-agent: health port: %s\n", r.error().message.c_str());
    co_return 1;
  }
  const auto serve = [](api::Server& s) -> Task<> { co_await s.run(); };
  Scope scope(io, "cleanup");
  scope.spawn("health", serve(health));
  co_await wait_for_termination();
  co_await scope.stop();
  co_return 0;
}

}  // namespace

CleanupReport clean_up(const Options& options, netlink::Kernel& kernel) {
  CleanupReport report;
  Cleaner c(kernel, report);
  // The runtime first: it must not start pods that nobody connects any more.
  const pods::CniInstall defaults;
  const auto folder_or = [](const std::string& given, const std::string& usual) {
    return given.empty() ? usual : given;
  };
  const std::string conflist = folder_or(options.cni_conf_dir, defaults.conf_dir) + "/" + defaults.conf_name;
  // The runtime's plugin keeps its own rules with its own tools, which need not be at hand here.
  const bool portmap = read_file(conflist).value_or("").find("\"portmap\"") != std::string::npos;
  c.file("CNI configuration", conflist);
  c.file("CNI plugin", folder_or(options.cni_bin_dir, defaults.bin_dir) + "/weft-cni");
  c.note("service load balancing in " + options.bpf_root, SockLb::unload(options.bpf_root));
  c.pod_links();
  c.routes("routes to nodes", netlink::kRouteProtocol);
  c.routes("routes to pods", netlink::kPodRouteProtocol);
  // Also where BGP is off by now: it may have been on.
  c.routes("routes learned by BGP", netlink::kBgpRouteProtocol);
  c.link(routing::kTunnelDevice);
  c.link(pods::kHostDevice);
  if (kernel.nft("list table inet weft_masquerade"))
    c.note("nftables table weft_masquerade", kernel.nft("delete table inet weft_masquerade"));
  if (const auto rules = routing::remove_forward_rules(kernel); !rules || *rules > 0)
    c.note(fmt::format("{} rules in the node's chains FORWARD", rules ? *rules : 0),
           rules ? Result<>{} : fail(rules.error()));
  // By name, since the folder above them is whatever was configured.
  for (const char* state :
       {"endpoints", "delete-queue", "bgp-graceful-restart", "bgp-good-states.json", "bgp-drain-since"})
    c.folder("state", options.state_dir + "/" + state);
  ::rmdir(options.state_dir.c_str());  // stays if somebody else keeps something there
  c.file("socket", options.socket_path);
  if (portmap)
    report.lines.emplace_back(
        "host ports of pods (plugin portmap): its rules stay until the node restarts (iptables -t nat: chains "
        "CNI-DN-… and the jumps to them in CNI-HOSTPORT-DNAT; nft: table cni_hostport)");
  return report;
}

int clean_up_node(const Options& options, bool stay) {
  if (api::exchange(options.socket_path, "GET", "/v1/nodes", {}, std::chrono::seconds(5))) {
    std::fprintf(stderr, "weft-agent: an agent answers on %s and would put things back: stop it first\n",
                 options.socket_path.c_str());
    return 1;
  }
  auto kernel = netlink::make_linux_kernel();
  if (!kernel) {
    std::fprintf(stderr, "weft-agent: %s\n", kernel.error().message.c_str());
    return 1;
  }
  const auto report = clean_up(options, **kernel);
  for (const auto& line : report.lines) std::puts(line.c_str());
  std::fflush(stdout);
  if (!report.ok) return 1;
  if (!stay) return 0;
  asio::io_context io(1);
  return run_to_completion(io, answer_probes(io, options.health_port));
}

}  // namespace weft::agent
