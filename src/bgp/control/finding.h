// What is wrong with an object, as a value: conditions, events, logs and the CLI all print the same one.
#pragma once

#include <string>
#include <vector>

namespace weft::bgp::control {

/// A cluster-scoped object of ours, as people name it.
struct ObjectRef {
  std::string kind;  // "CiliumBGPPeerConfig"
  std::string name;
  std::string to_string() const { return kind + " " + name; }
  auto operator<=>(const ObjectRef&) const = default;
};

struct Finding {
  /// `error`: the object cannot be used, its last good state goes on. `warning`: it is used, but something in it has
  /// no effect.
  enum class Severity { error, warning };
  Severity severity = Severity::error;
  ObjectRef object;
  std::string field;  // "spec.virtualRouters[0].neighbors[1].holdTimeSeconds"; empty: the object as a whole
  std::string value;  // as JSON; empty: absent
  std::string wrong;  // "is less than 3"
  std::string mend;   // "give 3 to 65535"
  /// "CiliumBGPPeerConfig tor: spec.timers.holdTimeSeconds 2 is less than 3; give 3 to 65535".
  std::string to_string() const;
  bool operator==(const Finding&) const = default;
};
using Findings = std::vector<Finding>;

bool has_errors(const Findings&);
/// Their texts, joined by "; ", at most `limit` characters: what fits a condition's message.
std::string join(const Findings&, std::size_t limit = 1024);

}  // namespace weft::bgp::control
