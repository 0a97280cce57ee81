#include <CLI/CLI.hpp>

#include <csignal>

#include "apps/cli/app.h"
#include "base/log.h"
#ifdef WEFT_WITH_LAB
#include "lab/cli/lab_commands.h"
#endif

int main(int argc, char** argv) {
  weft::log::configure(weft::log::Level::warn, weft::log::Format::text);
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app;
  weft::cli::Context context;
  weft::cli::build(app, context);
#ifdef WEFT_WITH_LAB
  weft::lab::add_lab_commands(app);
#endif
  return weft::cli::run(app, context, argc, argv);
}
