#include "apps/cli/app.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdio>

#include "apps/cli/completion.h"

namespace weft::cli {

int report(const Error& error) {
  std::fprintf(stderr, "Error: %s\n", error.message.c_str());
  return error.code == Errc::invalid ? 2 : 1;
}

Result<std::chrono::seconds> parse_duration(const std::string& text) {
  std::chrono::seconds total{0};
  const char* at = text.data();
  const char* const end = at + text.size();
  bool any = false;
  while (at < end) {
    std::uint32_t n = 0;
    const auto [next, ec] = std::from_chars(at, end, n);
    if (ec != std::errc{} || next == end || n > 1'000'000) break;
    const char unit = *next;
    if (unit == 'h')
      total += std::chrono::hours(n);
    else if (unit == 'm')
      total += std::chrono::minutes(n);
    else if (unit == 's')
      total += std::chrono::seconds(n);
    else
      break;
    at = next + 1;
    any = true;
  }
  if (!any || at != end)
    return fail(Errc::invalid, fmt::format("\"{}\" is not a duration; write 90s, 5m or 1h30m", text));
  return total;
}

void build(CLI::App& app, Context& context) {
  app.description("Weft joins Kubernetes clusters into one network");
  app.name("weft");
  app.set_version_flag("--version", std::string("weft " WEFT_VERSION));
  app.require_subcommand(1);
  const auto named = [&context](const std::string&) { context.cluster_named = true; };
  app.add_option("--context", context.target.context,
                 "The kubeconfig context of the cluster; the current one when not given")
      ->each(named);
  app.add_option("--kubeconfig", context.target.kubeconfig,
                 "The kubeconfig; $KUBECONFIG or ~/.kube/config when not given")
      ->each(named);
  app.add_option("-n,--namespace", context.target.ns, "Where Weft runs")->capture_default_str()->each(named);
  app.add_option("--helm-release-name", context.target.release, "The Helm release")->capture_default_str();
  add_install_commands(app, context);
  add_uninstall_command(app, context);
  add_clustermesh_commands(app, context);
  add_list_commands(app, context);
  add_bgp_commands(app, context);
  add_completion_commands(app, context);
  auto* version = app.add_subcommand("version", "Print this program's version");
  version->callback([&context] {
    context.action = [] {
      std::printf("weft %s\n", WEFT_VERSION);
      return 0;
    };
  });
}

int run(CLI::App& app, Context& context, int argc, const char* const* argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (!words.empty() && words[0] == "__complete") {
    // Not a command of its own: the words are somebody's half-typed line and must not be parsed.
    const auto from = words.size() > 1 && words[1] == "--" ? 2 : 1;
    for (const auto& w : complete(app, {words.begin() + from, words.end()})) std::printf("%s\n", w.c_str());
    return 0;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    // 0: help or version was asked for. RuntimeError: a command of the lab has spoken already and chose its code.
    if (e.get_exit_code() == 0 || dynamic_cast<const CLI::RuntimeError*>(&e)) return app.exit(e);
    const auto unknown = unknown_command(app, words);
    std::fprintf(stderr, "Error: %s\nRun with --help for what there is.\n", unknown ? unknown->c_str() : e.what());
    return 2;
  }
  return context.action ? context.action() : 0;
}

}  // namespace weft::cli
