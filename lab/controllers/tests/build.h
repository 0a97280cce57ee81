// Short ways to write objects down in tests.
#pragma once

#include <string>
#include <vector>

#include "lab/controllers/object.h"

namespace weft::lab::testing {

inline json::object parse(std::string_view text) { return json::parse(text).as_object(); }

inline ObjectPtr obj(json::object o) { return std::make_shared<const Object>(make_object(std::move(o))); }
inline ObjectPtr obj(std::string_view text) { return obj(parse(text)); }

inline const Wall::time_point kNow = parse_rfc3339("2026-03-01T10:00:00Z");
inline std::string ago(int seconds) { return rfc3339(kNow - std::chrono::seconds(seconds)); }

struct Pod {
  std::string name;
  std::string owner_uid = {}, owner_kind = "ReplicaSet";
  std::string node = "n1", ip = "10.1.0.1", ip6 = {};
  bool ready = true, deleting = false;
  std::string phase = "Running";
  Labels labels = {{"app", "web"}};
  int age = 100, ready_for = 60;
  json::array container_ports = {};

  operator ObjectPtr() const {
    json::object metadata{
        {"namespace", "shop"}, {"name", name}, {"uid", "uid-" + name}, {"creationTimestamp", ago(age)}};
    json::object l;
    for (const auto& [k, v] : labels) l[k] = v;
    metadata["labels"] = std::move(l);
    if (deleting) metadata["deletionTimestamp"] = ago(1);
    if (!owner_uid.empty()) {
      json::array refs;
      refs.push_back(json::object{{"kind", owner_kind}, {"name", "owner"}, {"uid", owner_uid}, {"controller", true}});
      metadata["ownerReferences"] = std::move(refs);
    }
    json::object spec;
    if (!node.empty()) spec["nodeName"] = node;
    json::object container{{"name", "c"}};
    container["ports"] = container_ports;
    json::array containers;
    containers.push_back(std::move(container));
    spec["containers"] = std::move(containers);
    json::array ips;
    for (const auto& a : {ip, ip6})
      if (!a.empty()) ips.push_back(json::object{{"ip", a}});
    json::array conditions;
    conditions.push_back(
        json::object{{"type", "Ready"}, {"status", ready ? "True" : "False"}, {"lastTransitionTime", ago(ready_for)}});
    json::object status{{"phase", phase}, {"podIP", ip}};
    status["podIPs"] = std::move(ips);
    status["conditions"] = std::move(conditions);
    json::object pod;
    pod["metadata"] = std::move(metadata);
    pod["spec"] = std::move(spec);
    pod["status"] = std::move(status);
    return obj(std::move(pod));
  }
};

struct Node {
  std::string name;
  Labels labels = {};
  json::array taints = {};
  bool ready = true, cordoned = false;
  std::vector<std::string> cidrs = {};

  operator ObjectPtr() const {
    json::object l;
    for (const auto& [k, v] : labels) l[k] = v;
    json::object metadata{{"name", name}, {"uid", "uid-" + name}};
    metadata["labels"] = std::move(l);
    json::object spec;
    spec["taints"] = taints;
    if (cordoned) spec["unschedulable"] = true;
    json::array c;
    for (const auto& s : cidrs) c.push_back(json::string(s));
    if (!c.empty()) spec["podCIDRs"] = std::move(c);
    json::array conditions;
    conditions.push_back(json::object{{"type", "Ready"}, {"status", ready ? "True" : "False"}});
    json::object status;
    status["conditions"] = std::move(conditions);
    json::object node;
    node["metadata"] = std::move(metadata);
    node["spec"] = std::move(spec);
    node["status"] = std::move(status);
    return obj(std::move(node));
  }
};

inline std::vector<std::string> names(const std::vector<ObjectPtr>& objects) {
  std::vector<std::string> out;
  for (const auto& o : objects) out.push_back(o->name.name);
  return out;
}

}  // namespace weft::lab::testing
