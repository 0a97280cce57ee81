// LabelsFilter: which labels of a pod make its identity (cilium-compat section 2.3). Fewer labels, fewer identities.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::identity {

/// Rules are regular expressions (RE2) that must match at the beginning of the key; "!" excludes, "source:" limits the
/// rule to one source. A label is kept when its longest include is longer than its shortest exclude, or when nothing
/// matches and no rule of the user includes.
class LabelsFilter {
 public:
  /// The built-in list alone.
  LabelsFilter();
  /// The built-in list and the user's rules, separated by spaces ("labels" of the configuration).
  /// The error names the rule that is no regular expression.
  static Result<LabelsFilter> with(std::string_view user_rules);

  bool keeps(std::string_view source, const std::string& key) const;

 private:
  struct Rules;
  std::shared_ptr<const Rules> rules_;
};

}  // namespace weft::identity
