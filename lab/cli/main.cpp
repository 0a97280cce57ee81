// weft-lab: the lab's commands alone, without the rest of the CLI; `weft-lab lab up` is `weft lab up`.
#include <CLI/CLI.hpp>

#include "base/log.h"
#include "lab/cli/lab_commands.h"

int main(int argc, char** argv) {
  weft::log::configure(weft::log::Level::info, weft::log::Format::text);
  CLI::App app("Sandbox clusters on this machine");
  app.require_subcommand(1);
  weft::lab::add_lab_commands(app);
  CLI11_PARSE(app, argc, argv);
  return 0;
}
