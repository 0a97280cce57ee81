#include "lab/apiserver/workload.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lab/apiserver/fields.h"
#include "lab/apiserver/metadata.h"

namespace weft::lab::api {
namespace {

void default_container(json::object& c, bool host_network) {
  const auto image = text(json::value(c), {"image"});
  const auto slash = image.rfind('/');
  const auto rest = slash == std::string::npos ? image : image.substr(slash + 1);
  const auto colon = rest.find(':');
  const bool latest =
      rest.find('@') == std::string::npos && (colon == std::string::npos || rest.substr(colon + 1) == "latest");
  default_to(c, "imagePullPolicy", latest ? "Always" : "IfNotPresent");
  if (auto* resources = child(c, "resources"))
    if (const auto* limits = child(*resources, "limits")) {  // what has a limit and no request asks for its limit
      auto& requests = (*resources)["requests"];
      if (!requests.is_object()) requests.emplace_object();
      for (const auto& [k, v] : *limits)
        if (!requests.get_object().contains(k)) requests.get_object()[k] = json::value(v);
    }
  if (host_network)
    if (auto* ports = items(c, "ports"))
      for (auto& p : *ports)
        if (p.is_object() && number(p, {"hostPort"}) == 0) p.get_object()["hostPort"] = number(p, {"containerPort"});
  if (auto* env = items(c, "env"))
    for (auto& e : *env)
      if (auto* ref = find(e, {"valueFrom", "fieldRef"}); ref != nullptr && ref->is_object())
        default_to(ref->get_object(), "apiVersion", "v1");
}

void default_pod_spec(json::object& spec) {
  const bool host_network = flag(json::value(spec), {"hostNetwork"});
  for (const char* key : {"initContainers", "containers", "ephemeralContainers"})
    if (auto* all = items(spec, key))
      for (auto& c : *all)
        if (c.is_object()) default_container(c.get_object(), host_network);
  if (auto* volumes = items(spec, "volumes"))
    for (auto& v : *volumes)
      if (v.is_object() && v.get_object().size() == 1 && v.get_object().contains("name"))
        v.get_object()["emptyDir"] = json::object{};
  const auto account = text(json::value(spec), {"serviceAccountName"}),
             old_name = text(json::value(spec), {"serviceAccount"});
  if (account.empty() && !old_name.empty()) spec["serviceAccountName"] = old_name;
  if (!account.empty()) spec["serviceAccount"] = account;
}

std::string qos_class(const json::value& pod) {
  bool any = false, guaranteed = true;
  for (const char* key : {"initContainers", "containers"})
    for (const auto& c : list(pod, {"spec", key})) {
      const auto &limits = object(c, {"resources", "limits"}), &requests = object(c, {"resources", "requests"});
      any = any || !limits.empty() || !requests.empty();
      for (const char* r : {"cpu", "memory"}) {
        const auto *l = limits.if_contains(r), *q = requests.if_contains(r);
        guaranteed = guaranteed && l != nullptr && (q == nullptr || same(*l, *q));
      }
    }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

}  // namespace

void check_pod_spec(const json::value& spec, const std::string& path, FieldErrors& errors) {
  const auto& containers = list(spec, {"containers"});
  if (containers.empty()) errors.push_back(FieldError::required(path + ".containers"));
  std::set<std::string> volumes, names;
  for (const auto& v : list(spec, {"volumes"}))
    if (!volumes.insert(text(v, {"name"})).second)
      errors.push_back(FieldError::duplicate(path + ".volumes", json::value(text(v, {"name"}))));
  for (const char* key : {"initContainers", "containers"}) {
    std::size_t i = 0;
    for (const auto& c : list(spec, {key})) {
      const auto at = fmt::format("{}.{}[{}]", path, key, i++);
      if (!names.insert(text(c, {"name"})).second)
        errors.push_back(FieldError::duplicate(at + ".name", json::value(text(c, {"name"}))));
      if (text(c, {"image"}).empty()) errors.push_back(FieldError::required(at + ".image"));
      std::size_t m = 0;
      for (const auto& mount : list(c, {"volumeMounts"})) {
        const auto mount_at = fmt::format("{}.volumeMounts[{}].name", at, m++);
        if (!volumes.contains(text(mount, {"name"})))
          errors.push_back({"FieldValueNotFound", mount_at, "Not found: " + show(json::value(text(mount, {"name"})))});
      }
      for (const char* probe : {"livenessProbe", "readinessProbe", "startupProbe"})
        if (const auto* p = find(c, {probe})) {
          int handlers = 0;
          for (const char* h : {"exec", "httpGet", "tcpSocket", "grpc"}) handlers += find(*p, {h}) != nullptr ? 1 : 0;
          if (handlers == 0) errors.push_back(FieldError::required(at + "." + probe, "must specify a handler type"));
          if (handlers > 1)
            errors.push_back(FieldError::forbidden(at + "." + probe, "may not specify more than 1 handler type"));
          if (std::string_view(probe) != "readinessProbe" && number(*p, {"successThreshold"}, 1) != 1)
            errors.push_back(FieldError::invalid(at + "." + probe + ".successThreshold",
                                                 *find(*p, {"successThreshold"}), "must be 1"));
        }
    }
  }
  if (number(spec, {"terminationGracePeriodSeconds"}) < 0)
    errors.push_back(FieldError::invalid(path + ".terminationGracePeriodSeconds",
                                         *find(spec, {"terminationGracePeriodSeconds"}),
                                         "must be greater than or equal to 0"));
}

void prepare_pod(json::value& pod, const json::value* old) {
  auto& spec = make_object(pod, {"spec"});
  default_pod_spec(spec);
  if (old == nullptr) {
    default_to(spec, "serviceAccountName", "default");
    spec["serviceAccount"] = json::value(spec["serviceAccountName"]);
    mount_account_token(spec);
    const auto priority = text(pod, {"spec", "priorityClassName"});
    if (!spec.contains("priority"))
      spec["priority"] = priority == "system-node-critical"      ? 2000001000
                         : priority == "system-cluster-critical" ? 2000000000
                                                                 : 0;
    default_to(spec, "preemptionPolicy", "PreemptLowerPriority");
    // A pod stays five minutes on a node that is gone, unless it says otherwise.
    auto& tolerations = spec["tolerations"];
    if (!tolerations.is_array()) tolerations.emplace_array();
    for (const char* taint : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
      const bool there =
          std::any_of(tolerations.get_array().begin(), tolerations.get_array().end(), [&](const json::value& t) {
            const auto key = text(t, {"key"}), effect = text(t, {"effect"});
            return (key == taint || key.empty()) && (effect == "NoExecute" || effect.empty());
          });
      if (!there)
        tolerations.get_array().push_back(
            json::object{{"key", taint}, {"operator", "Exists"}, {"effect", "NoExecute"}, {"tolerationSeconds", 300}});
    }
    pod.get_object()["status"] = json::object{{"phase", "Pending"}, {"qosClass", qos_class(pod)}};
  } else if (spec.contains("serviceAccountName")) {
    spec["serviceAccount"] = json::value(spec["serviceAccountName"]);
  }
}

void check_pod_update(const json::value& pod, const json::value& old, FieldErrors& errors) {
  // What may change: images, tolerations (additions), the deadlines, and gates until scheduled.
  const auto frozen = [](const json::value& p) {
    json::value spec = p.at("spec");
    auto& o = spec.get_object();
    for (const char* key : {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates",
                            "ephemeralContainers"})
      o.erase(key);
    for (const char* key : {"initContainers", "containers"})
      if (auto* all = items(o, key))
        for (auto& c : *all) {
          c.get_object().erase("image");
          c.get_object().erase("imagePullPolicy");
        }
    return spec;
  };
  const auto now = frozen(pod), was = frozen(old);
  if (same(now, was)) return;
  std::string fields;
  for (const auto& [k, v] : now.get_object())
    if (const auto* b = was.get_object().if_contains(k); b == nullptr || !same(v, *b))
      fields += " spec." + std::string(k);
  for (const auto& [k, v] : was.get_object())
    if (!now.get_object().contains(k)) fields += " spec." + std::string(k);
  errors.push_back(FieldError::forbidden(
      "spec",
      "pod updates may not change fields other than "
      "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
      "`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (changed:" +
          fields + ")"));
}

// ---- Workloads

namespace {

bool selects(const json::value& selector, const json::object& labels) {
  for (const auto& [k, v] : object(selector, {"matchLabels"})) {
    const auto* at = labels.if_contains(k);
    if (at == nullptr || *at != v) return false;
  }
  for (const auto& e : list(selector, {"matchExpressions"})) {
    const auto* at = labels.if_contains(text(e, {"key"}));
    const auto op = text(e, {"operator"});
    const auto& values = list(e, {"values"});
    const bool listed = at != nullptr && std::find(values.begin(), values.end(), *at) != values.end();
    if ((op == "In" && !listed) || (op == "NotIn" && listed) || (op == "Exists" && at == nullptr) ||
        (op == "DoesNotExist" && at != nullptr))
      return false;
  }
  return true;
}

}  // namespace

void prepare_workload(const Kind& k, json::value& o) {
  auto& spec = make_object(o, {"spec"});
  if (auto* template_ = child(spec, "template")) {
    auto& meta = (*template_)["metadata"];
    if (!meta.is_object()) meta.emplace_object();
    if (!meta.get_object().contains("creationTimestamp")) meta.get_object()["creationTimestamp"] = nullptr;
    if (auto* pod = child(*template_, "spec")) default_pod_spec(*pod);
  }
  const char* key = k.plural == "deployments" ? "strategy" : k.plural == "daemonsets" ? "updateStrategy" : nullptr;
  if (key == nullptr) return;
  auto& strategy = make_object(o, {"spec", key});
  if (strategy["type"] == "RollingUpdate") {
    auto& rolling = strategy["rollingUpdate"];
    if (!rolling.is_object()) rolling.emplace_object();
    default_to(rolling.get_object(), "maxUnavailable", k.plural == "deployments" ? json::value("25%") : json::value(1));
    default_to(rolling.get_object(), "maxSurge", k.plural == "deployments" ? json::value("25%") : json::value(0));
  }
}

void check_workload(const Kind& k, const json::value& o, const json::value* old, FieldErrors& errors) {
  if (number(o, {"spec", "replicas"}) < 0)
    errors.push_back(
        FieldError::invalid("spec.replicas", o.at("spec").at("replicas"), "must be greater than or equal to 0"));
  const auto* selector = find(o, {"spec", "selector"});
  if (selector == nullptr) return;  // said already
  if (object(*selector, {"matchLabels"}).empty() && list(*selector, {"matchExpressions"}).empty())
    errors.push_back(
        FieldError::invalid("spec.selector", *selector, fmt::format("empty selector is invalid for {}", k.singular)));
  const auto* template_ = find(o, {"spec", "template"});
  if (template_ == nullptr) return;
  const auto& labels = object(*template_, {"metadata", "labels"});
  if (!selects(*selector, labels))
    errors.push_back(
        FieldError::invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"));
  check_labels(labels, "spec.template.metadata.labels", errors);
  if (const auto* spec = find(*template_, {"spec"})) {
    check_pod_spec(*spec, "spec.template.spec", errors);
    if (const auto policy = text(*spec, {"restartPolicy"}); policy != "Always")
      errors.push_back(FieldError::not_supported("spec.template.spec.restartPolicy", json::value(policy), {"Always"}));
  }
  if (old != nullptr)
    if (const auto* was = find(*old, {"spec", "selector"}); was != nullptr && !same(*was, *selector))
      errors.push_back(FieldError::immutable("spec.selector", *selector));
  if (text(o, {"spec", "strategy", "type"}) == "Recreate" && find(o, {"spec", "strategy", "rollingUpdate"}) != nullptr)
    errors.push_back(FieldError::forbidden("spec.strategy.rollingUpdate",
                                           "may not be specified when strategy `type` is 'Recreate'"));
}

}  // namespace weft::lab::api
