#include "lab/controllers/selector.h"

#include <algorithm>

namespace weft::lab {
namespace {

// One requirement of a label or node selector. `value` is null when the key is absent.
bool requirement_holds(const json::object& r, const std::string* value) {
  const std::string op = text(r, "operator");
  const json::array& values = list(r, "values");
  const auto listed = [&] {
    return value && std::any_of(values.begin(), values.end(),
                                [&](const json::value& v) { return v.is_string() && v.get_string() == *value; });
  };
  if (op == "In") return listed();
  if (op == "NotIn") return !listed();
  if (op == "Exists") return value != nullptr;
  if (op == "DoesNotExist") return value == nullptr;
  if (op == "Gt" || op == "Lt") {
    if (!value || values.size() != 1 || !values[0].is_string()) return false;
    const long long have = std::atoll(value->c_str());
    const long long bound = std::atoll(values[0].get_string().c_str());
    return op == "Gt" ? have > bound : have < bound;
  }
  return false;
}

const std::string* lookup(const Labels& labels, const std::string& key) {
  const auto it = labels.find(key);
  return it == labels.end() ? nullptr : &it->second;
}

bool expressions_hold(const json::array& expressions, const Labels& labels) {
  return std::all_of(expressions.begin(), expressions.end(), [&](const json::value& e) {
    return e.is_object() && requirement_holds(e.get_object(), lookup(labels, text(e.get_object(), "key")));
  });
}

}  // namespace

bool selects(const json::object& selector, const Labels& labels) {
  for (const auto& [k, v] : string_map(selector, "matchLabels")) {
    const auto* have = lookup(labels, k);
    if (!have || *have != v) return false;
  }
  return expressions_hold(list(selector, "matchExpressions"), labels);
}

bool selects_all_of(const Labels& wanted, const Labels& labels) {
  if (wanted.empty()) return false;
  return std::all_of(wanted.begin(), wanted.end(), [&](const auto& kv) {
    const auto* have = lookup(labels, kv.first);
    return have && *have == kv.second;
  });
}

bool node_matches(const json::object& pod_spec, const json::object& node) {
  const Labels labels = string_map(node, "metadata/labels");
  for (const auto& [k, v] : string_map(pod_spec, "nodeSelector")) {
    const auto* have = lookup(labels, k);
    if (!have || *have != v) return false;
  }
  const auto* required = find(pod_spec, "affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution");
  if (!required || !required->is_object()) return true;
  // Fields know one key, the node's name. Terms are alternatives; an empty term matches nothing.
  const Labels fields{{"metadata.name", text(node, "metadata/name")}};
  const json::array& terms = list(required->get_object(), "nodeSelectorTerms");
  return std::any_of(terms.begin(), terms.end(), [&](const json::value& t) {
    if (!t.is_object()) return false;
    const json::array& expressions = list(t.get_object(), "matchExpressions");
    const json::array& match_fields = list(t.get_object(), "matchFields");
    if (expressions.empty() && match_fields.empty()) return false;
    return expressions_hold(expressions, labels) && expressions_hold(match_fields, fields);
  });
}

bool tolerates(const json::object& pod_spec, const json::object& taint) {
  const std::string key = text(taint, "key"), value = text(taint, "value"), effect = text(taint, "effect");
  const json::array& tolerations = list(pod_spec, "tolerations");
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const json::value& v) {
    if (!v.is_object()) return false;
    const json::object& t = v.get_object();
    const std::string t_key = text(t, "key"), t_effect = text(t, "effect");
    const bool exists = text(t, "operator", "Equal") == "Exists";
    if (!t_effect.empty() && t_effect != effect) return false;
    if (t_key.empty()) return exists;
    return t_key == key && (exists || text(t, "value") == value);
  });
}

std::optional<std::string> untolerated_taint(const json::object& pod_spec, const json::object& node) {
  json::array taints = list(node, "spec/taints");
  constexpr std::string_view kCordoned = "node.kubernetes.io/unschedulable";
  if (flag(node, "spec/unschedulable") && std::none_of(taints.begin(), taints.end(), [&](const json::value& t) {
        return t.is_object() && text(t.get_object(), "key") == kCordoned;
      }))
    taints.push_back(json::object{{"key", kCordoned}, {"effect", "NoSchedule"}});
  for (const auto& v : taints) {
    if (!v.is_object()) continue;
    const json::object& t = v.get_object();
    const std::string effect = text(t, "effect");
    if (effect != "NoSchedule" && effect != "NoExecute") continue;
    if (tolerates(pod_spec, t)) continue;
    const std::string value = text(t, "value");
    return text(t, "key") + (value.empty() ? "" : "=" + value) + ":" + effect;
  }
  return std::nullopt;
}

}  // namespace weft::lab
