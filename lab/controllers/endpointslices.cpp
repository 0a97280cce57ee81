#include "lab/controllers/endpointslices.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/net.h"
#include "lab/controllers/pods.h"
#include "lab/controllers/selector.h"

namespace weft::lab {
namespace {

constexpr std::string_view kServiceLabel = "kubernetes.io/service-name";
constexpr std::string_view kManagerLabel = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kHeadlessLabel = "service.kubernetes.io/headless";
constexpr std::string_view kZone = "topology.kubernetes.io/zone";

bool headless(const json::object& service) { return text(service, "spec/clusterIP") == "None"; }

// The families a Service is served in: what it says, or else those of its addresses.
std::vector<Family> families(const json::object& service) {
  std::vector<Family> out;
  for (const auto& f : list(service, "spec/ipFamilies"))
    if (f.is_string()) out.push_back(f.get_string() == "IPv6" ? Family::v6 : Family::v4);
  if (out.empty())
    for (const auto& ip : list(service, "spec/clusterIPs"))
      if (ip.is_string())
        if (auto a = Address::parse(std::string(ip.get_string()))) out.push_back(a->family());
  if (out.empty()) out.push_back(Family::v4);
  return out;
}

std::string address_of(const json::object& pod, Family family) {
  for (const auto& v : list(pod, "status/podIPs")) {
    if (!v.is_object()) continue;
    const std::string ip = text(v.get_object(), "ip");
    if (auto a = Address::parse(ip); a && a->family() == family) return ip;
  }
  const std::string ip = text(pod, "status/podIP");
  if (auto a = Address::parse(ip); a && a->family() == family) return ip;
  return {};
}

// The number behind a service port's targetPort in this pod. Nothing when it names a port the pod does not have.
std::optional<std::int64_t> target_port(const json::object& service_port, const json::object& pod) {
  const auto* target = find(service_port, "targetPort");
  if (!target) return number(service_port, "port");
  if (target->is_number()) {
    const auto n = number(service_port, "targetPort");
    return n == 0 ? number(service_port, "port") : n;
  }
  const std::string name = text(service_port, "targetPort");
  const std::string protocol = text(service_port, "protocol", "TCP");
  for (const std::string_view containers : {"spec/containers", "spec/initContainers"}) {
    for (const auto& c : list(pod, containers)) {
      if (!c.is_object()) continue;
      // Of the init containers only those that keep running serve ports.
      if (containers == "spec/initContainers" && text(c.get_object(), "restartPolicy") != "Always") continue;
      for (const auto& p : list(c.get_object(), "ports"))
        if (p.is_object() && text(p.get_object(), "name") == name &&
            text(p.get_object(), "protocol", "TCP") == protocol)
          return number(p.get_object(), "containerPort");
    }
  }
  return std::nullopt;
}

json::array ports_for(const json::object& service, const json::object& pod) {
  json::array out;
  for (const auto& v : list(service, "spec/ports")) {
    if (!v.is_object()) continue;
    const json::object& sp = v.get_object();
    const auto port = target_port(sp, pod);
    if (!port) continue;
    json::object p{{"name", text(sp, "name")}, {"protocol", text(sp, "protocol", "TCP")}, {"port", *port}};
    if (has(sp, "appProtocol")) p["appProtocol"] = text(sp, "appProtocol");
    out.push_back(std::move(p));
  }
  return out;
}

json::object endpoint_of(const json::object& service, const json::object& pod, const std::string& address,
                         const std::map<std::string, std::string>& zones) {
  const bool ready = pod_ready(pod), going = deleting(pod);
  const bool all = flag(service, "spec/publishNotReadyAddresses");
  json::object e;
  json::array addresses;
  addresses.push_back(json::string(address));
  e["addresses"] = std::move(addresses);
  e["conditions"] = json::object{{"ready", all || (ready && !going)}, {"serving", ready}, {"terminating", going}};
  const std::string node = pod_node(pod);
  if (!node.empty()) e["nodeName"] = node;
  if (const auto zone = zones.find(node); zone != zones.end()) e["zone"] = zone->second;
  const std::string hostname = text(pod, "spec/hostname");
  if (!hostname.empty() && text(pod, "spec/subdomain") == text(service, "metadata/name")) e["hostname"] = hostname;
  e["targetRef"] = json::object{{"kind", "Pod"},
                                {"namespace", text(pod, "metadata/namespace")},
                                {"name", text(pod, "metadata/name")},
                                {"uid", uid_of(pod)}};
  return e;
}

std::string identity(const json::object& endpoint) {
  const auto& addresses = list(endpoint, "addresses");
  const std::string address =
      addresses.empty() || !addresses[0].is_string() ? "" : std::string(addresses[0].get_string());
  return text(endpoint, "targetRef/uid") + " " + address;
}

// What slices of one family and one set of ports hold: they differ only in which endpoints they carry.
struct Group {
  json::array ports;
  std::map<std::string, json::object> wanted;  // by identity
  std::vector<ObjectPtr> slices;
};

json::object slice_labels(const json::object& service) {
  json::object out;
  for (const auto& [k, v] : string_map(service, "metadata/labels")) out[k] = v;
  out[kServiceLabel] = text(service, "metadata/name");
  out[kManagerLabel] = kSliceManager;
  if (headless(service)) {
    out[kHeadlessLabel] = "";
  } else {
    out.erase(kHeadlessLabel);
  }
  return out;
}

json::object new_slice(const json::object& service, Family family, const json::array& ports, json::array endpoints) {
  return {{"apiVersion", "discovery.k8s.io/v1"},
          {"kind", "EndpointSlice"},
          {"metadata",
           {{"namespace", text(service, "metadata/namespace")},
            {"generateName", text(service, "metadata/name") + "-"},
            {"labels", slice_labels(service)},
            {"ownerReferences", json::array{controller_reference("v1", "Service", service)}}}},
          {"addressType", family == Family::v4 ? "IPv4" : "IPv6"},
          {"ports", ports},
          {"endpoints", std::move(endpoints)}};
}

json::object rewritten(const ObjectPtr& slice, const json::object& labels, const json::array& ports,
                       json::array endpoints) {
  json::object o = **slice;
  o["apiVersion"] = "discovery.k8s.io/v1";
  o["kind"] = "EndpointSlice";
  o["metadata"].get_object()["labels"] = labels;
  o["ports"] = ports;
  o["endpoints"] = std::move(endpoints);
  return o;
}

bool is_placeholder(const ObjectPtr& slice) {
  return list(**slice, "endpoints").empty() && list(**slice, "ports").empty();
}

// Endpoints stay in the slice they are in; leaving ones make room; new ones fill slices that are written anyway, then
// others with room, then new slices.
void plan_group(const json::object& service, Family family, Group& group, SlicePlan& plan) {
  struct Draft {
    ObjectPtr slice;
    json::array endpoints;
    bool changed = false;
  };
  std::vector<Draft> drafts;
  const json::object labels = slice_labels(service);
  for (const auto& s : group.slices) {
    Draft d{s, {}, false};
    for (const auto& v : list(**s, "endpoints")) {
      if (!v.is_object()) continue;
      const auto it = group.wanted.find(identity(v.get_object()));
      if (it == group.wanted.end()) {
        d.changed = true;
        continue;
      }
      if (it->second != v.get_object()) d.changed = true;
      d.endpoints.push_back(std::move(it->second));
      group.wanted.erase(it);
    }
    if (sub(**s, "metadata/labels") != labels) d.changed = true;
    drafts.push_back(std::move(d));
  }
  std::vector<json::object> fresh;
  for (auto& [id, e] : group.wanted) fresh.push_back(std::move(e));
  for (const bool written : {true, false}) {
    for (auto& d : drafts) {
      if (d.changed != written || fresh.empty()) continue;
      while (!fresh.empty() && d.endpoints.size() < kMaxEndpointsPerSlice) {
        d.endpoints.push_back(std::move(fresh.back()));
        fresh.pop_back();
        d.changed = true;
      }
    }
  }
  while (!fresh.empty()) {
    json::array endpoints;
    while (!fresh.empty() && endpoints.size() < kMaxEndpointsPerSlice) {
      endpoints.push_back(std::move(fresh.back()));
      fresh.pop_back();
    }
    plan.create.push_back(new_slice(service, family, group.ports, std::move(endpoints)));
  }
  for (auto& d : drafts) {
    if (d.endpoints.empty()) {
      plan.remove.push_back(d.slice);
    } else if (d.changed) {
      plan.update.push_back(rewritten(d.slice, labels, group.ports, std::move(d.endpoints)));
    }
  }
}

}  // namespace

bool wants_slices(const json::object& service) {
  return !sub(service, "spec/selector").empty() && text(service, "spec/type") != "ExternalName" && !deleting(service);
}

SlicePlan plan_slices(const json::object& service, const std::vector<ObjectPtr>& pods,
                      const std::vector<ObjectPtr>& nodes, const std::vector<ObjectPtr>& slices) {
  SlicePlan plan;
  const std::string name = text(service, "metadata/name");
  std::vector<ObjectPtr> mine;
  for (const auto& s : slices)
    if (label(**s, kServiceLabel) == name && label(**s, kManagerLabel) == kSliceManager && !deleting(**s))
      mine.push_back(s);
  if (!wants_slices(service)) return plan;

  std::map<std::string, std::string> zones;
  for (const auto& n : nodes)
    if (auto zone = label(**n, kZone); !zone.empty()) zones[n->name.name] = std::move(zone);
  const Labels selector = string_map(service, "spec/selector");
  std::vector<ObjectPtr> chosen;
  for (const auto& p : pods)
    if (!pod_finished(**p) && selects_all_of(selector, string_map(**p, "metadata/labels"))) chosen.push_back(p);

  std::set<ObjectName> kept;
  const auto wanted_families = families(service);
  for (const Family family : wanted_families) {
    const std::string type = family == Family::v4 ? "IPv4" : "IPv6";
    std::map<std::string, Group> groups;
    for (const auto& p : chosen) {
      const std::string address = address_of(**p, family);
      if (address.empty()) continue;
      json::array ports = ports_for(service, **p);
      auto& group = groups[canonical(ports)];
      group.ports = std::move(ports);
      json::object e = endpoint_of(service, **p, address, zones);
      group.wanted.insert_or_assign(identity(e), std::move(e));
    }
    std::vector<ObjectPtr> of_family;
    for (const auto& s : mine)
      if (text(**s, "addressType") == type) of_family.push_back(s);
    // Nobody there: one empty slice says so, which is how readers tell "no endpoints" from "not looked at yet".
    if (groups.empty()) {
      const auto found = std::find_if(of_family.begin(), of_family.end(), is_placeholder);
      if (found != of_family.end()) {
        kept.insert((*found)->name);
      } else if (!of_family.empty()) {
        kept.insert(of_family[0]->name);
        plan.update.push_back(rewritten(of_family[0], slice_labels(service), {}, {}));
      } else {
        plan.create.push_back(new_slice(service, family, {}, {}));
      }
      continue;
    }
    for (const auto& s : of_family) {
      if (is_placeholder(s)) continue;
      json::array ports;
      for (const auto& v : list(**s, "ports")) {
        // As we write them: the server may fill in what we left out, and drop what is empty.
        const json::object& p = v.get_object();
        json::object n{
            {"name", text(p, "name")}, {"protocol", text(p, "protocol", "TCP")}, {"port", number(p, "port")}};
        if (has(p, "appProtocol")) n["appProtocol"] = text(p, "appProtocol");
        ports.push_back(std::move(n));
      }
      const auto it = groups.find(canonical(ports));
      if (it == groups.end()) continue;
      kept.insert(s->name);
      it->second.slices.push_back(s);
    }
    for (auto& [key, group] : groups) {
      // The slice that said "nobody" becomes the first one that says otherwise.
      if (group.slices.empty()) {
        for (const auto& s : of_family) {
          if (!is_placeholder(s) || !kept.insert(s->name).second) continue;
          group.slices.push_back(s);
          break;
        }
      }
      plan_group(service, family, group, plan);
    }
  }
  for (const auto& s : mine)
    if (!kept.contains(s->name)) plan.remove.push_back(s);
  return plan;
}

}  // namespace weft::lab
