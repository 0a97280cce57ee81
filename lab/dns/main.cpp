// weft-lab-dns: the lab's cluster DNS. Turns Services and EndpointSlices into a hosts file and lets dnsmasq serve it.
#include <fmt/format.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "async/scope.h"
#include "base/file.h"
#include "base/log.h"
#include "kube/reflector.h"
#include "kube/types/endpoint_slice.h"
#include "kube/types/service.h"
#include "lab/dns/health.h"
#include "lab/dns/records.h"
#include "lab/sys/process.h"

namespace weft::lab {
namespace {

using namespace std::chrono_literals;

struct Arguments {
  std::string kubeconfig, domain = "cluster.local", folder = "/run/weft-lab-dns", dnsmasq = "dnsmasq";
  unsigned port = 53, health_port = 8181;
};

class Dns {
 public:
  Dns(asio::io_context& io, kube::Config config, Arguments arguments)
      : arguments_(std::move(arguments)),
        scope_(io, "dns"),
        client_(io, std::move(config)),
        services_(io, "services"),
        slices_(io, "endpointslices"),
        service_source_(client_, kube::kServices, services_, kube::parse_service),
        slice_source_(client_, kube::kEndpointSlices, slices_, kube::parse_endpoint_slice) {}

  Task<int> run() {
    scope_.spawn("services", service_source_.run());
    scope_.spawn("slices", slice_source_.run());
    scope_.spawn("health", serve_health(scope_, arguments_.health_port, [this] { return ready(); }));
    scope_.spawn("records", keep_records());
    const int signal = co_await wait_for_termination();
    log::info("stopping", {{"signal", signal}});
    co_await scope_.stop();
    if (alive(child_)) ::kill(child_.pid, SIGTERM);
    co_return 0;
  }

 private:
  bool ready() const { return written_ && alive(child_); }

  // Changes come in bursts: dnsmasq reads its file again a few times a second at most.
  Task<> keep_records() {
    std::uint64_t services_seen = 0, slices_seen = 0;
    std::string last;
    for (;; co_await sleep_for(200ms)) {
      if (!services_.initialized() || !slices_.initialized()) continue;
      if (!written_ || services_.revision() != services_seen || slices_.revision() != slices_seen) {
        services_seen = services_.revision();
        slices_seen = slices_.revision();
        write(last);
      }
      if (written_ && !alive(child_)) start();
    }
  }

  void write(std::string& last) {
    std::string text = hosts_text(records(services_.all(), slices_.all(), arguments_.domain));
    if (written_ && text == last) return;
    if (const auto r = write_file(arguments_.folder + "/hosts", text); !r) {
      log::error("records not written", {{"error", r.error().message}});
      return;
    }
    last = std::move(text);
    written_ = true;
    if (alive(child_)) ::kill(child_.pid, SIGHUP);
  }

  void start() {
    SpawnOptions o;
    o.argv = {arguments_.dnsmasq,
              "--keep-in-foreground",
              "--conf-file=/dev/null",
              "--no-hosts",
              "--addn-hosts=" + arguments_.folder + "/hosts",
              fmt::format("--port={}", arguments_.port),
              "--local=/" + arguments_.domain + "/",
              "--local-ttl=5",
              "--no-negcache",
              "--user=root",
              "--pid-file=",
              "--log-facility=-",
              "--dns-forward-max=1000"};
    const auto pid = spawn(o);
    if (!pid) {
      log::error("dnsmasq did not start", {{"error", pid.error().message}});
      return;
    }
    child_ = identify(*pid).value_or(ProcessId{});
    log::info("dnsmasq started", {{"pid", *pid}});
  }

  Arguments arguments_;
  Scope scope_;
  kube::Client client_;
  Table<Service> services_;
  Table<EndpointSlice> slices_;
  kube::Reflector<Service> service_source_;
  kube::Reflector<EndpointSlice> slice_source_;
  ProcessId child_;
  bool written_ = false;
};

}  // namespace
}  // namespace weft::lab

int main(int argc, char** argv) {
  using namespace weft;
  lab::Arguments a;
  CLI::App app("The lab's cluster DNS: dnsmasq, fed from Services and EndpointSlices");
  app.add_option("--kubeconfig", a.kubeconfig, "How to reach the API server (default: in-cluster)");
  app.add_option("--domain", a.domain)->capture_default_str();
  app.add_option("--folder", a.folder, "Where the hosts file goes")->capture_default_str();
  app.add_option("--dnsmasq", a.dnsmasq)->capture_default_str();
  app.add_option("--port", a.port)->capture_default_str();
  app.add_option("--health-port", a.health_port)->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  log::configure(log::Level::info, log::Format::text);
  std::error_code ec;
  std::filesystem::create_directories(a.folder, ec);
  auto config = kube::find_config(a.kubeconfig);
  if (!config) {
    log::error("weft-lab-dns cannot run", {{"error", config.error().message}});
    return 1;
  }
  config->user_agent = "weft-lab-dns";
  // A dnsmasq that ends is reaped by the kernel; keep_records sees it and starts another.
  ::signal(SIGCHLD, SIG_IGN);
  asio::io_context io(1);
  lab::Dns dns(io, std::move(*config), a);
  return run_to_completion(io, dns.run());
}
