#include "lab/cli/lab_commands.h"

#include <CLI/CLI.hpp>

namespace weft::lab {

void add_lab_commands(CLI::App& app) {
  auto* lab = app.add_subcommand("lab", "Sandbox clusters on this machine");
  lab->require_subcommand(1);
}

}  // namespace weft::lab
