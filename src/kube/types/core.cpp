#include "kube/types/core.h"

#include <fmt/format.h>

#include <boost/json.hpp>

namespace weft::kube {

namespace {

bool deleting(const json::object& object) { return metadata(object).contains("deletionTimestamp"); }

bool condition(const json::object& status, std::string_view type) {
  for (const auto& c : array_at(status, "conditions"))
    if (c.is_object() && text_at(c.get_object(), "type") == type) return text_at(c.get_object(), "status") == "True";
  return false;
}

// There is no condition or taint for it: condition Ready is False, its reason (KubeletNotReady) that of any other
// trouble, and only the message says so, perhaps among others (pkg/kubelet/nodeshutdown, ShutdownStatus). Kubernetes'
// documentation promises the words as the reason.
bool says_shutdown(const json::object& status) {
  constexpr std::string_view kWords = "node is shutting down";
  for (const auto& c : array_at(status, "conditions"))
    if (c.is_object() && text_at(c.get_object(), "type") == "Ready" && text_at(c.get_object(), "status") == "False")
      return text_at(c.get_object(), "message").contains(kWords) || text_at(c.get_object(), "reason").contains(kWords);
  return false;
}

void add_ports(std::vector<ContainerPort>& out, const json::array& containers) {
  for (const auto& c : containers) {
    if (!c.is_object()) continue;
    for (const auto& p : array_at(c.get_object(), "ports")) {
      if (!p.is_object()) continue;
      const auto& o = p.get_object();
      const auto number = number_at(o, "containerPort").value_or(0);
      if (number < 1 || number > 65535) continue;
      ContainerPort port{text_at(o, "name"), Protocol::tcp, static_cast<Port>(number)};
      if (const auto text = text_at(o, "protocol"); !text.empty())
        if (auto protocol = parse_protocol(text)) port.protocol = *protocol;
      out.push_back(std::move(port));
    }
  }
}

Result<> add_ips(std::vector<Address>& out, const json::object& status, std::string_view list,
                 std::string_view single) {
  for (const auto& entry : array_at(status, list)) {
    if (!entry.is_object()) continue;
    auto a = Address::parse(text_at(entry.get_object(), "ip"));
    if (!a) return fail(a.error().in("status." + std::string(list)));
    out.push_back(*a);
  }
  if (out.empty())
    if (const auto text = text_at(status, single); !text.empty()) {
      auto a = Address::parse(text);
      if (!a) return fail(a.error().in("status." + std::string(single)));
      out.push_back(*a);
    }
  return {};
}

}  // namespace

Result<std::optional<CoreNode>> parse_core_node(const json::object& object) {
  CoreNode n;
  n.name = name_of(object).name;
  if (n.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  n.uid = uid_of(object);
  n.labels = labels_at(metadata(object), "labels");
  n.annotations = labels_at(metadata(object), "annotations");
  n.deleting = deleting(object);
  const auto& spec = object_at(object, "spec");
  auto cidrs = texts_at(spec, "podCIDRs");
  if (cidrs.empty())
    if (auto one = text_at(spec, "podCIDR"); !one.empty()) cidrs.push_back(std::move(one));
  for (const auto& text : cidrs) {
    auto p = Prefix::parse(text);
    if (!p) return fail(p.error().in("spec.podCIDRs"));
    n.pod_cidrs.push_back(*p);
  }
  n.provider_id = text_at(spec, "providerID");
  n.unschedulable = bool_at(spec, "unschedulable").value_or(false);
  for (const auto& taint : array_at(spec, "taints"))
    if (taint.is_object()) n.taints.push_back(text_at(taint.get_object(), "key"));
  const auto& status = object_at(object, "status");
  for (const auto& entry : array_at(status, "addresses")) {
    if (!entry.is_object()) continue;
    // Types that we do not know are not ours to refuse.
    if (auto type = parse_node_address_type(text_at(entry.get_object(), "type")))
      n.addresses.push_back({*type, text_at(entry.get_object(), "address")});
  }
  n.boot_id = text_at(object_at(status, "nodeInfo"), "bootID");
  n.ready = condition(status, "Ready");
  n.shutting_down = says_shutdown(status);
  return n;
}

Result<std::optional<Namespace>> parse_namespace(const json::object& object) {
  Namespace n;
  n.name = name_of(object).name;
  if (n.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  n.labels = labels_at(metadata(object), "labels");
  n.annotations = labels_at(metadata(object), "annotations");
  n.deleting = deleting(object);
  return n;
}

Result<std::optional<Pod>> parse_pod(const json::object& object) {
  Pod p;
  p.name = name_of(object);
  if (p.name.name.empty()) return fail(Errc::invalid, "metadata.name is empty");
  p.uid = uid_of(object);
  p.labels = labels_at(metadata(object), "labels");
  p.annotations = labels_at(metadata(object), "annotations");
  p.deleting = deleting(object);
  const auto& spec = object_at(object, "spec");
  p.service_account = text_at(spec, "serviceAccountName");
  if (p.service_account.empty()) p.service_account = "default";
  p.node_name = text_at(spec, "nodeName");
  p.host_network = bool_at(spec, "hostNetwork").value_or(false);
  add_ports(p.ports, array_at(spec, "containers"));
  for (const auto& c : array_at(spec, "initContainers"))
    if (c.is_object() && text_at(c.get_object(), "restartPolicy") == "Always") add_ports(p.ports, json::array(1, c));
  const auto& status = object_at(object, "status");
  p.phase = text_at(status, "phase");
  p.ready = condition(status, "Ready");
  WEFT_TRY(add_ips(p.ips, status, "podIPs", "podIP"));
  WEFT_TRY(add_ips(p.host_ips, status, "hostIPs", "hostIP"));
  return p;
}

}  // namespace weft::kube
