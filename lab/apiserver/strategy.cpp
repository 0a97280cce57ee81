#include "lab/apiserver/strategy.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/encoding.h"
#include "base/net.h"
#include "lab/apiserver/fields.h"
#include "lab/apiserver/metadata.h"
#include "lab/apiserver/workload.h"

namespace weft::lab::api {
namespace {

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
