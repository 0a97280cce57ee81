#include "lab/node/node.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

namespace weft::lab {

using namespace std::chrono_literals;

namespace {

constexpr const char* kVersion = "v1.32.0-weft-lab";

std::string first_line(const char* path) {
  const auto text = read_file(path);
  return text ? text->substr(0, text->find('\n')) : "";
}

json::object condition(const json::object& current, const char* type, bool holds, const char* reason,
                       const std::string& message, Wall::time_point now) {
  const std::string status = holds ? "True" : "False", stamp = rfc3339(now);
  std::string since = stamp;
  for (const auto& v : list(current, "/status/conditions"))
    if (v.is_object() && str(v.get_object(), "/type") == type && str(v.get_object(), "/status") == status)
      since = str(v.get_object(), "/lastTransitionTime", since);
  return {{"type", type},       {"status", status},           {"reason", reason},
          {"message", message}, {"lastHeartbeatTime", stamp}, {"lastTransitionTime", since}};
}

// Conditions without the times that change by themselves.
json::array essence(const json::array& conditions) {
  json::array out;
  for (const auto& v : conditions) {
    if (!v.is_object()) continue;
    json::object o = v.get_object();
    o.erase("lastHeartbeatTime");
    out.push_back(o);
  }
  return out;
}

Task<Result<json::object>> register_node(kube::Client& client, NodeIdentity identity) {
  json::object node = node_object(identity);
  auto created = co_await client.create(kube::kNodes, "", node);
  if (created || created.error().code != Errc::exists) co_return created;
  // It was here before: labels and facts anew, everything else is not ours.
  const json::value patch = json::object{{"metadata", {{"labels", node.at("metadata").at("labels")}}}};
  auto labelled = co_await client.patch(kube::kNodes, "", identity.name, kube::PatchType::merge, patch);
  co_return labelled;
}

}  // namespace

json::object node_object(const NodeIdentity& id) {
  utsname u{};
  ::uname(&u);
  const std::string arch = std::string(u.machine) == "x86_64"    ? "amd64"
                           : std::string(u.machine) == "aarch64" ? "arm64"
                                                                 : u.machine;
  json::object labels = {
      {"kubernetes.io/hostname", id.name}, {"kubernetes.io/os", "linux"}, {"kubernetes.io/arch", arch}};
  for (const auto& [k, v] : id.labels) labels[k] = v;
  json::object spec;
  if (!id.pod_cidrs.empty()) {
    spec["podCIDR"] = id.pod_cidrs.front();
    spec["podCIDRs"] = json::array(id.pod_cidrs.begin(), id.pod_cidrs.end());
  }
  json::array addresses;
  for (const auto& a : id.addresses) addresses.push_back(json::object{{"type", "InternalIP"}, {"address", a}});
  addresses.push_back(json::object{{"type", "Hostname"}, {"address", id.name}});
  const auto memory = static_cast<std::int64_t>(::sysconf(_SC_PHYS_PAGES)) * ::sysconf(_SC_PAGESIZE) / 1024;
  const json::object capacity = {{"cpu", fmt::format("{}", ::sysconf(_SC_NPROCESSORS_ONLN))},
                                 {"memory", fmt::format("{}Ki", memory)},
                                 {"pods", "250"}};
  return {{"apiVersion", "v1"},
          {"kind", "Node"},
          {"metadata", {{"name", id.name}, {"labels", labels}}},
          {"spec", spec},
          {"status",
           {{"addresses", addresses},
            {"capacity", capacity},
            {"allocatable", capacity},
            {"conditions", node_conditions(fail(Errc::not_found, "network plugin is not ready"), {}, Wall::now())},
            {"nodeInfo",
             {{"machineID", first_line("/etc/machine-id")},
              {"systemUUID", id.name},
              {"bootID", first_line("/proc/sys/kernel/random/boot_id")},
              {"kernelVersion", u.release},
              {"osImage", "Weft lab node"},
              {"containerRuntimeVersion", "weft-lab://" WEFT_VERSION},
              {"kubeletVersion", kVersion},
              {"kubeProxyVersion", kVersion},
              {"operatingSystem", "linux"},
              {"architecture", arch}}}}}};
}

json::array node_conditions(const Result<CniNetwork>& cni, const json::object& current, Wall::time_point now) {
  json::array out;
  out.push_back(condition(current, "MemoryPressure", false, "KubeletHasSufficientMemory",
                          "kubelet has sufficient memory available", now));
  out.push_back(
      condition(current, "DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure", now));
  out.push_back(
      condition(current, "PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available", now));
  if (cni) {
    out.push_back(condition(current, "Ready", true, "KubeletReady", "kubelet is posting ready status", now));
  } else {
    out.push_back(condition(current, "Ready", false, "KubeletNotReady",
                            "container runtime network not ready: " + cni.error().message, now));
  }
  // NetworkUnavailable and whatever else others have written stays.
  static constexpr std::string_view ours[] = {"MemoryPressure", "DiskPressure", "PIDPressure", "Ready"};
  for (const auto& v : list(current, "/status/conditions"))
    if (v.is_object() && std::ranges::find(ours, str(v.get_object(), "/type")) == std::end(ours)) out.push_back(v);
  return out;
}

Task<> keep_node(kube::Client& client, NodeIdentity identity, std::string cni_conf_dir) {
  Backoff backoff(200ms, 5s);
  for (;;) {
    NodeIdentity id = identity;
    auto registered = co_await register_node(client, std::move(id));
    if (registered) break;
    log::warn("node not registered", {{"node", identity.name}, {"error", registered.error().message}});
    co_await sleep_for(backoff.next());
  }
  log::info("node registered", {{"node", identity.name}});
  const json::object wanted = node_object(identity);
  json::array sent;
  auto next_heartbeat = Steady::now();
  for (;;) {
    const auto cni = load_cni(cni_conf_dir);
    // What the API has decides, since others write conditions too; but it is asked only when there is a reason.
    const json::array ours = essence(node_conditions(cni, {}, Wall::time_point{}));
    if (ours != sent || Steady::now() >= next_heartbeat) {
      auto current = co_await client.get(kube::kNodes, "", identity.name);
      if (!current && current.error().code == Errc::not_found) {
        NodeIdentity id = identity;
        auto again = co_await register_node(client, std::move(id));
      } else if (current) {
        json::object status = object(wanted, "/status");
        status["conditions"] = node_conditions(cni, *current, Wall::now());
        const json::value patch = json::object{{"status", status}};
        kube::PatchOptions options;
        options.subresource = "status";
        auto r = co_await client.patch(kube::kNodes, "", identity.name, kube::PatchType::merge, patch, options);
        if (r) {
          sent = ours;
          next_heartbeat = Steady::now() + 60s;
        } else {
          log::warn("node status not written", {{"node", identity.name}, {"error", r.error().message}});
          co_await sleep_for(1s);
        }
      }
    }
    co_await sleep_for(250ms);
  }
}

Task<> keep_lease(kube::Client& client, std::string name) {
  const std::string ns = "kube-node-lease";
  for (;;) {
    const json::value patch = json::object{{"spec", {{"renewTime", rfc3339_micro(Wall::now())}}}};
    auto r = co_await client.patch(kube::kLeases, ns, name, kube::PatchType::merge, patch);
    if (!r && r.error().code == Errc::not_found) {
      json::object lease = {
          {"apiVersion", "coordination.k8s.io/v1"},
          {"kind", "Lease"},
          {"metadata", {{"name", name}, {"namespace", ns}}},
          {"spec",
           {{"holderIdentity", name}, {"leaseDurationSeconds", 40}, {"renewTime", rfc3339_micro(Wall::now())}}}};
      r = co_await client.create(kube::kLeases, ns, lease);
    }
    if (!r) log::debug("lease not renewed", {{"node", name}, {"error", r.error().message}});
    co_await sleep_for(10s);
  }
}

}  // namespace weft::lab
