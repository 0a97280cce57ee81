// weft-bfd: keeps the BFD sessions of a node. See `weft-bfd --help`.
#include <CLI/CLI.hpp>
#include <cstdio>

#include "apps/bfd/daemon.h"
#include "apps/bfd/show.h"
#include "base/log.h"

namespace {

int show(const std::string& socket, bool json) {
  const auto overview = weft::bfd::ask_overview(socket);
  if (!overview) {
    std::fprintf(stderr, "weft-bfd: %s\n", overview.error().message.c_str());
    return 1;
  }
  const auto text = json ? weft::bfd::encode(weft::bfd::Answer(*overview)) : weft::bfd::to_text(*overview);
  std::fputs(text.c_str(), stdout);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace weft;
  bfd::DaemonOptions o;
  o.socket = bfd::kDefaultSocket;
  bool debug = false, json = false, no_realtime = false, no_lock = false, dependent = false;
  std::string output = "text";

  CLI::App app{"Keeps the BFD sessions of a node, so that they outlive a restart of the agent", "weft-bfd"};
  app.set_version_flag("--version", "weft-bfd " WEFT_VERSION);
  app.add_option("--socket", o.socket, "Unix socket that the users of BFD connect to")->capture_default_str();
  app.add_flag("--no-realtime", no_realtime, "do not ask for real-time scheduling");
  app.add_flag("--no-lock-memory", no_lock, "do not lock the process in memory");
  app.add_flag("--control-plane-dependent", dependent,
               "send the C bit as 0: for when this process stops together with the agent");
  app.add_flag("--debug", debug, "log more");
  app.add_flag("--log-json", json, "log as JSON lines");
  auto* view = app.add_subcommand("show", "ask the running daemon what its sessions are doing");
  view->add_option("-o,--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
  CLI11_PARSE(app, argc, argv);

  if (*view) return show(o.socket, output == "json");
  log::configure(debug ? log::Level::debug : log::Level::info, json ? log::Format::json : log::Format::text);
  o.realtime = !no_realtime;
  o.lock_memory = !no_lock;
  o.control_plane_independent = !dependent;
  return bfd::run_daemon(o);
}
