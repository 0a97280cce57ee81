// weft service|node|identity|endpoint list, weft bpf lb list: read the agent of this node through its socket.
#include <CLI/CLI.hpp>
#include <boost/json.hpp>

#include <cstdio>

#include "api/client.h"
#include "apps/cli/commands.h"
#include "apps/cli/list_text.h"
#include "apps/cli/output.h"

namespace weft::cli {

namespace {

struct ListFlags {
  std::string socket = api::kDefaultSocket;
  OutputFormat format = OutputFormat::text;
  ServiceListOptions service;
};

using Text = std::function<std::string(const json::value&)>;

int print_list(const ListFlags& f, const char* path, const Text& text) {
  auto answer = api::get(f.socket, path);
  if (!answer) return report(answer.error());
  if (f.format == OutputFormat::text) {
    std::fputs(text(*answer).c_str(), stdout);
  } else {
    print(f.service.global_only ? global_services(*answer) : *answer, f.format);
  }
  return 0;
}

CLI::App* add(CLI::App& parent, Context& context, const char* help, const char* path,
              const std::shared_ptr<ListFlags>& flags, Text text) {
  auto* cmd = parent.add_subcommand("list", help);
  cmd->fallthrough()->alias("ls");
  cmd->add_option("--socket", flags->socket, "The agent's socket")->capture_default_str();
  add_output_option(*cmd, flags->format);
  cmd->callback([&context, flags, path, text = std::move(text)] {
    context.action = [flags, path, text] { return print_list(*flags, path, text); };
  });
  return cmd;
}

CLI::App* group(CLI::App& parent, const char* name, const char* help) {
  auto* cmd = parent.add_subcommand(name, help);
  cmd->fallthrough()->require_subcommand(1);
  return cmd;
}

}  // namespace

void add_list_commands(CLI::App& app, Context& context) {
  auto flags = [] { return std::make_shared<ListFlags>(); };
  auto f = flags();
  auto* service = add(*group(app, "service", "Services as the agent of this node sees them"), context,
                      "List frontends and their backends", "/v1/services", f,
                      [f](const json::value& v) { return services_text(v, f->service); });
  service->add_flag("--clustermesh", f->service.global_only,
                    "Global services only, with each backend's cluster and whether it takes new connections");
  service->add_flag("--clustermesh-affinity", f->service.choice,
                    "Say of each backend whether it takes new connections");
  add(*group(app, "node", "Nodes of this and of remote clusters"), context, "List them", "/v1/nodes", flags(),
      nodes_text);
  add(*group(app, "identity", "Security identities"), context, "List them", "/v1/identities", flags(), identities_text);
  add(*group(app, "endpoint", "Pods of this node"), context, "List them", "/v1/endpoints", flags(), endpoints_text);
  auto* bpf = group(app, "bpf", "What the eBPF maps of this node hold");
  add(*group(*bpf, "lb", "Service load balancing"), context, "List frontends and backends", "/v1/bpf/lb", flags(),
      lb_text);
}

}  // namespace weft::cli
