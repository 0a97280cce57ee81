#include "bgp/control/finding.h"

#include <algorithm>

namespace weft::bgp::control {

std::string Finding::to_string() const {
  std::string out = object.to_string() + ": " + field;
  if (!field.empty() && !value.empty()) out += " ";
  out += value;
  if (!field.empty() || !value.empty()) out += " ";
  out += wrong;
  if (!mend.empty()) out += "; " + mend;
  return out;
}

bool has_errors(const Findings& findings) {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& f) { return f.severity == Finding::Severity::error; });
}

std::string join(const Findings& findings, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < findings.size(); ++i) {
    const std::string text = findings[i].to_string();
    if (i > 0 && out.size() + text.size() + 2 > limit) {
      out += "; and " + std::to_string(findings.size() - i) + " more";
      break;
    }
    out += (i > 0 ? "; " : "") + text;
  }
  return out;
}

}  // namespace weft::bgp::control
