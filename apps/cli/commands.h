// The commands. Each file adds its subcommands to the app; parsing only chooses an action, main runs it afterwards.
#pragma once

#include <functional>
#include <string>

#include "apps/cli/helm.h"
#include "base/result.h"

namespace CLI {
class App;
}

namespace weft::cli {

struct Context {
  Target target;                // --context, --kubeconfig, --namespace, --helm-release-name
  bool cluster_named = false;   // one of the first three was given: a cluster is meant, not this node
  std::function<int()> action;  // chosen by the command line; its value is the exit code
};

void add_install_commands(CLI::App& app, Context& context);      // install, upgrade, status, config view
void add_uninstall_command(CLI::App& app, Context& context);     // uninstall
void add_clustermesh_commands(CLI::App& app, Context& context);  // clustermesh …
void add_list_commands(CLI::App& app, Context& context);         // service|node|identity|endpoint list, bpf lb list
void add_bgp_commands(CLI::App& app, Context& context);          // bgp peers|routes|why
void add_completion_commands(CLI::App& app, Context& context);   // completion bash|zsh|fish

/// Prints "Error: <message>" and returns the exit code for it: 2 for what the caller can mend in the command, 1
/// otherwise.
int report(const Error& error);

/// "5m", "90s", "1h30m", "2m30s": Go's durations of whole seconds.
Result<std::chrono::seconds> parse_duration(const std::string& text);

}  // namespace weft::cli
