#include "tests/script/txtar.h"

#include <sstream>

namespace weft::script {

Archive parse_txtar(std::string_view text) {
  Archive out;
  std::string* into = &out.script;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("-- ") && line.ends_with(" --") && line.size() > 6) {
      into = &out.files[line.substr(3, line.size() - 6)];
    } else {
      *into += line + "\n";
    }
  }
  return out;
}

std::vector<std::string> words(std::string_view line) {
  std::istringstream in{std::string(line)};
  std::vector<std::string> out;
  for (std::string w; in >> w;) out.push_back(std::move(w));
  return out;
}

}  // namespace weft::script
