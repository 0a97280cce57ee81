#include <CLI/CLI.hpp>

#include <cstdio>

#include "apps/cli/commands.h"
#include "apps/cli/completion.h"

namespace weft::cli {

namespace {

/// Values that stand for themselves, of options that have a fixed set.
const std::vector<std::string>& values_of(const std::string& option) {
  static const std::map<std::string, std::vector<std::string>> known{
      {"--output", {"text", "json", "yaml"}},
      {"-o", {"text", "json", "yaml"}},
      {"--service-type", {"NodePort", "LoadBalancer"}},
      {"--connection-mode", {"bidirectional", "unicast", "mesh"}}};
  static const std::vector<std::string> none;
  const auto it = known.find(option);
  return it == known.end() ? none : it->second;
}

const CLI::Option* option_of(const CLI::App* app, const std::string& word) {
  for (; app; app = app->get_parent())
    if (const auto* o = app->get_option_no_throw(word)) return o;
  return nullptr;
}

/// Edits (one character put in, taken out or changed) between two words.
std::size_t distance(const std::string& a, const std::string& b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t corner = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const auto up = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, corner + (a[i - 1] == b[j - 1] ? 0 : 1)});
      corner = up;
    }
  }
  return row[b.size()];
}

struct Walk {
  const CLI::App* at;
  std::string pending;  // an option that still wants its value
  std::string unknown;  // the first word that is no command where one has to stand
};

/// Where `words` lead to.
Walk walk(const CLI::App& app, std::span<const std::string> words) {
  Walk w{&app, {}, {}};
  for (const auto& word : words) {
    if (!w.pending.empty()) {
      w.pending.clear();
    } else if (word == "--") {
      break;
    } else if (word.starts_with('-')) {
      const auto* o = word.find('=') == std::string::npos ? option_of(w.at, word) : nullptr;
      if (o && o->get_items_expected_max() > 0) w.pending = word;
    } else {
      const auto subs = w.at->get_subcommands([&](const CLI::App* s) { return s->check_name(word); });
      if (!subs.empty()) {
        w.at = subs[0];
      } else if (w.unknown.empty() && w.at->get_require_subcommand_min() > 0) {
        w.unknown = word;
      }
    }
  }
  return w;
}

std::vector<std::string> subcommands(const CLI::App& app) {
  std::vector<std::string> out;
  for (const auto* s : app.get_subcommands([](const CLI::App*) { return true; }))
    if (!s->get_group().empty() && !s->get_name().empty()) out.push_back(s->get_name());
  std::sort(out.begin(), out.end());
  return out;
}

}  // namespace

std::optional<std::string> unknown_command(const CLI::App& app, const std::vector<std::string>& words) {
  const auto w = walk(app, words);
  if (w.unknown.empty()) return std::nullopt;
  const auto names = subcommands(*w.at);
  std::string where;
  for (const CLI::App* a = w.at; a; a = a->get_parent()) where = a->get_name() + (where.empty() ? "" : " " + where);
  const auto best = std::min_element(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return distance(a, w.unknown) < distance(b, w.unknown);
  });
  std::string mend;
  if (best != names.end() && distance(*best, w.unknown) <= 2) {
    mend = fmt::format("did you mean {}?", *best);
  } else {
    for (const auto& n : names) mend += (mend.empty() ? "it knows " : ", ") + n;
  }
  return fmt::format("{}: no command \"{}\"; {}", where, w.unknown, mend);
}

std::vector<std::string> complete(const CLI::App& app, const std::vector<std::string>& words) {
  const auto [at, pending, unknown] = walk(app, std::span(words).first(words.empty() ? 0 : words.size() - 1));
  const std::string last = words.empty() ? "" : words.back();
  std::vector<std::string> out;
  const auto offer = [&](const std::string& s) {
    if (s.starts_with(last) && std::find(out.begin(), out.end(), s) == out.end()) out.push_back(s);
  };
  if (!pending.empty()) {
    for (const auto& v : values_of(pending)) offer(v);
    return out;
  }
  if (last.starts_with('-')) {
    for (const CLI::App* a = at; a; a = a->get_parent())
      for (const auto* o : a->get_options())
        for (const auto& n : o->get_lnames())
          if (!o->get_group().empty()) offer("--" + n);
    return out;
  }
  if (unknown.empty())
    for (const auto& name : subcommands(*at)) offer(name);
  return out;
}

std::string completion_script(const std::string& shell) {
  if (shell == "bash")
    return R"(# weft completion for bash: source <(weft completion bash)
_weft() {
  local words=("${COMP_WORDS[@]:1:COMP_CWORD}")
  mapfile -t COMPREPLY < <(weft __complete -- "${words[@]}" 2>/dev/null)
  if [ ${#COMPREPLY[@]} -eq 0 ]; then
    case "${COMP_WORDS[COMP_CWORD-1]}" in
      -f|--values|--kubeconfig|--chart-directory|--socket|--set-file) mapfile -t COMPREPLY < <(compgen -f -- "${COMP_WORDS[COMP_CWORD]}") ;;
    esac
  fi
}
complete -F _weft weft
)";
  if (shell == "zsh")
    return R"(#compdef weft
# weft completion for zsh: weft completion zsh > "${fpath[1]}/_weft"
_weft() {
  local -a found
  found=("${(@f)$(weft __complete -- "${words[@]:1:CURRENT-1}" 2>/dev/null)}")
  if [[ -n "${found[*]}" ]]; then
    compadd -- "${found[@]}"
  else
    _files
  fi
}
compdef _weft weft
)";
  if (shell == "fish")
    return R"(# weft completion for fish: weft completion fish | source
function __weft_complete
  set -l words (commandline -opc) (commandline -ct)
  weft __complete -- $words[2..-1] 2>/dev/null
end
complete -c weft -f -a '(__weft_complete)'
complete -c weft -s f -l values -r -F
complete -c weft -l kubeconfig -r -F
)";
  return {};
}

void add_completion_commands(CLI::App& app, Context& context) {
  auto shell = std::make_shared<std::string>();
  auto* cmd = app.add_subcommand("completion", "Print the completion script for a shell");
  cmd->add_option("shell", *shell, "bash, zsh or fish")->required()->check(CLI::IsMember({"bash", "zsh", "fish"}));
  cmd->callback([&context, shell] {
    context.action = [shell] {
      std::fputs(completion_script(*shell).c_str(), stdout);
      return 0;
    };
  });
}

}  // namespace weft::cli
