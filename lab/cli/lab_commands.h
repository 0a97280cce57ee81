// `weft lab …`: sandbox clusters on this machine. The CLI adds these commands to its own.
#pragma once

namespace CLI {
class App;
}

namespace weft::lab {

/// Adds the subcommand `lab` with up, down, status, exec, shell, logs, kubeconfig and link below it.
/// A command that fails prints why to standard error and throws CLI::RuntimeError with the exit code, which
/// CLI11_PARSE (or app.exit(e)) turns into the program's exit code; `exec` passes the command's own code through.
void add_lab_commands(CLI::App& app);

}  // namespace weft::lab
