// The row of the tables that the tests keep.
#pragma once

#include <string>

namespace weft {

struct Row {
  using Key = std::string;
  std::string name;
  int value = 0;
  Key key() const { return name; }
  bool operator==(const Row&) const = default;
};

}  // namespace weft
