// Label selectors (metav1.LabelSelector). What an absent selector means differs from field to field (cilium-compat
// section 4.3) and is said where the field is; a selector without requirements matches everything.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "model/names.h"

namespace weft::bgp::control {

struct Requirement {
  enum class Op { in, not_in, exists, does_not_exist };
  std::string key;
  Op op = Op::in;
  std::vector<std::string> values;
  /// As Kubernetes has it: NotIn holds for labels without the key too.
  bool matches(const Labels& labels) const;
  bool operator==(const Requirement&) const = default;
};

struct Selector {
  Labels match_labels;
  std::vector<Requirement> expressions;
  bool matches(const Labels& labels) const;
  /// "advertise=external, tier notin (front)"; "everything" when there is no requirement.
  std::string to_string() const;
  bool operator==(const Selector&) const = default;
};

/// For the fields where an absent selector matches everything, and for those where it matches nothing.
inline bool matches_or_all(const std::optional<Selector>& s, const Labels& labels) { return !s || s->matches(labels); }
inline bool matches_or_none(const std::optional<Selector>& s, const Labels& labels) { return s && s->matches(labels); }

}  // namespace weft::bgp::control
