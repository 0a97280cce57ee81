// The chart's CustomResourceDefinitions, as the lab's API server applies them to objects of tests.
#pragma once

#include <cctype>
#include <string>
#include <vector>

#include "base/file.h"
#include "bgp/control/tests/yaml.h"
#include "lab/apiserver/schema.h"

namespace weft::bgp::control {

/// The definition of one kind, with the schema of its first version; the others have the same.
class Definition {
 public:
  explicit Definition(const std::string& kind) {
    std::string name = kind + (kind.ends_with("y") ? "" : "s");
    if (kind.ends_with("y")) name.replace(name.size() - 1, 1, "ies");
    for (char& c : name) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const auto text = read_file(WEFT_SOURCE_DIR "/charts/weft/crds/" + name + ".yaml");
    if (!text) throw std::runtime_error(text.error().message);
    const json::object crd = yaml(*text);
    const auto& raw = crd.at("spec").at("versions").at(0).at("schema").at("openAPIV3Schema");
    for (const auto& e : lab::api::parse_crd_schema(raw, name, schema_))
      throw std::runtime_error(e.field + ": " + e.message);
    collect_rules(raw);
  }

  /// What the API server stores of an object.
  json::object with_defaults(json::value object) const {
    lab::api::apply_defaults(schema(), object, true);
    return object.as_object();
  }
  /// Why it does not take an object, rules aside, and which fields it does not know; empty: it takes it.
  std::vector<std::string> problems(json::value object) const {
    std::vector<std::string> out = lab::api::prune(schema(), object, true);
    auto errors = lab::api::wrong_types(schema(), object);
    if (errors.empty()) lab::api::validate(schema(), object, "", errors, true);
    for (const auto& e : errors) out.push_back(e.field + ": " + e.message);
    return out;
  }
  /// The messages of its rules (x-kubernetes-validations), which nobody evaluates here.
  const std::vector<std::string>& rules() const { return rules_; }
  const lab::api::Schema& schema() const { return *schema_.root; }

 private:
  void collect_rules(const json::value& v) {
    if (v.is_array())
      for (const auto& e : v.get_array()) collect_rules(e);
    if (!v.is_object()) return;
    for (const auto& [key, child] : v.get_object()) {
      if (key == "x-kubernetes-validations")
        for (const auto& rule : child.as_array()) rules_.emplace_back(rule.at("message").as_string());
      collect_rules(child);
    }
  }

  lab::api::CrdSchema schema_;
  std::vector<std::string> rules_;
};

}  // namespace weft::bgp::control
