// Printer columns of builtin kinds, as kubectl's users know them.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/clock.h"
#include "lab/apiserver/selector.h"
#include "lab/apiserver/table.h"

namespace weft::lab::api {
namespace {

using Value = json::value;

Column column(std::string name, std::function<Value(const Value&)> cell, int priority = 0, std::string type = "string",
              std::string format = {}) {
  return {std::move(name), std::move(type), std::move(format), {}, priority, std::move(cell)};
}
Column name_column() {
  return column("Name", [](const Value& o) { return Value(text(o, {"metadata", "name"})); }, 0, "string", "name");
}
Column age_column() {
  return column("Age", [](const Value& o) { return Value(age_of(text(o, {"metadata", "creationTimestamp"}))); });
}
Column created_column() {
  return column("Created At", [](const Value& o) { return Value(text(o, {"metadata", "creationTimestamp"})); });
}
Column count_column(std::string name, std::vector<std::string> path, int priority = 0) {
  return column(
      std::move(name),
      [path = std::move(path)](const Value& o) {
        const Value* at = &o;
        for (const auto& key : path) at = at != nullptr ? find(*at, {key}) : nullptr;
        std::int64_t n = 0;
        return at != nullptr && as_whole(*at, n) ? Value(n) : Value(0);
      },
      priority, "integer");
}

std::string or_none(std::string s) { return s.empty() ? "<none>" : s; }

std::string labels_text(const json::object& labels) {
  std::vector<std::string> parts;
  for (const auto& [k, v] : labels)
    parts.push_back(std::string(k) + "=" + (v.is_string() ? std::string(v.get_string()) : show(v)));
  std::sort(parts.begin(), parts.end());
  return or_none(fmt::format("{}", fmt::join(parts, ",")));
}

std::string containers(const Value& spec, const char* field) {
  std::vector<std::string> out;
  for (const auto& c : list(spec, {"containers"})) out.push_back(text(c, {field}));
  return fmt::format("{}", fmt::join(out, ","));
}

std::vector<Column> template_columns(bool selector) {
  std::vector<Column> out;
  for (const char* field : {"name", "image"})
    out.push_back(column(
        field[0] == 'n' ? "Containers" : "Images",
        [field](const Value& o) {
          const auto* spec = find(o, {"spec", "template", "spec"});
          return Value(spec != nullptr ? containers(*spec, field) : "");
        },
        1));
  if (selector)
    out.push_back(column(
        "Selector",
        [](const Value& o) {
          const auto* s = find(o, {"spec", "selector"});
          return Value(or_none(s != nullptr ? selector_text(*s) : ""));
        },
        1));
  return out;
}

std::vector<Column> operator+(std::vector<Column> a, std::vector<Column> b) {
  for (auto& c : b) a.push_back(std::move(c));
  return a;
}

// ---- Pods

bool condition_true(const Value& o, const char* type) {
  for (const auto& c : list(o, {"status", "conditions"}))
    if (text(c, {"type"}) == type) return text(c, {"status"}) == "True";
  return false;
}

// What `kubectl get pods` shows as STATUS: the most telling of phase, reasons and container states.
std::string pod_status(const Value& pod) {
  std::string reason = text(pod, {"status", "reason"});
  if (reason.empty()) reason = text(pod, {"status", "phase"});
  bool initializing = false;
  const auto& inits = list(pod, {"status", "initContainerStatuses"});
  const auto& init_specs = list(pod, {"spec", "initContainers"});
  for (std::size_t i = 0; i < inits.size(); ++i) {
    const auto& c = inits[i];
    const bool sidecar = std::any_of(init_specs.begin(), init_specs.end(), [&](const Value& s) {
      return text(s, {"name"}) == text(c, {"name"}) && text(s, {"restartPolicy"}) == "Always";
    });
    const auto* done = find(c, {"state", "terminated"});
    if (done != nullptr && number(*done, {"exitCode"}) == 0) continue;
    if (sidecar && flag(c, {"started"})) continue;
    initializing = true;
    if (done != nullptr) {
      const auto why = text(*done, {"reason"});
      reason = !why.empty()                     ? "Init:" + why
               : number(*done, {"signal"}) != 0 ? fmt::format("Init:Signal:{}", number(*done, {"signal"}))
                                                : fmt::format("Init:ExitCode:{}", number(*done, {"exitCode"}));
    } else if (const auto why = text(c, {"state", "waiting", "reason"}); !why.empty() && why != "PodInitializing") {
      reason = "Init:" + why;
    } else {
      reason = fmt::format("Init:{}/{}", i, init_specs.size());
    }
    break;
  }
  if (!initializing) {
    bool running = false;
    const auto& all = list(pod, {"status", "containerStatuses"});
    for (std::size_t i = all.size(); i-- > 0;) {
      const auto& c = all[i];
      const auto waiting = text(c, {"state", "waiting", "reason"});
      const auto* done = find(c, {"state", "terminated"});
      if (!waiting.empty()) {
        reason = waiting;
      } else if (done != nullptr) {
        const auto why = text(*done, {"reason"});
        reason = !why.empty()                     ? why
                 : number(*done, {"signal"}) != 0 ? fmt::format("Signal:{}", number(*done, {"signal"}))
                                                  : fmt::format("ExitCode:{}", number(*done, {"exitCode"}));
      } else if (flag(c, {"ready"}) && find(c, {"state", "running"}) != nullptr) {
        running = true;
      }
    }
    if (reason == "Completed" && running) reason = condition_true(pod, "Ready") ? "Running" : "NotReady";
  }
  if (!text(pod, {"metadata", "deletionTimestamp"}).empty()) {
    if (text(pod, {"status", "reason"}) == "NodeLost") return "Unknown";
    const auto phase = text(pod, {"status", "phase"});
    if (phase != "Failed" && phase != "Succeeded") return "Terminating";
  }
  return reason;
}

std::string pod_restarts(const Value& pod) {
  std::int64_t n = 0;
  std::string last;
  for (const char* key : {"containerStatuses"})
    for (const auto& c : list(pod, {"status", key})) {
      n += number(c, {"restartCount"});
      last = std::max(last, text(c, {"lastState", "terminated", "finishedAt"}));
    }
  return n != 0 && !last.empty() ? fmt::format("{} ({} ago)", n, age_of(last)) : std::to_string(n);
}

std::vector<Column> pod_columns() {
  return {
      name_column(),
      column("Ready",
             [](const Value& p) {
               std::int64_t ready = 0;
               for (const auto& c : list(p, {"status", "containerStatuses"}))
                 ready += flag(c, {"ready"}) && find(c, {"state", "running"}) != nullptr ? 1 : 0;
               return Value(fmt::format("{}/{}", ready, list(p, {"spec", "containers"}).size()));
             }),
      column("Status", [](const Value& p) { return Value(pod_status(p)); }),
      column("Restarts", [](const Value& p) { return Value(pod_restarts(p)); }),
      age_column(),
      column(
          "IP",
          [](const Value& p) {
            const auto& ips = list(p, {"status", "podIPs"});
            return Value(or_none(ips.empty() ? text(p, {"status", "podIP"}) : text(ips[0], {"ip"})));
          },
          1),
      column(
          "Node", [](const Value& p) { return Value(or_none(text(p, {"spec", "nodeName"}))); }, 1),
      column(
          "Nominated Node", [](const Value& p) { return Value(or_none(text(p, {"status", "nominatedNodeName"}))); }, 1),
      column(
          "Readiness Gates",
          [](const Value& p) {
            const auto& gates = list(p, {"spec", "readinessGates"});
            if (gates.empty()) return Value("<none>");
            const auto n = std::count_if(gates.begin(), gates.end(), [&](const Value& g) {
              return condition_true(p, text(g, {"conditionType"}).c_str());
            });
            return Value(fmt::format("{}/{}", n, gates.size()));
          },
          1)};
}

// ---- Services and endpoints

std::string external_ips(const Value& s) {
  const auto type = text(s, {"spec", "type"});
  if (type == "ExternalName") return text(s, {"spec", "externalName"});
  std::vector<std::string> ips;
  if (type == "LoadBalancer")
    for (const auto& i : list(s, {"status", "loadBalancer", "ingress"}))
      ips.push_back(text(i, {"ip"}).empty() ? text(i, {"hostname"}) : text(i, {"ip"}));
  for (const auto& ip : list(s, {"spec", "externalIPs"}))
    if (ip.is_string()) ips.emplace_back(ip.get_string());
  if (ips.empty()) return type == "LoadBalancer" ? "<pending>" : "<none>";
  return fmt::format("{}", fmt::join(ips, ","));
}

std::vector<Column> service_columns() {
  return {name_column(),
          column("Type", [](const Value& s) { return Value(text(s, {"spec", "type"})); }),
          column("Cluster-IP",
                 [](const Value& s) {
                   const auto& ips = list(s, {"spec", "clusterIPs"});
                   return Value(or_none(!ips.empty() && ips[0].is_string() ? std::string(ips[0].get_string())
                                                                           : text(s, {"spec", "clusterIP"})));
                 }),
          column("External-IP", [](const Value& s) { return Value(external_ips(s)); }),
          column("Port(s)",
                 [](const Value& s) {
                   std::vector<std::string> out;
                   for (const auto& p : list(s, {"spec", "ports"})) {
                     const auto node = number(p, {"nodePort"});
                     out.push_back(node > 0 ? fmt::format("{}:{}/{}", number(p, {"port"}), node, text(p, {"protocol"}))
                                            : fmt::format("{}/{}", number(p, {"port"}), text(p, {"protocol"})));
                   }
                   return Value(or_none(fmt::format("{}", fmt::join(out, ","))));
                 }),
          age_column(),
          column("Selector", [](const Value& s) { return Value(labels_text(object(s, {"spec", "selector"}))); }, 1)};
}

std::string first_three(const std::vector<std::string>& all) {
  if (all.empty()) return "<none>";
  const std::vector<std::string> head(all.begin(),
                                      all.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(3, all.size())));
  return all.size() > 3 ? fmt::format("{} + {} more...", fmt::join(head, ","), all.size() - 3)
                        : fmt::format("{}", fmt::join(head, ","));
}

std::vector<Column> slice_columns() {
  return {name_column(), column("AddressType", [](const Value& s) { return Value(text(s, {"addressType"})); }),
          column("Ports",
                 [](const Value& s) {
                   std::vector<std::string> out;
                   const auto& ports = list(s, {"ports"});
                   for (const auto& p : ports) {
                     const auto n = number(p, {"port"}, -1);
                     out.push_back(n < 0 ? "*" : std::to_string(n));
                   }
                   return Value(ports.empty() ? "<unset>" : first_three(out));
                 }),
          column("Endpoints",
                 [](const Value& s) {
                   std::vector<std::string> out;
                   for (const auto& e : list(s, {"endpoints"}))
                     for (const auto& a : list(e, {"addresses"}))
                       if (a.is_string()) out.emplace_back(a.get_string());
                   return Value(out.empty() ? "<unset>" : first_three(out));
                 }),
          age_column()};
}

std::vector<Column> endpoints_columns() {
  return {name_column(),
          column("Endpoints",
                 [](const Value& e) {
                   std::vector<std::string> out;
                   for (const auto& s : list(e, {"subsets"}))
                     for (const auto& a : list(s, {"addresses"})) {
                       const auto ip = text(a, {"ip"});
                       if (list(s, {"ports"}).empty()) out.push_back(ip);
                       for (const auto& p : list(s, {"ports"}))
                         out.push_back(fmt::format("{}:{}", ip.find(':') != std::string::npos ? "[" + ip + "]" : ip,
                                                   number(p, {"port"})));
                     }
                   return Value(first_three(out));
                 }),
          age_column()};
}

// ---- Nodes

std::string node_address(const Value& n, const char* type) {
  for (const auto& a : list(n, {"status", "addresses"}))
    if (text(a, {"type"}) == type) return text(a, {"address"});
  return "<none>";
}

std::vector<Column> node_columns() {
  const auto info = [](const char* key) {
    return [key](const Value& n) {
      const auto t = text(n, {"status", "nodeInfo", key});
      return Value(t.empty() ? "<unknown>" : t);
    };
  };
  return {name_column(),
          column("Status",
                 [](const Value& n) {
                   std::string out = "Unknown";
                   for (const auto& c : list(n, {"status", "conditions"}))
                     if (text(c, {"type"}) == "Ready") out = text(c, {"status"}) == "True" ? "Ready" : "NotReady";
                   return Value(flag(n, {"spec", "unschedulable"}) ? out + ",SchedulingDisabled" : out);
                 }),
          column("Roles",
                 [](const Value& n) {
                   std::set<std::string> roles;
                   for (const auto& [k, v] : object(n, {"metadata", "labels"})) {
                     const std::string key(k);
                     if (key.starts_with("node-role.kubernetes.io/")) roles.insert(key.substr(24));
                     if (key == "kubernetes.io/role" && v.is_string()) roles.insert(std::string(v.get_string()));
                   }
                   return Value(or_none(fmt::format("{}", fmt::join(roles, ","))));
                 }),
          age_column(),
          column("Version", [](const Value& n) { return Value(text(n, {"status", "nodeInfo", "kubeletVersion"})); }),
          column(
              "Internal-IP", [](const Value& n) { return Value(node_address(n, "InternalIP")); }, 1),
          column(
              "External-IP", [](const Value& n) { return Value(node_address(n, "ExternalIP")); }, 1),
          column("OS-Image", info("osImage"), 1),
          column("Kernel-Version", info("kernelVersion"), 1),
          column("Container-Runtime", info("containerRuntimeVersion"), 1)};
}

// ---- Events

std::string event_time(const Value& e, const char* key) {
  auto t = text(e, {key});
  if (t.empty()) t = text(e, {"eventTime"});
  return age_of(t);
}

std::vector<Column> event_columns() {
  return {column("Last Seen", [](const Value& e) { return Value(event_time(e, "lastTimestamp")); }),
          column("Type", [](const Value& e) { return Value(text(e, {"type"})); }),
          column("Reason", [](const Value& e) { return Value(text(e, {"reason"})); }),
          column("Object",
                 [](const Value& e) {
                   auto kind = text(e, {"involvedObject", "kind"});
                   std::transform(kind.begin(), kind.end(), kind.begin(),
                                  [](unsigned char c) { return std::tolower(c); });
                   const auto name = text(e, {"involvedObject", "name"});
                   return Value(name.empty() ? kind : kind + "/" + name);
                 }),
          column(
              "Subobject", [](const Value& e) { return Value(text(e, {"involvedObject", "fieldPath"})); }, 1),
          column(
              "Source",
              [](const Value& e) {
                auto c = text(e, {"source", "component"});
                if (c.empty()) c = text(e, {"reportingComponent"});
                const auto host = text(e, {"source", "host"});
                return Value(host.empty() ? c : c + ", " + host);
              },
              1),
          column("Message", [](const Value& e) { return Value(text(e, {"message"})); }),
          column(
              "First Seen", [](const Value& e) { return Value(event_time(e, "firstTimestamp")); }, 1),
          column(
              "Count", [](const Value& e) { return Value(std::max<std::int64_t>(1, number(e, {"count"}))); }, 1),
          column("Name", [](const Value& e) { return Value(text(e, {"metadata", "name"})); }, 1, "string", "name")};
}

// ---- Roles

std::string subjects(const Value& b, std::string_view kind) {
  std::vector<std::string> out;
  for (const auto& s : list(b, {"subjects"}))
    if (text(s, {"kind"}) == kind)
      out.push_back(kind == "ServiceAccount" ? text(s, {"namespace"}) + "/" + text(s, {"name"}) : text(s, {"name"}));
  return fmt::format("{}", fmt::join(out, ", "));
}

std::vector<Column> binding_columns() {
  return {
      name_column(),
      column("Role",
             [](const Value& b) { return Value(text(b, {"roleRef", "kind"}) + "/" + text(b, {"roleRef", "name"})); }),
      age_column(),
      column(
          "Users", [](const Value& b) { return Value(subjects(b, "User")); }, 1),
      column(
          "Groups", [](const Value& b) { return Value(subjects(b, "Group")); }, 1),
      column("ServiceAccounts", [](const Value& b) { return Value(subjects(b, "ServiceAccount")); }, 1)};
}

Value int_or_text(const Value& o, std::initializer_list<std::string_view> path, const char* otherwise) {
  const auto* v = find(o, path);
  return Value(v == nullptr ? otherwise : v->is_string() ? std::string(v->get_string()) : show(*v));
}

}  // namespace

std::vector<Column> builtin_columns(const std::string& group, const std::string& kind) {
  if (kind == "Pod") return pod_columns();
  if (kind == "Service") return service_columns();
  if (kind == "EndpointSlice") return slice_columns();
  if (kind == "Endpoints") return endpoints_columns();
  if (kind == "Node") return node_columns();
  if (kind == "Event") return event_columns();
  if (kind == "RoleBinding" || kind == "ClusterRoleBinding") return binding_columns();
  if (kind == "Role" || kind == "ClusterRole" || kind == "CustomResourceDefinition")
    return {name_column(), created_column()};
  if (kind == "Namespace")
    return {name_column(), column("Status", [](const Value& o) { return Value(text(o, {"status", "phase"})); }),
            age_column()};
  if (kind == "ConfigMap")
    return {
        name_column(),
        column(
            "Data",
            [](const Value& o) {
              return Value(static_cast<std::int64_t>(object(o, {"data"}).size() + object(o, {"binaryData"}).size()));
            },
            0, "integer"),
        age_column()};
  if (kind == "Secret")
    return {name_column(), column("Type", [](const Value& o) { return Value(text(o, {"type"})); }),
            column(
                "Data", [](const Value& o) { return Value(static_cast<std::int64_t>(object(o, {"data"}).size())); }, 0,
                "integer"),
            age_column()};
  if (kind == "ServiceAccount")
    return {
        name_column(),
        column("Secrets", [](const Value& o) { return Value(static_cast<std::int64_t>(list(o, {"secrets"}).size())); }),
        age_column()};
  if (kind == "Lease")
    return {name_column(), column("Holder", [](const Value& o) { return Value(text(o, {"spec", "holderIdentity"})); }),
            age_column()};
  if (kind == "NetworkPolicy")
    return {name_column(),
            column("Pod-Selector",
                   [](const Value& o) {
                     const auto* s = find(o, {"spec", "podSelector"});
                     return Value(or_none(s != nullptr ? selector_text(*s) : ""));
                   }),
            age_column()};
  if (kind == "Deployment")
    return std::vector<Column>{name_column(),
                               column("Ready",
                                      [](const Value& o) {
                                        return Value(fmt::format("{}/{}", number(o, {"status", "readyReplicas"}),
                                                                 number(o, {"spec", "replicas"})));
                                      }),
                               count_column("Up-to-date", {"status", "updatedReplicas"}),
                               count_column("Available", {"status", "availableReplicas"}), age_column()} +
           template_columns(true);
  if (kind == "DaemonSet")
    return std::vector<Column>{
               name_column(),
               count_column("Desired", {"status", "desiredNumberScheduled"}),
               count_column("Current", {"status", "currentNumberScheduled"}),
               count_column("Ready", {"status", "numberReady"}),
               count_column("Up-to-date", {"status", "updatedNumberScheduled"}),
               count_column("Available", {"status", "numberAvailable"}),
               column("Node Selector",
                      [](const Value& o) {
                        return Value(labels_text(object(o, {"spec", "template", "spec", "nodeSelector"})));
                      }),
               age_column()} +
           template_columns(true);
  if (kind == "ReplicaSet" || kind == "ReplicationController")
    return std::vector<Column>{name_column(), count_column("Desired", {"spec", "replicas"}),
                               count_column("Current", {"status", "replicas"}),
                               count_column("Ready", {"status", "readyReplicas"}), age_column()} +
           template_columns(true);
  if (kind == "StatefulSet")
    return std::vector<Column>{name_column(),
                               column("Ready",
                                      [](const Value& o) {
                                        return Value(fmt::format("{}/{}", number(o, {"status", "readyReplicas"}),
                                                                 number(o, {"spec", "replicas"})));
                                      }),
                               age_column()} +
           template_columns(false);
  if (kind == "ControllerRevision")
    return {name_column(),
            column("Controller",
                   [](const Value& o) {
                     for (const auto& r : list(o, {"metadata", "ownerReferences"}))
                       if (flag(r, {"controller"})) {
                         auto k = text(r, {"kind"});
                         std::transform(k.begin(), k.end(), k.begin(), [](unsigned char c) { return std::tolower(c); });
                         return Value(fmt::format("{}.{}/{}", k,
                                                  text(r, {"apiVersion"}).substr(0, text(r, {"apiVersion"}).find('/')),
                                                  text(r, {"name"})));
                       }
                     return Value("<none>");
                   }),
            count_column("Revision", {"revision"}), age_column()};
  if (kind == "PodDisruptionBudget")
    return {name_column(),
            column("Min Available", [](const Value& o) { return int_or_text(o, {"spec", "minAvailable"}, "N/A"); }),
            column("Max Unavailable", [](const Value& o) { return int_or_text(o, {"spec", "maxUnavailable"}, "N/A"); }),
            count_column("Allowed Disruptions", {"status", "disruptionsAllowed"}), age_column()};
  if (kind == "PriorityClass")
    return {name_column(), count_column("Value", {"value"}),
            column(
                "Global-Default", [](const Value& o) { return Value(flag(o, {"globalDefault"})); }, 0, "boolean"),
            age_column(),
            column("PreemptionPolicy", [](const Value& o) { return Value(text(o, {"preemptionPolicy"})); }, 1)};
  if (kind == "IngressClass")
    return {
        name_column(), column("Controller", [](const Value& o) { return Value(text(o, {"spec", "controller"})); }),
        column("Parameters", [](const Value& o) { return Value(or_none(text(o, {"spec", "parameters", "name"}))); }),
        age_column()};
  if (kind == "Ingress")
    return {name_column(),
            column("Class", [](const Value& o) { return Value(or_none(text(o, {"spec", "ingressClassName"}))); }),
            column("Hosts",
                   [](const Value& o) {
                     std::vector<std::string> hosts;
                     for (const auto& r : list(o, {"spec", "rules"}))
                       if (!text(r, {"host"}).empty()) hosts.push_back(text(r, {"host"}));
                     return Value(hosts.empty() ? "*" : first_three(hosts));
                   }),
            column("Address",
                   [](const Value& o) {
                     const auto& i = list(o, {"status", "loadBalancer", "ingress"});
                     return Value(i.empty() ? "" : text(i[0], {"ip"}));
                   }),
            column("Ports", [](const Value& o) { return Value(list(o, {"spec", "tls"}).empty() ? "80" : "80, 443"); }),
            age_column()};
  (void)group;
  return {name_column(), age_column()};
}

}  // namespace weft::lab::api
