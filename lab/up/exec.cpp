#include "lab/up/exec.h"

#include <fmt/format.h>
#include <sched.h>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "lab/init/json.h"
#include "lab/sys/cgroup.h"

namespace weft::lab {
namespace fs = std::filesystem;
namespace json = boost::json;
namespace {

std::vector<std::string> base_env(const LabRecord& r) {
  std::vector<std::string> env = {"PATH=" + r.bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                  "HOME=/root", "LANG=C.UTF-8"};
  if (const char* term = std::getenv("TERM")) env.push_back(std::string("TERM=") + term);
  return env;
}

// The name of the sandbox that `target` means, if it means one.
std::string sandbox_name(const LabRecord& r, const std::string& target) {
  if (r.holders.contains(target)) return target;
  const auto slash = target.find('/');
  if (slash == std::string::npos) return "";
  const std::string cluster = target.substr(0, slash), rest = target.substr(slash + 1);
  if (const std::string full = cluster + "-" + rest; r.holders.contains(full)) return full;
  if (rest == "control-plane" && r.holders.contains(cluster + "-cp")) return cluster + "-cp";
  const ClusterSpec* c = r.topology.cluster(cluster);
  if (c != nullptr)
    for (const NodeSpec& n : c->nodes)
      if (n.name == rest) return n.name;
  return "";
}

Result<json::object> pod_record(const fs::path& file) {
  const auto content = read_file(file.string());
  if (!content) return fail(content.error());
  boost::system::error_code ec;
  auto value = json::parse(*content, ec);
  if (ec || !value.is_object()) return fail(Errc::internal, file.string() + ": is not JSON");
  return std::move(value.get_object());
}

Result<Place> pod_place(const LabRecord& r, const NodeSpec& node, const json::object& pod,
                        const std::string& container) {
  std::string names;
  for (const auto& item : pod.at("containers").as_array()) {
    const auto& c = item.as_object();
    const std::string name = text(c, "name");
    names += (names.empty() ? "" : ", ") + name;
    if (!container.empty() && name != container) continue;
    Place place{node.name,
                {static_cast<pid_t>(number(c, "pid")), static_cast<std::uint64_t>(number(c, "start"))},
                "",
                texts(c, "env"),
                r.paths.sandbox(node.name) + "/state/" + text(c, "log")};
    place.cgroup = r.paths.sandbox_cgroup(node.name) + text(c, "cgroup");
    place.name = fmt::format("container {} of pod {}", name, text(pod, "name"));
    return place;
  }
  return fail(Errc::not_found,
              fmt::format("pod {}: has no container \"{}\"; it has: {}", text(pod, "name"), container, names));
}

}  // namespace

Result<Place> find_place(const LabRecord& r, const std::string& target, const std::string& ns,
                         const std::string& container) {
  if (const std::string name = sandbox_name(r, target); !name.empty()) {
    const bool router = r.topology.router(name).second != nullptr;
    return Place{name,
                 r.holders.at(name),
                 r.paths.sandbox_cgroup(name) + "/exec",
                 base_env(r),
                 r.paths.log(name + (router ? "/bgpd" : "/kubelet")),
                 name};
  }
  const auto slash = target.find('/');
  const ClusterSpec* cluster = slash == std::string::npos ? nullptr : r.topology.cluster(target.substr(0, slash));
  if (cluster == nullptr) {
    std::string known;
    for (const auto& [name, id] : r.holders) known += " " + name;
    return fail(Errc::not_found, fmt::format("\"{}\": is nothing of lab {}; write CLUSTER/POD or one of:{}", target,
                                             r.paths.name, known));
  }
  const std::string pod = target.substr(slash + 1);
  std::string known;
  for (const NodeSpec& n : cluster->nodes) {
    std::error_code ec;
    for (fs::directory_iterator it(r.paths.sandbox(n.name) + "/state/pods", ec), end; !ec && it != end;
         it.increment(ec)) {
      const auto record = pod_record(it->path() / "pod.json");
      if (!record || text(*record, "namespace") != ns) continue;
      if (text(*record, "name") == pod) return pod_place(r, n, *record, container);
      known += " " + text(*record, "name");
    }
  }
  return fail(Errc::not_found, fmt::format("pod {}/{} in {}: no node runs it; pods of this namespace that run:{}", ns,
                                           pod, cluster->name, known.empty() ? " none" : known));
}

Result<int> run_in(const Place& place, const std::vector<std::string>& argv) {
  if (!alive(place.process))
    return fail(Errc::unavailable,
                fmt::format("{}: is not running; see why: weft lab logs, kubectl describe pod", place.name));
  const auto pidfd = open_process(place.process);
  if (!pidfd) return fail(pidfd.error().in(place.name));
  WEFT_TRY(make_cgroup(place.cgroup));
  SpawnOptions o;
  o.argv = argv;
  o.env = place.env;
  o.cwd = "/";
  o.cgroup = place.cgroup;
  o.namespaces_of = pidfd->get();
  o.namespace_flags = CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP;
  o.inherit_in = true;
  // Ctrl-C is for the command; we pass its exit code on.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  const auto pid = spawn(o);
  if (!pid) return fail(pid.error());
  return wait_for(*pid);
}

}  // namespace weft::lab
