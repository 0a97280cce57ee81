#include "lab/apiserver/strategy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "base/net.h"

namespace weft::lab::api {
namespace {

bool alnum_lower(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alnum(char c) { return alnum_lower(c) || (c >= 'A' && c <= 'Z'); }

void default_to(json::object& o, std::string_view key, json::value value) {
  auto* at = o.if_contains(key);
  if (at == nullptr || at->is_null() || (at->is_string() && at->get_string().empty())) o[key] = std::move(value);
}

json::object* child(json::object& o, std::string_view key) {
  auto* at = o.if_contains(key);
  return at != nullptr ? at->if_object() : nullptr;
}

json::array* items(json::object& o, std::string_view key) {
  auto* at = o.if_contains(key);
  return at != nullptr ? at->if_array() : nullptr;
}

}  // namespace

bool dns_label(std::string_view s) {
  return !s.empty() && s.size() <= 63 && alnum_lower(s.front()) && alnum_lower(s.back()) &&
         std::all_of(s.begin(), s.end(), [](char c) { return alnum_lower(c) || c == '-'; });
}

bool dns_subdomain(std::string_view s) {
  if (s.empty() || s.size() > 253) return false;
  for (std::size_t begin = 0; begin <= s.size();) {
    const auto end = std::min(s.find('.', begin), s.size());
    const auto part = s.substr(begin, end - begin);
    if (part.empty() || !alnum_lower(part.front()) || !alnum_lower(part.back()) ||
        !std::all_of(part.begin(), part.end(), [](char c) { return alnum_lower(c) || c == '-'; }))
      return false;
    begin = end + 1;
  }
  return true;
}

std::string random_suffix() {
  static constexpr std::string_view kLetters = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (const char c : random_bytes(5)) out += kLetters[static_cast<unsigned char>(c) % kLetters.size()];
  return out;
}

// ---- Metadata

namespace {

bool qualified_name(std::string_view s) {
  const auto slash = s.find('/');
  if (slash != std::string_view::npos && !dns_subdomain(s.substr(0, slash))) return false;
  const auto name = slash == std::string_view::npos ? s : s.substr(slash + 1);
  return !name.empty() && name.size() <= 63 && alnum(name.front()) && alnum(name.back()) &&
         std::all_of(name.begin(), name.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
}

constexpr const char* kQualified =
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
    "character (e.g. 'MyName',  "
    "or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

void check_labels(const json::object& labels, const std::string& path, FieldErrors& errors) {
  for (const auto& [k, v] : labels) {
    const std::string key(k);
    if (!qualified_name(key)) errors.push_back(FieldError::invalid(path, json::value(key), kQualified));
    if (!v.is_string()) continue;
    const std::string_view s(v.get_string());
    if (s.size() > 63)
      errors.push_back(FieldError::invalid(path, v, "must be no more than 63 characters"));
    else if (!s.empty() && !(alnum(s.front()) && alnum(s.back()) && std::all_of(s.begin(), s.end(), [](char c) {
                               return alnum(c) || c == '-' || c == '_' || c == '.';
                             })))
      errors.push_back(FieldError::invalid(
          path, v,
          "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
          "start and end with an "
          "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
          "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"));
  }
}

constexpr const char* kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and "
    "end with an alphanumeric "
    "character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr const char* kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character "
    "(e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr const char* k1035 =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, "
    "and end with an alphanumeric "
    "character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

}  // namespace

void check_metadata(const Kind& kind, const json::value& o, FieldErrors& errors) {
  const auto name = text(o, {"metadata", "name"});
  const json::value shown(name);
  if (name.empty()) {
    errors.push_back(FieldError::required("metadata.name", "name or generateName is required"));
  } else if (kind.group == "rbac.authorization.k8s.io") {
    if (name == "." || name == ".." || name.find_first_of("/%") != std::string::npos)
      errors.push_back(FieldError::invalid("metadata.name", shown, "may not contain '/' or '%'"));
  } else if (kind.is("", "services")) {
    if (!dns_label(name) || !(name[0] >= 'a' && name[0] <= 'z'))
      errors.push_back(FieldError::invalid("metadata.name", shown, k1035));
  } else if (kind.is("", "namespaces")) {
    if (!dns_label(name)) errors.push_back(FieldError::invalid("metadata.name", shown, kLabel));
  } else if (!dns_subdomain(name)) {
    errors.push_back(FieldError::invalid("metadata.name", shown, kSubdomain));
  }
  check_labels(object(o, {"metadata", "labels"}), "metadata.labels", errors);
  std::size_t size = 0;
  for (const auto& [k, v] : object(o, {"metadata", "annotations"})) {
    std::string key(k);
    std::transform(key.begin(), key.end(), key.begin(), [](unsigned char c) { return std::tolower(c); });
    if (!qualified_name(key)) errors.push_back(FieldError::invalid("metadata.annotations", json::value(k), kQualified));
    size += k.size() + (v.is_string() ? v.get_string().size() : 0);
  }
  if (size > 262144)
    errors.push_back({"FieldValueTooLong", "metadata.annotations", "Too long: may not be more than 262144 bytes"});
  int controllers = 0;
  std::size_t i = 0;
  for (const auto& r : list(o, {"metadata", "ownerReferences"})) {
    const auto at = fmt::format("metadata.ownerReferences[{}]", i++);
    for (const char* key : {"apiVersion", "kind", "name", "uid"})
      if (text(r, {key}).empty()) errors.push_back(FieldError::required(at + "." + key, "must not be empty"));
    controllers += flag(r, {"controller"}) ? 1 : 0;
  }
  if (controllers > 1)
    errors.push_back(FieldError::invalid("metadata.ownerReferences", list(o, {"metadata", "ownerReferences"}),
                                         "Only one reference can have Controller set to true"));
  for (const auto& f : list(o, {"metadata", "finalizers"}))
    if (f.is_string() && !qualified_name(std::string(f.get_string())))
      errors.push_back(FieldError::invalid("metadata.finalizers", f, kQualified));
}

void check_metadata_update(const json::value& o, const json::value& old, FieldErrors& errors) {
  for (const char* key : {"name", "namespace", "uid", "creationTimestamp"}) {
    const auto was = text(old, {"metadata", key}), is = text(o, {"metadata", key});
    if (was != is) errors.push_back(FieldError::immutable(std::string("metadata.") + key, json::value(is)));
  }
  if (!text(old, {"metadata", "deletionTimestamp"}).empty()) {
    const auto& before = list(old, {"metadata", "finalizers"});
    for (const auto& f : list(o, {"metadata", "finalizers"}))
      if (std::find(before.begin(), before.end(), f) == before.end())
        errors.push_back(FieldError::forbidden(
            "metadata.finalizers",
            fmt::format("no new finalizers can be added if the object is being deleted, found new finalizers {}",
                        show(json::array{f}))));
  }
}

bool has_generation(const Kind& k) {
  if (k.is_custom()) return true;
  return k.group == "apps"
             ? k.plural != "controllerrevisions"
             : k.group == "networking.k8s.io" || k.group == "policy" || k.group == "discovery.k8s.io" ||
                   k.group == "apiextensions.k8s.io" || k.is("", "pods") || k.is("", "replicationcontrollers");
}

bool desired_state_differs(const Kind& k, const json::value& now, const json::value& old) {
  for (const auto& [key, v] : now.get_object()) {
    if (key == "metadata" || key == "apiVersion" || key == "kind" ||
        (key == "status" && (!k.is_custom() || k.has("status"))))
      continue;
    const auto* before = old.get_object().if_contains(key);
    if (before == nullptr || !same(v, *before)) return true;
  }
  for (const auto& [key, v] : old.get_object()) {
    if (key == "metadata" || key == "apiVersion" || key == "kind" ||
        (key == "status" && (!k.is_custom() || k.has("status"))))
      continue;
    if (!now.get_object().contains(key)) return true;
  }
  return false;
}

// ---- Pods and templates
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

// What the ServiceAccount admission plugin adds: the token, the cluster's CA and the namespace, where every client
// library looks for them. A pod that mounts something there itself keeps what it has.
void mount_account_token(json::object& spec) {
  constexpr const char* kWhere = "/var/run/secrets/kubernetes.io/serviceaccount";
  if (!flag(json::value(spec), {"automountServiceAccountToken"}, true)) return;
  const std::string volume = "kube-api-access-" + random_suffix();
  bool used = false;
  for (const char* key : {"initContainers", "containers"}) {
    auto* all = items(spec, key);
    if (all == nullptr) continue;
    for (auto& c : *all) {
      if (!c.is_object()) continue;
      auto& mounts = c.get_object()["volumeMounts"];
      if (!mounts.is_array()) mounts.emplace_array();
      const bool there = std::any_of(mounts.get_array().begin(), mounts.get_array().end(),
                                     [&](const json::value& m) { return text(m, {"mountPath"}) == kWhere; });
      if (there) continue;
      mounts.get_array().push_back(json::object{{"name", volume}, {"readOnly", true}, {"mountPath", kWhere}});
      used = true;
    }
  }
  if (!used) return;
  auto& volumes = spec["volumes"];
  if (!volumes.is_array()) volumes.emplace_array();
  const json::array sources{
      json::object{{"serviceAccountToken", json::object{{"expirationSeconds", 3607}, {"path", "token"}}}},
      json::object{
          {"configMap", json::object{{"name", "kube-root-ca.crt"},
                                     {"items", json::array{json::object{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}},
      json::object{{"downwardAPI",
                    json::object{{"items", json::array{json::object{
                                               {"path", "namespace"},
                                               {"fieldRef", json::object{{"apiVersion", "v1"},
                                                                         {"fieldPath", "metadata.namespace"}}}}}}}}}};
  volumes.get_array().push_back(
      json::object{{"name", volume}, {"projected", json::object{{"sources", sources}, {"defaultMode", 420}}}});
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

// ---- The rest

void prepare_secret(json::value& o) {
  auto& root = o.get_object();
  if (const auto* plain = root.if_contains("stringData"); plain != nullptr && plain->is_object()) {
    const json::object values = plain->get_object();
    auto& data = make_object(o, {"data"});
    for (const auto& [k, v] : values)
      if (v.is_string()) data[k] = base64_encode(std::string(v.get_string()));
  }
  o.get_object().erase("stringData");
}

void check_data(const Kind& k, const json::value& o, const json::value* old, FieldErrors& errors) {
  std::size_t size = 0;
  for (const char* field : {"data", "binaryData"})
    for (const auto& [key, v] : object(o, {field})) {
      const std::string name(key);
      const bool good =
          !name.empty() && name.size() <= 253 && name != "." && name != ".." &&
          std::all_of(name.begin(), name.end(), [](char c) { return alnum(c) || c == '-' || c == '_' || c == '.'; });
      if (!good)
        errors.push_back(FieldError::invalid(fmt::format("{}[{}]", field, name), json::value(name),
                                             "a valid config key must consist of alphanumeric characters, '-', '_' or "
                                             "'.' (e.g. 'key.name',  or 'KEY_NAME',  or "
                                             "'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"));
      size += v.is_string() ? v.get_string().size() : 0;
    }
  if (size > 1400000) errors.push_back({"FieldValueTooLong", "data", "Too long: may not be more than 1048576 bytes"});
  const auto type = text(o, {"type"});
  if (k.plural == "secrets" && type == "kubernetes.io/tls")
    for (const char* key : {"tls.crt", "tls.key"})
      if (!object(o, {"data"}).contains(key)) errors.push_back(FieldError::required(fmt::format("data[{}]", key)));
  if (old == nullptr) return;
  if (k.plural == "secrets" && text(*old, {"type"}) != type)
    errors.push_back(FieldError::immutable("type", json::value(type)));
  if (flag(*old, {"immutable"})) {
    if (!flag(o, {"immutable"}))
      errors.push_back(FieldError::forbidden("immutable", "field is immutable when `immutable` is set"));
    for (const char* field : {"data", "binaryData"})
      if (!same(object(o, {field}), object(*old, {field})))
        errors.push_back(FieldError::forbidden(field, "field is immutable when `immutable` is set"));
  }
}

void check_slice(const json::value& o, const json::value* old, FieldErrors& errors) {
  const auto type = text(o, {"addressType"});
  if (old != nullptr && text(*old, {"addressType"}) != type)
    errors.push_back(FieldError::immutable("addressType", json::value(type)));
  const auto& endpoints = list(o, {"endpoints"});
  if (endpoints.size() > 1000)
    errors.push_back({"FieldValueTooMany", "endpoints",
                      fmt::format("Too many: {}: must have at most 1000 items", endpoints.size())});
  std::size_t i = 0;
  for (const auto& e : endpoints) {
    const auto at = fmt::format("endpoints[{}].addresses", i++);
    const auto& addresses = list(e, {"addresses"});
    if (addresses.empty()) errors.push_back(FieldError::required(at, "must contain at least 1 address"));
    for (std::size_t n = 0; n < addresses.size() && addresses[n].is_string(); ++n) {
      const auto a = Address::parse(std::string(addresses[n].get_string()));
      if (type == "IPv4" && (!a || !a->is_v4()))
        errors.push_back(
            FieldError::invalid(fmt::format("{}[{}]", at, n), addresses[n], "must be a valid IPv4 address"));
      if (type == "IPv6" && (!a || !a->is_v6()))
        errors.push_back(
            FieldError::invalid(fmt::format("{}[{}]", at, n), addresses[n], "must be a valid IPv6 address"));
      if (a && type != "FQDN" && (a->is_unspecified() || a->is_loopback() || a->is_link_local() || a->is_multicast()))
        errors.push_back(FieldError::invalid(fmt::format("{}[{}]", at, n), addresses[n],
                                             "may not be unspecified, loopback, link-local or multicast"));
    }
  }
  std::set<std::string> names;
  i = 0;
  for (const auto& p : list(o, {"ports"})) {
    const auto name = text(p, {"name"});
    if (!names.insert(name).second)
      errors.push_back(FieldError::duplicate(fmt::format("ports[{}].name", i), json::value(name)));
    ++i;
  }
}

}  // namespace

void prepare(const Kind& k, json::value& o, const json::value* old) {
  if (k.is("", "pods")) {
    prepare_pod(o, old);
  } else if (k.group == "apps" &&
             (k.plural == "deployments" || k.plural == "daemonsets" || k.plural == "replicasets")) {
    prepare_workload(k, o);
  } else if (k.is("", "secrets")) {
    prepare_secret(o);
  } else if (k.is("", "namespaces")) {
    const auto name = text(o, {"metadata", "name"});
    make_object(o, {"metadata", "labels"})["kubernetes.io/metadata.name"] = name;
    if (old == nullptr) {
      auto& finalizers = make_object(o, {"spec"})["finalizers"];
      if (!finalizers.is_array()) finalizers.emplace_array();
      auto& all = finalizers.get_array();
      if (std::find(all.begin(), all.end(), json::value("kubernetes")) == all.end()) all.emplace_back("kubernetes");
      make_object(o, {"status"})["phase"] = "Active";
    } else {
      make_object(o, {"spec"});
      o.at("spec") = json::object(object(*old, {"spec"}));  // finalizers change through /finalize only
    }
  } else if (k.is("networking.k8s.io", "networkpolicies")) {
    auto& spec = make_object(o, {"spec"});
    if (!spec.contains("podSelector")) spec["podSelector"] = json::object{};
    if (list(o, {"spec", "policyTypes"}).empty()) {
      json::array types{"Ingress"};
      if (spec.contains("egress")) types.emplace_back("Egress");
      spec["policyTypes"] = std::move(types);
    }
  } else if (k.group == "rbac.authorization.k8s.io" && k.plural.ends_with("bindings")) {
    default_to(make_object(o, {"roleRef"}), "apiGroup", "rbac.authorization.k8s.io");
    if (auto* subjects = items(o.get_object(), "subjects"))
      for (auto& s : *subjects)
        if (s.is_object() && text(s, {"kind"}) != "ServiceAccount")
          default_to(s.get_object(), "apiGroup", "rbac.authorization.k8s.io");
  }
  // A status may be set through its own path only.
  if (old == nullptr && k.has("status") && !k.is("", "pods") && !k.is("", "namespaces") && !k.is("", "nodes"))
    o.get_object().erase("status");
  if (old == nullptr && k.is("", "services")) make_object(o, {"status", "loadBalancer"});
  if (old == nullptr && k.group == "apps" && k.has("status")) {
    json::object status;
    if (k.plural == "daemonsets")
      status = {
          {"currentNumberScheduled", 0}, {"numberMisscheduled", 0}, {"desiredNumberScheduled", 0}, {"numberReady", 0}};
    if (k.plural == "replicasets") status = {{"replicas", 0}};
    o.get_object()["status"] = std::move(status);
  }
}

void check(const Kind& k, const json::value& o, const json::value* old, FieldErrors& errors) {
  check_metadata(k, o, errors);
  if (old != nullptr) check_metadata_update(o, *old, errors);
  if (k.is("", "pods")) {
    if (const auto* spec = find(o, {"spec"})) check_pod_spec(*spec, "spec", errors);
    if (old != nullptr) check_pod_update(o, *old, errors);
  } else if (k.group == "apps" &&
             (k.plural == "deployments" || k.plural == "daemonsets" || k.plural == "replicasets")) {
    check_workload(k, o, old, errors);
  } else if (k.is("", "secrets") || k.is("", "configmaps")) {
    check_data(k, o, old, errors);
  } else if (k.is("discovery.k8s.io", "endpointslices")) {
    check_slice(o, old, errors);
  } else if (k.group == "rbac.authorization.k8s.io" && k.plural.ends_with("bindings") && old != nullptr) {
    if (!same(object(o, {"roleRef"}), object(*old, {"roleRef"})))
      errors.push_back(FieldError::invalid("roleRef", object(o, {"roleRef"}), "cannot change roleRef"));
  } else if (k.is("", "events")) {
    const auto ns = text(o, {"involvedObject", "namespace"});
    if (ns != text(o, {"metadata", "namespace"}) && !(ns.empty() && text(o, {"metadata", "namespace"}) == "default"))
      errors.push_back(
          FieldError::invalid("involvedObject.namespace", json::value(ns), "does not match event.namespace"));
  } else if (k.is("", "nodes") && old != nullptr) {
    const auto &was = list(*old, {"spec", "podCIDRs"}), &is = list(o, {"spec", "podCIDRs"});
    if (!was.empty() && !same(was, is))
      errors.push_back(
          FieldError::forbidden("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid"));
  }
}

}  // namespace weft::lab::api
