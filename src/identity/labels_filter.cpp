#include "identity/labels_filter.h"

#include <re2/re2.h>

#include <map>
#include <vector>

namespace weft::identity {

namespace {

constexpr const char* kDefaultRules[] = {
    // included
    "reserved:.*",
    R"(io\.kubernetes\.pod\.namespace)",
    R"(io\.cilium\.k8s\.namespace\.labels)",
    R"(app\.kubernetes\.io)",
    R"(io\.cilium\.k8s\.policy\.cluster)",
    R"(io\.cilium\.k8s\.policy\.serviceaccount)",
    // excluded
    R"(!io\.kubernetes)",
    R"(!kubernetes\.io)",
    R"(!.*beta\.kubernetes\.io)",
    R"(!k8s\.io)",
    R"(!topology\.kubernetes\.io)",
    R"(!statefulset\.kubernetes\.io/pod-name)",
    R"(!apps\.kubernetes\.io/pod-index)",
    R"(!batch\.kubernetes\.io/job-completion-index)",
    R"(!batch\.kubernetes\.io/controller-uid)",
    "!pod-template-generation",
    "!pod-template-hash",
    "!controller-revision-hash",
    "!controller-uid",
    "!annotation.*",
    "!etcd_node",
};

struct Rule {
  bool ignore = false;
  std::string source;
  std::unique_ptr<RE2> expression;
};

Result<Rule> parse_rule(std::string_view text) {
  const std::string whole(text);
  Rule rule;
  if (text.starts_with('!')) {
    rule.ignore = true;
    text.remove_prefix(1);
  }
  if (const auto colon = text.find(':'); colon != std::string_view::npos) {
    rule.source = std::string(text.substr(0, colon));
    text.remove_prefix(colon + 1);
  }
  if (text.empty()) return fail(Errc::invalid, "labels: rule \"" + whole + "\" is empty: write [!][source:]expression");
  RE2::Options options;
  options.set_log_errors(false);
  rule.expression = std::make_unique<RE2>("(" + std::string(text) + ")", options);
  if (!rule.expression->ok())
    return fail(Errc::invalid,
                "labels: rule \"" + whole + "\" is not a regular expression: " + rule.expression->error());
  return rule;
}

}  // namespace

struct LabelsFilter::Rules {
  std::vector<Rule> rules;
  bool only_included = false;  // a rule of the user includes: what matches nothing is dropped
  // Pods of a cluster share few label keys, and the answer depends on nothing else.
  mutable std::map<std::pair<std::string, std::string>, bool> known;

  bool decide(std::string_view source, const std::string& key) const {
    std::size_t included = 0, ignored = 0;
    for (const Rule& r : rules) {
      if (!r.source.empty() && r.source != source) continue;
      re2::StringPiece match;
      if (!r.expression->Match(key, 0, key.size(), RE2::ANCHOR_START, &match, 1)) continue;
      const std::size_t length = match.size();
      if (r.ignore) {
        if (ignored == 0 || length < ignored) ignored = length;
      } else {
        included = std::max(included, length);
      }
    }
    return (!only_included && ignored == 0) || included > ignored;
  }
};

LabelsFilter::LabelsFilter() {
  auto rules = std::make_shared<Rules>();
  for (const char* text : kDefaultRules) rules->rules.push_back(parse_rule(text).value());
  rules_ = std::move(rules);
}

Result<LabelsFilter> LabelsFilter::with(std::string_view user_rules) {
  auto rules = std::make_shared<Rules>();
  for (const char* text : kDefaultRules) rules->rules.push_back(parse_rule(text).value());
  std::size_t at = 0;
  while (at < user_rules.size()) {
    const auto begin = user_rules.find_first_not_of(" \t\n", at);
    if (begin == std::string_view::npos) break;
    const auto end = std::min(user_rules.find_first_of(" \t\n", begin), user_rules.size());
    auto rule = parse_rule(user_rules.substr(begin, end - begin));
    if (!rule) return fail(rule.error());
    if (!rule->ignore) rules->only_included = true;
    rules->rules.push_back(std::move(*rule));
    at = end;
  }
  LabelsFilter out;
  out.rules_ = std::move(rules);
  return out;
}

bool LabelsFilter::keeps(std::string_view source, const std::string& key) const {
  auto& known = rules_->known;
  const std::pair<std::string, std::string> question(source, key);
  if (const auto it = known.find(question); it != known.end()) return it->second;
  if (known.size() > 10'000) known.clear();
  return known[question] = rules_->decide(source, key);
}

}  // namespace weft::identity
