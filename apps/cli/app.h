// The command line as a whole: built here, run by main.cpp and by tests.
#pragma once

#include "apps/cli/commands.h"

namespace weft::cli {

/// Adds the global options and every command of this library.
void build(CLI::App& app, Context& context);

/// Parses and runs; the exit code.
int run(CLI::App& app, Context& context, int argc, const char* const* argv);

}  // namespace weft::cli
