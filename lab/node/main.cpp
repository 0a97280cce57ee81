// weft-lab-node: the kubelet's place in a lab. Registers the node, runs its pods as processes.
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/stat.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <boost/json/parse.hpp>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "lab/node/node.h"

namespace weft::lab {
namespace {

struct Arguments {
  std::string kubeconfig, images_file, log_level = "info";
  NodeIdentity identity;
  NodeOptions options;
  RuntimeConfig runtime;
  std::vector<std::string> label_texts;
};

Result<std::map<std::string, std::vector<std::string>>> load_images(const std::string& file) {
  std::map<std::string, std::vector<std::string>> out;
  if (file.empty()) return out;
  const auto text = read_file(file);
  if (!text) return fail(text.error());
  boost::system::error_code ec;
  const auto value = json::parse(*text, ec);
  if (ec || !value.is_object())
    return fail(Errc::invalid, fmt::format("--images {}: is not a JSON object of image: [command, …]", file));
  for (const auto& kv : value.get_object())
    if (kv.value().is_array())
      for (const auto& arg : kv.value().get_array())
        if (arg.is_string()) out[kv.key()].emplace_back(arg.get_string());
  return out;
}

// Makes the folder a shared mount, once: it is one already when this is not the first process on the node, and another
// on top of it would double all that is below, with each start, until the kernel's limit of mounts.
Result<> share(const char* folder) {
  struct statx about{};
  if (::statx(AT_FDCWD, folder, 0, STATX_BASIC_STATS, &about) != 0) return fail(errno_error(folder, errno));
  const bool mounted = (about.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
  if (!mounted && ::mount(folder, folder, nullptr, MS_BIND | MS_REC, nullptr) != 0)
    return fail(errno_error(folder, errno));
  if (::mount(nullptr, folder, nullptr, MS_SHARED | MS_REC, nullptr) != 0) return fail(errno_error(folder, errno));
  return {};
}

Task<int> serve(asio::io_context& io, kube::Config config, Arguments& a) {
  kube::Client client(io, std::move(config));
  Scope scope(io, "node");
  Objects objects(client, scope);
  NodeContext context{client, objects, a.options, a.runtime, Cni{"/opt/cni/bin:" + a.options.bin, ""}};
  scope.spawn("node", keep_node(client, a.identity, a.options.cni_conf_dir));
  scope.spawn("lease", keep_lease(client, a.identity.name));
  scope.spawn("pods", keep_pods(context, scope));
  const int signal = co_await wait_for_termination();
  log::info("stopping; pods keep running", {{"signal", signal}});
  // The process ends with everything in flight: records say where the next one goes on.
  std::_Exit(0);
}

}  // namespace
}  // namespace weft::lab

int main(int argc, char** argv) {
  using namespace weft;
  using namespace weft::lab;
  Arguments a;
  a.runtime.state_dir = "/run/lab/state";
  a.runtime.machine_root = "/run/lab/machine";
  CLI::App app("The kubelet's place in a Weft lab");
  app.add_option("--kubeconfig", a.kubeconfig, "How to reach the API server")->required();
  app.add_option("--node-name", a.identity.name, "Name of the Node object")->required();
  app.add_option("--node-ip", a.identity.addresses, "Addresses, IPv4 and IPv6")->delimiter(',')->required();
  app.add_option("--pod-cidr", a.identity.pod_cidrs, "podCIDRs to register with (default: the controllers choose)")
      ->delimiter(',');
  app.add_option("--node-label", a.label_texts, "KEY=VALUE, may be repeated");
  app.add_option("--cluster-dns", a.options.cluster_dns, "Name servers of ClusterFirst pods")->delimiter(',');
  app.add_option("--cluster-domain", a.options.cluster_domain)->capture_default_str();
  app.add_option("--kubernetes-service", a.options.kubernetes_service,
                 "ClusterIP of default/kubernetes, for pods' environment");
  app.add_option("--state-dir", a.runtime.state_dir, "Records and logs of pods")->capture_default_str();
  app.add_option("--machine-root", a.runtime.machine_root, "The machine's root file system, below every container's")
      ->capture_default_str();
  app.add_option("--shared", a.runtime.shared, "Path that containers see as it is, may be repeated");
  app.add_option("--images", a.images_file, "JSON file: image → command");
  app.add_option("--log-level", a.log_level)->check(CLI::IsMember({"debug", "info", "warn", "error"}));
  CLI11_PARSE(app, argc, argv);
  log::configure(a.log_level == "debug"   ? log::Level::debug
                 : a.log_level == "warn"  ? log::Level::warn
                 : a.log_level == "error" ? log::Level::error
                                          : log::Level::info,
                 log::Format::text);
  const auto fatal = [](const Error& e) {
    log::error("weft-lab-node cannot run", {{"error", e.message}});
    return 1;
  };
  for (const auto& label : a.label_texts) {
    const auto at = label.find('=');
    if (at == std::string::npos) return fatal({Errc::invalid, "--node-label " + label + ": write it as KEY=VALUE"});
    a.identity.labels[label.substr(0, at)] = label.substr(at + 1);
  }
  auto images = load_images(a.images_file);
  if (!images) return fatal(images.error());
  a.options.images = std::move(*images);
  a.options.node_name = a.identity.name;
  a.options.node_ips = a.identity.addresses;
  a.options.bin = program_folder();
  a.runtime.init_program = a.options.bin + "/weft-lab-init";
  a.runtime.scratch = "/run/lab/scratch";
  std::error_code ec;
  for (const auto& dir : {a.runtime.scratch, a.runtime.state_dir, a.options.pods_dir})
    std::filesystem::create_directories(dir, ec);
  // Pods' network namespaces are mounts: shared, so that containers that have the folder see those made later.
  std::filesystem::create_directories("/run/netns", ec);
  if (const auto r = share("/run/netns"); !r) return fatal(r.error());
  auto config = kube::load_kubeconfig(a.kubeconfig);
  if (!config) return fatal(config.error());
  config->user_agent = "weft-lab-node";
  asio::io_context io(1);
  return run_to_completion(io, serve(io, std::move(*config), a));
}
