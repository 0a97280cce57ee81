// The files of a script test: a txtar archive (comment, then "-- name --" sections), as Go's tests have them.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace weft::script {

struct Archive {
  std::string script;  // what stands before the first file: the commands
  std::map<std::string, std::string> files;
};

Archive parse_txtar(std::string_view text);
std::vector<std::string> words(std::string_view line);

}  // namespace weft::script
