#include "lab/up/sandbox.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include <filesystem>

#include "base/file.h"
#include "lab/sys/cgroup.h"
#include "lab/sys/rootfs.h"
#include "lab/up/build.h"
#include "lab/up/frr.h"
#include "lab/up/network.h"
#include "lab/up/programs.h"

namespace weft::lab {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

// Folders that belong to a node alone, whatever the machine has there.
constexpr const char* kOwnFolders[] = {"/etc/cni/net.d",   "/opt/cni/bin",  "/var/lib/weft", "/var/lib/cilium",
                                       "/var/lib/kubelet", "/var/lib/etcd", "/var/lib/cni",  "/etc/kubernetes"};

std::string hosts_file(const Plan& plan) {
  std::string out = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";
  for (const Sandbox& s : plan.sandboxes)
    if (!s.ports.empty())
      for (const HostAddress& a : s.ports.front().addresses)
        out += fmt::format("{} {}\n", a.address.to_string(), s.name);
  return out;
}

json::object holder_config(const LabRecord& r, const Plan& plan, const Sandbox& s) {
  const std::string dir = r.paths.sandbox(s.name);
  json::array shared, folders, binds;
  for (const auto& path : shared_paths(r.bin)) shared.emplace_back(path);
  for (const char* f : kOwnFolders) folders.emplace_back(f);
  binds.push_back(json::object{{"source", dir + "/config"}, {"target", kConfigDir}});
  binds.push_back(json::object{{"source", dir + "/state"}, {"target", kStateDir}});
  json::object settings;
  for (const auto& [path, value] : sysctls(s)) settings[path] = value;
  json::object files = {{"/etc/hosts", hosts_file(plan)},
                        {"/etc/hostname", s.name + "\n"},
                        {"/etc/resolv.conf", "# No name server is outside this lab; its hosts are in /etc/hosts.\n"}};
  for (const auto& [path, content] : frr_files(s)) files[path] = content;
  return {{"hostname", s.name},           {"cgroup", r.paths.sandbox_cgroup(s.name)},
          {"scratch", dir + "/scratch"},  {"shared", shared},
          {"folders", folders},           {"binds", binds},
          {"lower_inside", kMachineRoot}, {"files", files},
          {"sysctls", settings}};
}

Result<ProcessId> start_holder(const LabRecord& r, const Plan& plan, const Sandbox& s) {
  const std::string dir = r.paths.sandbox(s.name), cgroup = r.paths.sandbox_cgroup(s.name);
  std::error_code ec;
  for (const char* d : {"/config", "/state", "/scratch"}) fs::create_directories(dir + d, ec);
  if (ec) return fail(Errc::internal, fmt::format("folder {}: {}", dir, ec.message()));
  WEFT_TRY(make_cgroup(cgroup));
  WEFT_TRY(write_file(dir + "/holder.json", json::serialize(holder_config(r, plan, s))));
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return fail(errno_error("pipe", errno));
  const Fd reader(fds[0]);
  Fd writer(fds[1]);
  SpawnOptions o;
  o.argv = {r.bin + "/weft-lab-init", "hold", dir + "/holder.json"};
  o.cgroup = cgroup;
  o.out = o.err = writer.get();
  o.new_session = true;
  const auto pid = spawn(o);
  if (!pid) return fail(pid.error());
  writer.reset();
  std::string said;
  char buffer[512];
  for (;;) {
    const auto n = ::read(reader.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) break;
    said.append(buffer, static_cast<std::size_t>(n));
    if (said.find('\n') != std::string::npos) break;
  }
  if (said != "ready\n")
    return fail(Errc::internal, fmt::format("sandbox {}: {}", s.name, said.empty() ? "its holder died" : said));
  const auto id = identify(*pid);
  if (!id) return fail(Errc::internal, fmt::format("sandbox {}: its holder died", s.name));
  return *id;
}

}  // namespace

std::vector<std::string> shared_paths(const std::string& bin) {
  auto out = machine_volumes();
  out.push_back(bin);
  return out;
}

Result<> make_sandboxes(LabRecord& record, const Plan& plan) {
  for (const Sandbox& s : plan.sandboxes) {
    const auto id = start_holder(record, plan, s);
    if (!id) return fail(id.error());
    record.holders[s.name] = *id;
  }
  return {};
}

Result<> ip_batch(const ProcessId& holder, const std::string& commands) {
  if (commands.empty()) return {};
  const auto pidfd = open_process(holder);
  if (!pidfd) return fail(pidfd.error());
  SpawnOptions o;
  o.argv = {"ip", "-batch", "-"};
  o.namespaces_of = pidfd->get();
  o.namespace_flags = CLONE_NEWNET;
  const auto r = run_blocking(o, commands);
  if (!r) return fail(r.error());
  if (r->code != 0) return fail(Errc::internal, fmt::format("ip: {}", r->out));
  return {};
}

Result<> make_network(const LabRecord& record, const Plan& plan) {
  std::map<std::string, int> pids;
  for (const auto& [name, id] : record.holders) pids[name] = id.pid;
  WEFT_TRY(ip_batch(record.holders.at("root"), wiring(plan, pids)));
  for (const Sandbox& s : plan.sandboxes) WEFT_TRY(ip_batch(record.holders.at(s.name), cable(s, pids)));
  for (const Sandbox& s : plan.sandboxes)
    if (const auto r = ip_batch(record.holders.at(s.name), addressing(s)); !r)
      return fail(r.error().in("network of " + s.name));
  return {};
}

}  // namespace weft::lab
