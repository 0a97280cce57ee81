// The last usable specification of each BGP object, and of the node's annotations for virtual routers, in a file: an
// agent that starts while one is bad goes on with what the run before it had, instead of ending the sessions that it
// speaks of.
#pragma once

#include <boost/json.hpp>

#include <set>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::bgp::control {

namespace json = boost::json;

inline std::string good_states_file(const std::string& state_dir) { return state_dir + "/bgp-good-states.json"; }

class GoodStates {
 public:
  /// Reads what an earlier run left; a file that is missing or damaged counts as empty. An empty path: memory only.
  explicit GoodStates(std::string path);

  /// Takes name, uid and spec of `object`.
  void keep(const std::string& kind, const json::object& object);
  /// The object of that name as it was kept; null when there is none, or it is one with another uid.
  const json::object* find(const std::string& kind, std::string_view name, std::string_view uid) const;
  /// Forgets all objects of the kind but these.
  void retain(const std::string& kind, const std::set<std::string>& names);
  /// Writes the file when something changed since.
  Result<> save();

 private:
  std::string path_;
  json::object kinds_;  // kind → name → object
  bool changed_ = false;
};

}  // namespace weft::bgp::control
