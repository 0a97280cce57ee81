#include "lab/cli/lab_commands.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>

#include "base/file.h"
#include "lab/cli/status.h"
#include "lab/up/build.h"
#include "lab/up/exec.h"
#include "lab/up/kubeconfig.h"
#include "lab/up/network.h"

namespace weft::lab {
namespace {

[[noreturn]] void stop(const Error& error, int code = 1) {
  std::fflush(stdout);
  fmt::print(stderr, "Error: {}\n", error.message);
  throw CLI::RuntimeError(code);
}

template <class T>
T unwrap(Result<T> r) {
  if (!r) stop(r.error());
  if constexpr (!std::is_void_v<T>) return std::move(*r);
}

void print_line(const std::string& line) {
  fmt::print("{}\n", line);
  std::fflush(stdout);
}

// Options that several commands share, alive as long as the CLI.
struct Options {
  UpOptions up;
  std::string name = "default";
  std::string target, ns = "default", container, out, file;
  std::vector<std::string> command, ends;
  bool path = false, merge = false, follow = false;
};

CLI::App* command(CLI::App* lab, const std::shared_ptr<Options>& o, const char* name, const char* description) {
  auto* c = lab->add_subcommand(name, description);
  c->add_option("--name", o->name, "Which lab")->envname("WEFT_LAB")->capture_default_str();
  return c;
}

void next_steps(const LabRecord& r) {
  fmt::print("\nLab {} is up. Its nodes are NotReady until a CNI is installed, as on any cluster. Next:\n",
             r.paths.name);
  fmt::print("  export KUBECONFIG={}\n", r.paths.kubeconfig());
  // The clusters of a mesh trust one certificate authority: the first makes it.
  const std::string& first = r.topology.clusters.front().name;
  for (const ClusterSpec& c : r.topology.clusters)
    fmt::print("  weft install --context {} --set cluster.name={} --set cluster.id={}{} --wait\n", c.name, c.name, c.id,
               c.name == first ? "" : " --inherit-ca " + first);
  fmt::print("  weft lab status · weft lab exec {}/node1 -- ip addr · weft lab down\n",
             r.topology.clusters.front().name);
}

void add_up(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* c = command(lab, o, "up", "Build a lab: two meshable clusters by default, or what FILE describes");
  c->add_option("FILE", o->up.file, "Topology (YAML); without it the default of two clusters with three nodes each")
      ->check(CLI::ExistingFile);
  c->add_option("--kube-apiserver", o->up.kube_apiserver, "Run this real kube-apiserver instead of the lab's own");
  c->add_option("--bin", o->up.bin, "Folder of the weft programs (default: where this one is)");
  c->add_flag("--network-only", o->up.network_only, "Namespaces, links, routes and BGP routers only, no Kubernetes");
  c->add_flag("--keep-failed", o->up.keep_failed, "When a step fails, leave what was built for a look");
  c->callback([o] {
    o->up.name = o->name;
    const LabRecord r = unwrap(up(o->up, print_line));
    if (!o->up.network_only) next_steps(r);
  });
}

void add_down(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* c = command(lab, o, "down", "Remove a lab and everything of it");
  c->callback([o] {
    if (!unwrap(down(o->name, print_line))) fmt::print("lab {} is not up\n", o->name);
  });
}

void add_status(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* c = command(lab, o, "status", "Show nodes, pods and processes; fails when something is not running");
  c->add_option("-o,--output", o->out, "json for programs")->check(CLI::IsMember({"json"}));
  c->callback([o] {
    const LabRecord r = unwrap(load_record(o->name));
    const LabStatus s = look(r);
    fmt::print("{}", o->out == "json" ? render_json(r, s) : render_text(r, s));
    if (!s.running()) throw CLI::RuntimeError(1);
  });
}

void run_command(const std::shared_ptr<Options>& o, const std::vector<std::string>& argv) {
  const LabRecord r = unwrap(load_record(o->name));
  const Place place = unwrap(find_place(r, o->target, o->ns, o->container));
  const int code = unwrap(run_in(place, argv));
  if (code != 0) throw CLI::RuntimeError(code);
}

CLI::App* with_place(CLI::App* c, const std::shared_ptr<Options>& o) {
  c->add_option("TARGET", o->target,
                "CLUSTER/NODE, CLUSTER/POD, CLUSTER/router, CLUSTER/cp, another router or a client host")
      ->required();
  c->add_option("-n,--namespace", o->ns, "Namespace of the pod")->capture_default_str();
  c->add_option("-c,--container", o->container, "Container of the pod (default: the first)");
  return c;
}

void add_exec(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* c =
      with_place(command(lab, o, "exec", "Run a command in a node, router, client or pod; its exit code is ours"), o);
  c->add_option("COMMAND", o->command, "The command and its arguments, after --")->required();
  c->callback([o] { run_command(o, o->command); });
  auto* shell = with_place(command(lab, o, "shell", "Open a shell in a node, router, client or pod"), o);
  shell->callback([o] { run_command(o, {"bash", "-i"}); });
}

void add_logs(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* c = with_place(command(lab, o, "logs", "Print the output of a pod's container, or of a node's kubelet"), o);
  c->callback([o] {
    const LabRecord r = unwrap(load_record(o->name));
    const Place place = unwrap(find_place(r, o->target, o->ns, o->container));
    std::ifstream in(place.log);
    if (!in) stop({Errc::not_found, "log " + place.log + ": is not there (yet)"});
    if (in.peek() != std::ifstream::traits_type::eof()) std::cout << in.rdbuf() << std::flush;
  });
}

void add_kubeconfig(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* c = command(lab, o, "kubeconfig", "Print the lab's kubeconfig, or merge its contexts into yours");
  auto* path =
      c->add_flag("--path", o->path, "Print only where the file is: export KUBECONFIG=$(weft lab kubeconfig --path)");
  auto* merge = c->add_flag("--merge", o->merge, "Merge into --file; lab down takes the contexts out again");
  path->excludes(merge);
  c->add_option("--file", o->file, "Where to merge into (default: $KUBECONFIG or ~/.kube/config)")->needs(merge);
  c->callback([o] {
    const LabRecord r = unwrap(load_record(o->name));
    if (o->path) return print_line(r.paths.kubeconfig());
    if (!o->merge) {
      fmt::print("{}", unwrap(read_file(r.paths.kubeconfig())));
      return;
    }
    const std::string file = o->file.empty() ? users_kubeconfig() : o->file;
    unwrap(merge_into(r.paths, file));
    std::string contexts;
    for (const ClusterSpec& cluster : r.topology.clusters) contexts += " " + cluster.name;
    fmt::print("{}: contexts{} are in it now\n", file, contexts);
  });
}

void set_link(const std::shared_ptr<Options>& o, bool up) {
  const LabRecord r = unwrap(load_record(o->name));
  const LinkEnds ends = unwrap(link_ends(r.topology, o->ends[0], o->ends[1]));
  const Plan plan = make_plan(r.topology);
  const std::pair<std::string, std::string> sides[] = {{ends.router_a, ends.interface_a},
                                                       {ends.router_b, ends.interface_b}};
  for (const auto& [router, interface] : sides)
    unwrap(ip_batch(r.holders.at(router), fmt::format("link set {} {}\n", interface, up ? "up" : "down")));
  // A link that goes down takes its routes along; it gets them back with its addresses.
  if (up)
    for (const auto& [router, interface] : sides)
      unwrap(ip_batch(r.holders.at(router), addressing(*plan.sandbox(router))));
  fmt::print("link {} {} is {}\n", o->ends[0], o->ends[1], up ? "up" : "cut");
}

void add_link(CLI::App* lab, const std::shared_ptr<Options>& o) {
  auto* link = lab->add_subcommand("link", "Cut or restore the cable between two routers, or those of two clusters");
  link->require_subcommand(1);
  for (const bool up : {false, true}) {
    auto* c = command(link, o, up ? "restore" : "cut", up ? "Plug the cable in again" : "Pull the cable out");
    c->add_option("CLUSTERS", o->ends, "Both ends, e.g. cluster1 cluster2")->required()->expected(2);
    c->callback([o, up] { set_link(o, up); });
  }
}

}  // namespace

void add_lab_commands(CLI::App& app) {
  auto* lab = app.add_subcommand("lab", "Sandbox clusters on this machine");
  lab->require_subcommand(1);
  const auto o = std::make_shared<Options>();
  add_up(lab, o);
  add_down(lab, o);
  add_status(lab, o);
  add_exec(lab, o);
  add_logs(lab, o);
  add_kubeconfig(lab, o);
  add_link(lab, o);
}

}  // namespace weft::lab
