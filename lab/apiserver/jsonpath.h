// The JSONPath of printer columns and scale paths: .a.b, ['a'], [0], [*], [?(@.k=="v")], and ..x is refused.
#pragma once

#include <string>
#include <vector>

#include "lab/apiserver/json.h"

namespace weft::lab::api {

class JsonPath {
 public:
  static Result<JsonPath> parse(const std::string& text);
  /// All values that the path leads to.
  std::vector<const json::value*> find(const json::value& root) const;

 private:
  struct Step {
    enum class Kind { key, index, all, filter } kind = Kind::key;
    std::string key;
    std::int64_t index = 0;
    std::vector<std::string> filter_path;
    std::string filter_op;  // "==", "!=", "" for existence
    json::value filter_value;
  };
  std::vector<Step> steps_;
};

}  // namespace weft::lab::api
