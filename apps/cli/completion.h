// Shell completion: the shells ask `weft __complete WORD...`, which knows the commands because it is them.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace weft::cli {

/// What could stand in place of the last of `words` (possibly empty), the words before it being complete. Subcommands,
/// then options when the last word begins with '-', then an option's allowed values. Pure.
std::vector<std::string> complete(const CLI::App& app, const std::vector<std::string>& words);

/// "weft clustermesh: no command "conect"; did you mean connect?" No value: every word is known.
std::optional<std::string> unknown_command(const CLI::App& app, const std::vector<std::string>& words);

/// The script for "bash", "zsh" or "fish"; empty for anything else.
std::string completion_script(const std::string& shell);

}  // namespace weft::cli
