#include "lab/up/build.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/clock.h"
#include "base/file.h"
#include "lab/sys/cgroup.h"
#include "lab/up/certificates.h"
#include "lab/up/cluster.h"
#include "lab/up/frr.h"
#include "lab/up/kubeconfig.h"
#include "lab/up/programs.h"
#include "lab/up/sandbox.h"

namespace weft::lab {
namespace fs = std::filesystem;
namespace json = boost::json;
using namespace std::chrono_literals;
namespace {

// A listening socket on a free loopback port of the machine, for the supervisor to inherit.
struct Listener {
  Fd fd;
  unsigned port = 0;
};
Result<Listener> listen_on_loopback() {
  Listener l{Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), 0};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* sa = reinterpret_cast<sockaddr*>(&address);
  if (!l.fd || ::bind(l.fd.get(), sa, size) != 0 || ::listen(l.fd.get(), 128) != 0 ||
      ::getsockname(l.fd.get(), sa, &size) != 0)
    return fail(errno_error("a loopback port of the machine", errno));
  l.port = ntohs(address.sin_port);
  return l;
}

Result<> check_programs(const std::string& bin, const Topology& topology, const UpOptions& options) {
  for (const char* program : {"weft-lab-init", "weft-lab-apiserver", "weft-lab-controllers", "weft-lab-node"}) {
    if (options.network_only && std::string_view(program) != "weft-lab-init") continue;
    if (std::string_view(program) == "weft-lab-apiserver" && !options.kube_apiserver.empty()) continue;
    if (::access((bin + "/" + program).c_str(), X_OK) != 0)
      return fail(Errc::not_found,
                  fmt::format("program {}/{}: is not there; build it with: ./dev build", bin, program));
  }
  for (const ClusterSpec& c : topology.clusters)
    for (const RouterSpec& router : c.routers)
      if (router.asn != 0 && ::access((std::string(kFrrDaemons) + "/bgpd").c_str(), X_OK) != 0)
        return fail(Errc::not_found,
                    fmt::format("router {}: speaks BGP, but {}/bgpd is not there; install the package frr", router.name,
                                kFrrDaemons));
  if (!options.kube_apiserver.empty() && ::access(options.kube_apiserver.c_str(), X_OK) != 0)
    return fail(Errc::not_found, fmt::format("--kube-apiserver {}: is no program; name the kube-apiserver binary",
                                             options.kube_apiserver));
  return {};
}

// "Kubernetes v1.32.1" → 32.
Result<unsigned> minor_version(const std::string& program) {
  SpawnOptions o;
  o.argv = {program, "--version"};
  const auto out = run_blocking(o);
  if (!out) return fail(out.error());
  const auto at = out->out.find("Kubernetes v1.");
  if (out->code != 0 || at == std::string::npos)
    return fail(Errc::invalid,
                fmt::format("--kube-apiserver {}: does not say its version (\"{}\"); name the kube-apiserver binary",
                            program, out->out.substr(0, 200)));
  return static_cast<unsigned>(std::strtoul(out->out.c_str() + at + sizeof("Kubernetes v1.") - 1, nullptr, 10));
}

Result<LabRecord> prepare(const UpOptions& options) {
  if (::geteuid() != 0)
    return fail(Errc::unauthorized, "weft lab up: needs root to make network namespaces; run it with sudo");
  auto paths = lab_paths(options.name);
  if (!paths) return fail(paths.error());
  LabRecord r;
  r.paths = std::move(*paths);
  r.topology_text = std::string(default_topology());
  if (!options.file.empty()) {
    const auto content = read_file(options.file);
    if (!content) return fail(content.error());
    r.topology_text = *content;
  }
  auto topology = parse_topology(r.topology_text, options.file.empty() ? "default.yaml" : options.file);
  if (!topology) return fail(topology.error());
  r.topology = std::move(*topology);
  r.bin = options.bin.empty() ? program_folder() : fs::absolute(options.bin).string();
  WEFT_TRY(check_programs(r.bin, r.topology, options));
  r.created = std::chrono::system_clock::to_time_t(Wall::now());
  std::error_code ec;
  fs::create_directories(fs::path(r.paths.run).parent_path(), ec);
  if (!fs::create_directory(r.paths.run, ec))
    return fail(Errc::exists, ec ? fmt::format("folder {}: {}", r.paths.run, ec.message())
                                 : fmt::format("lab {}: is there already; remove it with: weft lab down --name {}",
                                               options.name, options.name));
  return r;
}

Result<> start_supervisor(LabRecord& r, const Plan& plan, const UpOptions& options,
                          const std::map<std::string, Listener>& listeners) {
  const std::vector<std::string> env = {
      "PATH=" + r.bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8",
      "WEFT_LAB=" + r.paths.name};
  ProgramOptions po;
  po.bin = r.bin;
  po.network_only = options.network_only;
  po.kube_apiserver = options.kube_apiserver.empty() ? "" : fs::absolute(options.kube_apiserver).string();
  if (!po.kube_apiserver.empty()) {
    const auto minor = minor_version(po.kube_apiserver);
    if (!minor) return fail(minor.error());
    po.kube_minor = *minor;
  }
  po.shared = shared_paths(r.bin);
  json::array processes, forwards;
  std::error_code ec;
  for (const ProgramSpec& p : programs(r.topology, plan, po)) {
    const std::string cgroup = r.paths.sandbox_cgroup(p.sandbox) + "/system/" + p.name.substr(p.name.find('/') + 1);
    WEFT_TRY(make_cgroup(cgroup));
    const std::string log = r.paths.log(p.name);
    fs::create_directories(fs::path(log).parent_path(), ec);
    processes.push_back(json::object{{"name", p.name},
                                     {"cgroup", cgroup},
                                     {"holder", r.holders.at(p.sandbox).pid},
                                     {"argv", json::array(p.argv.begin(), p.argv.end())},
                                     {"env", json::array(env.begin(), env.end())},
                                     {"log", log}});
  }
  SpawnOptions o;
  for (const auto& [cluster, listener] : listeners) {
    const Sandbox& cp = *plan.sandbox(cluster + "-cp");
    forwards.push_back(
        json::object{{"fd", listener.fd.get()},
                     {"holder", r.holders.at(cp.name).pid},
                     {"target", SocketAddress{cp.ports.front().addresses.front().address, kApiPort}.to_string()}});
    o.keep.push_back(listener.fd.get());
  }
  const json::object config = {{"status", r.paths.processes()}, {"processes", processes}, {"forwards", forwards}};
  WEFT_TRY(write_file(r.paths.run + "/supervisor.json", json::serialize(config)));
  const Fd log(::open(r.paths.log("supervisor").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return fail(errno_error("log " + r.paths.log("supervisor"), errno));
  WEFT_TRY(make_cgroup(r.paths.cgroup + "/supervisor"));
  o.argv = {r.bin + "/weft-lab-init", "supervise", r.paths.run + "/supervisor.json"};
  o.cgroup = r.paths.cgroup + "/supervisor";
  o.cwd = "/";
  o.out = o.err = log.get();
  o.new_session = true;
  const auto pid = spawn(o);
  if (!pid) return fail(pid.error());
  r.supervisor = identify(*pid).value_or(ProcessId{});
  return {};
}

Result<> build(LabRecord& r, const UpOptions& options, const Progress& progress) {
  const auto begun = Steady::now();
  const auto done = [&](const std::string& what) {
    progress(fmt::format("{:6.1f} s  {}", std::chrono::duration<double>(Steady::now() - begun).count(), what));
  };
  const Plan plan = make_plan(r.topology);
  WEFT_TRY(make_cgroup(r.paths.cgroup));
  WEFT_TRY(make_sandboxes(r, plan));
  done(fmt::format("{} namespaces with a file system and a cgroup of their own", plan.sandboxes.size()));
  WEFT_TRY(make_network(r, plan));
  done("links, addresses and routes");
  if (options.network_only) {
    if (std::ranges::any_of(plan.sandboxes, [](const Sandbox& s) { return s.bgp.has_value(); })) {
      WEFT_TRY(start_supervisor(r, plan, options, {}));
      done("BGP routers started");
    }
    return save_record(r);
  }
  std::map<std::string, Listener> listeners;
  for (const ClusterSpec& c : r.topology.clusters) {
    auto l = listen_on_loopback();
    if (!l) return fail(l.error());
    r.api_ports[c.name] = l->port;
    listeners[c.name] = std::move(*l);
  }
  WEFT_TRY(make_certificates(r, plan));
  done("certificates and kubeconfigs");
  WEFT_TRY(start_supervisor(r, plan, options, listeners));
  WEFT_TRY(save_record(r));
  done("etcd, API servers, controllers and nodes started");
  for (const ClusterSpec& c : r.topology.clusters) WEFT_TRY(bring_up_cluster(r, c, options.nodes, done));
  return {};
}

}  // namespace

Result<LabRecord> up(const UpOptions& options, const Progress& progress) {
  auto r = prepare(options);
  if (!r) return fail(r.error());
  if (const auto built = build(*r, options, progress); !built) {
    if (!options.keep_failed) (void)down(options.name, [](const std::string&) {});
    return fail(built.error());
  }
  return r;
}

Result<bool> down(const std::string& name, const Progress& progress) {
  const auto paths = lab_paths(name);
  if (!paths) return fail(paths.error());
  std::error_code ec;
  const bool there = fs::exists(paths->run, ec) || fs::exists(paths->cgroup, ec);
  unmerge_kubeconfigs(*paths);
  const auto count = cgroup_processes(paths->cgroup).size();
  WEFT_TRY(kill_cgroup(paths->cgroup, 20s));
  WEFT_TRY(remove_cgroup(paths->cgroup));
  fs::remove(fs::path(paths->cgroup).parent_path(), ec);  // the common parent, once the last lab is gone
  fs::remove_all(paths->run, ec);
  if (ec) return fail(Errc::internal, fmt::format("folder {}: {}", paths->run, ec.message()));
  fs::remove(fs::path(paths->run).parent_path(), ec);
  if (there)
    progress(
        fmt::format("lab {} is gone: {} processes ended, their namespaces, mounts and cgroups with them", name, count));
  return there;
}

}  // namespace weft::lab
