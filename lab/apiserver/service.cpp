#include "lab/apiserver/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

namespace weft::lab::api {
namespace {

std::string type_of(const json::value& s) {
  auto t = text(s, {"spec", "type"});
  return t.empty() ? "ClusterIP" : t;
}
bool has_node_ports(const json::value& s) {
  const auto t = type_of(s);
  return t == "NodePort" || (t == "LoadBalancer" && flag(s, {"spec", "allocateLoadBalancerNodePorts"}, true));
}
std::vector<std::string> texts(const json::value& v, std::initializer_list<std::string_view> path) {
  std::vector<std::string> out;
  for (const auto& x : list(v, path))
    if (x.is_string()) out.emplace_back(x.get_string());
  return out;
}
json::array to_array(const std::vector<std::string>& v) {
  json::array out;
  for (const auto& s : v) out.emplace_back(s);
  return out;
}
bool headless(const json::value& s) { return text(s, {"spec", "clusterIP"}) == "None"; }
std::string family_name(const Address& a) { return a.is_v4() ? "IPv4" : "IPv6"; }

void default_to(json::object& spec, std::string_view key, json::value value) {
  auto* at = spec.if_contains(key);
  if (at == nullptr || at->is_null() || (at->is_string() && at->get_string().empty())) spec[key] = std::move(value);
}

}  // namespace

void default_service(json::value& service) {
  auto& spec = make_object(service, {"spec"});
  const auto type = type_of(service);
  if (text(service, {"spec", "sessionAffinity"}) == "ClientIP") {
    auto& ip = make_object(service, {"spec", "sessionAffinityConfig", "clientIP"});
    default_to(ip, "timeoutSeconds", 10800);
  } else {
    spec.erase("sessionAffinityConfig");
  }
  if (auto* ports = spec.if_contains("ports"); ports != nullptr && ports->is_array())
    for (auto& p : ports->get_array())
      if (p.is_object()) {
        const auto* target = p.get_object().if_contains("targetPort");
        const bool unset = target == nullptr || *target == 0 || *target == "";
        if (const auto* port = p.get_object().if_contains("port"); port != nullptr && unset)
          p.get_object()["targetPort"] = json::value(*port);
      }
  if (type != "ExternalName") default_to(spec, "internalTrafficPolicy", "Cluster");
  if (type == "NodePort" || type == "LoadBalancer" ||
      (type == "ClusterIP" && !list(service, {"spec", "externalIPs"}).empty()))
    default_to(spec, "externalTrafficPolicy", "Cluster");
  if (type == "LoadBalancer") default_to(spec, "allocateLoadBalancerNodePorts", true);
  make_object(service, {"status", "loadBalancer"});
}

namespace {

void check_ports(const json::value& service, FieldErrors& errors) {
  const auto& ports = list(service, {"spec", "ports"});
  const auto type = type_of(service);
  if (ports.empty() && !headless(service) && type != "ExternalName")
    errors.push_back(FieldError::required("spec.ports"));
  std::set<std::string> names, numbers, node_ports;
  for (std::size_t i = 0; i < ports.size(); ++i) {
    const auto& p = ports[i];
    const auto at = fmt::format("spec.ports[{}]", i);
    const auto name = text(p, {"name"});
    if (name.empty() && ports.size() > 1) errors.push_back(FieldError::required(at + ".name"));
    if (!name.empty() && !names.insert(name).second)
      errors.push_back(FieldError::duplicate(at + ".name", json::value(name)));
    const auto in_range = [&](const char* key) {
      const auto* v = find(p, {key});
      std::int64_t n = 0;
      if (v != nullptr && as_whole(*v, n) && (n < 1 || n > 65535))
        errors.push_back(FieldError::invalid(at + "." + key, *v, "must be between 1 and 65535, inclusive"));
    };
    in_range("port");
    in_range("targetPort");
    if (const auto* t = find(p, {"targetPort"}); t != nullptr && t->is_string()) {
      const std::string s(t->get_string());
      const bool chars = std::all_of(
          s.begin(), s.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; });
      const bool letter = std::any_of(s.begin(), s.end(), [](char c) { return c >= 'a' && c <= 'z'; });
      if (s.size() > 15)
        errors.push_back(FieldError::invalid(at + ".targetPort", *t, "must be no more than 15 characters"));
      else if (!chars || !letter || s.front() == '-' || s.back() == '-')
        errors.push_back(FieldError::invalid(
            at + ".targetPort", *t,
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-), and at least one letter"));
    }
    const auto protocol = text(p, {"protocol"});
    if (!numbers.insert(fmt::format("{}/{}", number(p, {"port"}), protocol)).second)
      errors.push_back(FieldError::duplicate(at, json::object{{"port", number(p, {"port"})}, {"protocol", protocol}}));
    if (const auto n = number(p, {"nodePort"}); n != 0) {
      if (type == "ClusterIP" || type == "ExternalName")
        errors.push_back(
            FieldError::forbidden(at + ".nodePort", fmt::format("may not be used when `type` is '{}'", type)));
      if (!node_ports.insert(fmt::format("{}/{}", n, protocol)).second)
        errors.push_back(FieldError::duplicate(at + ".nodePort", n));
    }
  }
}

}  // namespace

void check_service(const json::value& service, const json::value* old, FieldErrors& errors) {
  const auto type = type_of(service);
  check_ports(service, errors);
  if (headless(service) && (type == "NodePort" || type == "LoadBalancer"))
    errors.push_back(FieldError::invalid("spec.clusterIPs[0]", "None",
                                         fmt::format("may not be set to 'None' for {} services", type)));
  if (type == "ExternalName" && text(service, {"spec", "externalName"}).empty())
    errors.push_back(FieldError::required("spec.externalName"));
  if (type == "ExternalName" && !text(service, {"spec", "clusterIP"}).empty())
    errors.push_back(FieldError::forbidden("spec.clusterIPs", "may not be set for ExternalName services"));
  std::size_t i = 0;
  for (const auto& ip : texts(service, {"spec", "externalIPs"})) {
    const auto at = fmt::format("spec.externalIPs[{}]", i++);
    const auto a = Address::parse(ip);
    if (!a)
      errors.push_back(
          FieldError::invalid(at, json::value(ip), "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
    else if (a->is_unspecified())
      errors.push_back(FieldError::invalid(at, json::value(ip), "may not be unspecified (0.0.0.0 or ::)"));
    else if (a->is_loopback())
      errors.push_back(
          FieldError::invalid(at, json::value(ip), "may not be in the loopback range (127.0.0.0/8, ::1/128)"));
    else if (a->is_link_local())
      errors.push_back(
          FieldError::invalid(at, json::value(ip), "may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
  }
  if (const auto* t = find(service, {"spec", "sessionAffinityConfig", "clientIP", "timeoutSeconds"})) {
    std::int64_t n = 0;
    if (!as_whole(*t, n) || n <= 0 || n > 86400)
      errors.push_back(FieldError::invalid("spec.sessionAffinityConfig.clientIP.timeoutSeconds", *t,
                                           "must be greater than 0 and less than or equal to 86400"));
  }
  const auto external = text(service, {"spec", "externalTrafficPolicy"});
  if (!external.empty() && type == "ClusterIP" && list(service, {"spec", "externalIPs"}).empty())
    errors.push_back(FieldError::invalid("spec.externalTrafficPolicy", json::value(external),
                                         "may only be set for externally-accessible services"));
  const auto lb_class = text(service, {"spec", "loadBalancerClass"});
  if (!lb_class.empty() && type != "LoadBalancer")
    errors.push_back(FieldError::forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'"));
  if (old != nullptr && type == "LoadBalancer" && type_of(*old) == "LoadBalancer" &&
      text(*old, {"spec", "loadBalancerClass"}) != lb_class)
    errors.push_back(FieldError::invalid("spec.loadBalancerClass", json::value(lb_class), "may not change once set"));
}

ServiceAllocator::ServiceAllocator(std::vector<Prefix> ranges, Port first, Port last, Random random)
    : ports_(first, last), random_(std::move(random)) {
  for (const auto& r : ranges) ranges_.emplace_back(r);
}

IpAllocator* ServiceAllocator::range_of(const std::string& family) {
  for (auto& r : ranges_)
    if (family == (r.range().family() == Family::v4 ? "IPv4" : "IPv6")) return &r;
  return nullptr;
}

// What an update leaves out and the server had given stays: clients send back objects made from what the user wrote.
static void keep_allocated(json::value& service, const json::value& old) {
  const auto type = type_of(service), before = type_of(old);
  auto& spec = make_object(service, {"spec"});
  if (type != "ExternalName" && before != "ExternalName") {
    if (text(service, {"spec", "clusterIP"}).empty() && list(service, {"spec", "clusterIPs"}).empty()) {
      if (const auto* ip = find(old, {"spec", "clusterIP"})) spec["clusterIP"] = *ip;
      if (const auto* ips = find(old, {"spec", "clusterIPs"})) spec["clusterIPs"] = *ips;
    }
    for (const char* key : {"ipFamilies", "ipFamilyPolicy"})
      if (!spec.contains(key))
        if (const auto* v = find(old, {"spec", key})) spec[key] = *v;
    // One clusterIP with the old list: the user wrote clusterIP only.
    if (list(service, {"spec", "clusterIPs"}).empty() &&
        text(service, {"spec", "clusterIP"}) == text(old, {"spec", "clusterIP"}))
      if (const auto* ips = find(old, {"spec", "clusterIPs"})) spec["clusterIPs"] = *ips;
  }
  auto* ports = spec.if_contains("ports");
  if (ports == nullptr || !ports->is_array()) return;
  if (has_node_ports(service)) {
    std::set<std::int64_t> used;
    for (const auto& p : ports->get_array()) used.insert(number(p, {"nodePort"}));
    for (auto& p : ports->get_array()) {
      if (number(p, {"nodePort"}) != 0) continue;
      for (const auto& o : list(old, {"spec", "ports"}))
        if (number(o, {"port"}) == number(p, {"port"}) && text(o, {"protocol"}) == text(p, {"protocol"}) &&
            number(o, {"nodePort"}) != 0 && used.insert(number(o, {"nodePort"})).second)
          p.get_object()["nodePort"] = number(o, {"nodePort"});
    }
  } else {
    // Node ports that nobody touched go with the type that needed them.
    for (auto& p : ports->get_array())
      for (const auto& o : list(old, {"spec", "ports"}))
        if (has_node_ports(old) && p.is_object() && number(p, {"nodePort"}) != 0 &&
            number(p, {"nodePort"}) == number(o, {"nodePort"}))
          p.get_object().erase("nodePort");
    if (type != "NodePort" && type != "LoadBalancer" && list(service, {"spec", "externalIPs"}).empty() &&
        text(service, {"spec", "externalTrafficPolicy"}) == text(old, {"spec", "externalTrafficPolicy"}))
      spec.erase("externalTrafficPolicy");
    if (type != "LoadBalancer") spec.erase("allocateLoadBalancerNodePorts");
  }
}

void ServiceAllocator::families(json::value& service, const json::value* old, FieldErrors& errors) {
  auto& spec = make_object(service, {"spec"});
  if (type_of(service) == "ExternalName") {
    for (const char* key : {"ipFamilies", "ipFamilyPolicy", "clusterIP", "clusterIPs"})
      if (old != nullptr || text(service, {"spec", key}).empty()) spec.erase(key);
    return;
  }
  auto ips = texts(service, {"spec", "clusterIPs"});
  const auto ip = text(service, {"spec", "clusterIP"});
  if (ips.empty() && !ip.empty()) ips.push_back(ip);
  if (!ips.empty() && ip.empty()) spec["clusterIP"] = ips[0];
  if (!ips.empty() && !ip.empty() && ips[0] != ip) {
    errors.push_back(FieldError::invalid("spec.clusterIPs", to_array(ips), "first value must match `clusterIP`"));
    return;
  }
  if (!ips.empty()) spec["clusterIPs"] = to_array(ips);
  auto wanted = texts(service, {"spec", "ipFamilies"});
  auto policy = text(service, {"spec", "ipFamilyPolicy"});
  const bool dual_cluster = ranges_.size() > 1;
  const bool free_headless = headless(service) && object(service, {"spec", "selector"}).empty();
  if (policy.empty() && wanted.size() + (headless(service) ? 0 : ips.size()) > 1 &&
      (wanted.size() == 2 || (!headless(service) && ips.size() == 2))) {
    errors.push_back(
        FieldError::invalid("spec.ipFamilyPolicy", nullptr,
                            "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"));
    return;
  }
  if (policy.empty()) policy = free_headless ? "RequireDualStack" : "SingleStack";
  if (policy == "SingleStack" && old != nullptr && text(*old, {"spec", "ipFamilyPolicy"}) != "SingleStack") {
    // Going back to one family keeps the first.
    if (wanted.size() == 2 && same(json::value(to_array(wanted)), json::value(list(*old, {"spec", "ipFamilies"}))))
      wanted.resize(1);
    if (ips.size() == 2 && same(json::value(to_array(ips)), json::value(list(*old, {"spec", "clusterIPs"}))))
      ips.resize(1), spec["clusterIPs"] = to_array(ips);
  }
  if (policy == "SingleStack" && wanted.size() > 1)
    errors.push_back(
        FieldError::invalid("spec.ipFamilyPolicy", json::value(policy),
                            "must be 'RequireDualStack' or 'PreferDualStack' when multiple IP families are specified"));
  for (std::size_t i = 0; i < ips.size(); ++i) {
    if (ips[i] == "None") continue;
    const auto a = Address::parse(ips[i]);
    if (!a) {
      errors.push_back(FieldError::invalid(fmt::format("spec.clusterIPs[{}]", i), json::value(ips[i]),
                                           "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"));
      return;
    }
    if (i >= wanted.size())
      wanted.push_back(family_name(*a));
    else if (wanted[i] != family_name(*a))
      errors.push_back(
          FieldError::invalid(fmt::format("spec.clusterIPs[{}]", i), json::value(ips[i]),
                              fmt::format("expected an {} value as indicated by `ipFamilies[{}]`", wanted[i], i)));
  }
  const auto family = [&](std::size_t i) {
    return std::string(ranges_[i].range().family() == Family::v4 ? "IPv4" : "IPv6");
  };
  if (wanted.empty()) wanted.push_back(ranges_.empty() ? "IPv4" : family(0));
  if (wanted.size() == 1 && policy != "SingleStack" && (dual_cluster || free_headless))
    wanted.push_back(wanted[0] == "IPv4" ? "IPv6" : "IPv4");
  if (policy == "RequireDualStack" && !dual_cluster && !free_headless)
    errors.push_back(FieldError::invalid("spec.ipFamilyPolicy", json::value(policy),
                                         "this cluster is not configured for dual-stack services"));
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (wanted[i] != "IPv4" && wanted[i] != "IPv6")
      errors.push_back(
          FieldError::not_supported(fmt::format("spec.ipFamilies[{}]", i), json::value(wanted[i]), {"IPv4", "IPv6"}));
    else if (range_of(wanted[i]) == nullptr && !free_headless)
      errors.push_back(FieldError::invalid(fmt::format("spec.ipFamilies[{}]", i), json::value(wanted[i]),
                                           "not configured on this cluster"));
  }
  if (wanted.size() == 2 && wanted[0] == wanted[1])
    errors.push_back(FieldError::duplicate("spec.ipFamilies[1]", json::value(wanted[1])));
  if (old != nullptr && type_of(*old) != "ExternalName" && !list(*old, {"spec", "ipFamilies"}).empty() &&
      list(*old, {"spec", "ipFamilies"})[0] != json::value(wanted[0]))
    errors.push_back(FieldError::invalid("spec.ipFamilies[0]", json::value(wanted[0]), "may not change once set"));
  spec["ipFamilies"] = to_array(wanted);
  spec["ipFamilyPolicy"] = policy;
}

void ServiceAllocator::addresses(json::value& service, const json::value* old, Taken& taken, FieldErrors& errors) {
  auto& spec = make_object(service, {"spec"});
  if (type_of(service) == "ExternalName") return;
  const auto before = old != nullptr ? texts(*old, {"spec", "clusterIPs"}) : std::vector<std::string>{};
  const bool fixed = old != nullptr && type_of(*old) != "ExternalName" && !before.empty();
  auto ips = texts(service, {"spec", "clusterIPs"});
  if (fixed && (ips.empty() || ips[0] != before[0])) {
    errors.push_back(FieldError::invalid("spec.clusterIPs[0]", to_array(ips), "may not change once set"));
    return;
  }
  if (headless(service)) {
    spec["clusterIPs"] = json::array{"None"};
    return;
  }
  const auto families = texts(service, {"spec", "ipFamilies"});
  for (std::size_t i = 0; i < families.size(); ++i) {
    IpAllocator* range = range_of(families[i]);
    if (range == nullptr) return;  // refused above
    if (i < ips.size()) {
      if (std::find(before.begin(), before.end(), ips[i]) != before.end()) continue;
      const auto a = Address::parse(ips[i]);
      const auto r = a ? range->take(*a) : Result<>(fail(Errc::invalid, "not an address"));
      if (!r) {
        errors.push_back(FieldError::invalid("spec.clusterIPs", to_array(ips),
                                             fmt::format("failed to allocate IP {}: {}", ips[i], r.error().message)));
        return;
      }
      taken.addresses.push_back(*a);
    } else {
      const auto a = range->next(random_);
      if (!a) {
        errors.push_back(FieldError::invalid("spec.clusterIPs", to_array(ips),
                                             "failed to allocate a ClusterIP: " + a.error().message));
        return;
      }
      taken.addresses.push_back(*a);
      ips.push_back(a->to_string());
    }
  }
  spec["clusterIPs"] = to_array(ips);
  spec["clusterIP"] = ips.empty() ? "" : ips[0];
}

void ServiceAllocator::node_ports(json::value& service, const json::value* old, Taken& taken, FieldErrors& errors) {
  const auto t = type_of(service);
  auto* ports = find(service, {"spec", "ports"});
  if (ports == nullptr || !ports->is_array() || (t != "NodePort" && t != "LoadBalancer")) return;
  std::set<std::int64_t> own;  // ports that this service holds already: also for another protocol
  if (old != nullptr)
    for (const auto& p : list(*old, {"spec", "ports"})) own.insert(number(p, {"nodePort"}));
  std::size_t i = 0;
  for (auto& p : ports->get_array()) {
    const auto at = fmt::format("spec.ports[{}].nodePort", i++);
    const auto asked = number(p, {"nodePort"});
    if (asked != 0) {
      if (own.contains(asked)) continue;
      const auto r = asked > 0 && asked < 65536
                         ? ports_.take(static_cast<Port>(asked))
                         : Result<>(fail(Errc::invalid, "provided port is not in the valid range"));
      if (!r) {
        errors.push_back(FieldError::invalid(at, asked, r.error().message));
        continue;
      }
      taken.ports.push_back(static_cast<Port>(asked));
      own.insert(asked);
    }
  }
  for (auto& p : ports->get_array()) {
    if (!p.is_object() || number(p, {"nodePort"}) != 0 || !has_node_ports(service)) continue;
    std::int64_t got = 0;
    for (const auto& other : ports->get_array())  // the same port over another protocol shares its node port
      if (number(other, {"port"}) == number(p, {"port"}) && number(other, {"nodePort"}) != 0)
        got = number(other, {"nodePort"});
    if (got == 0) {
      const auto r = ports_.next(random_);
      if (!r) {
        errors.push_back(FieldError::invalid("spec.ports", 0, "failed to allocate a nodePort: " + r.error().message));
        return;
      }
      got = *r;
      taken.ports.push_back(*r);
    }
    p.get_object()["nodePort"] = got;
  }
}

FieldErrors ServiceAllocator::prepare(json::value& service, const json::value* old, Taken& taken) {
  FieldErrors errors;
  if (old != nullptr) keep_allocated(service, *old);
  default_service(service);
  check_service(service, old, errors);
  if (errors.empty()) families(service, old, errors);
  if (errors.empty()) addresses(service, old, taken, errors);
  if (errors.empty()) node_ports(service, old, taken, errors);
  if (!errors.empty()) {
    release(taken);
    taken = {};
  }
  return errors;
}

void ServiceAllocator::release(const Taken& taken) {
  for (const auto& a : taken.addresses)
    for (auto& r : ranges_)
      if (r.range().contains(a)) r.release(a);
  for (const auto p : taken.ports) ports_.release(p);
}

void ServiceAllocator::observe(const json::value* before, const json::value* now) {
  const auto holdings = [](const json::value* s, std::set<Address>& ips, std::set<Port>& ports) {
    if (s == nullptr) return;
    for (const auto& ip : texts(*s, {"spec", "clusterIPs"}))
      if (const auto a = Address::parse(ip)) ips.insert(*a);
    for (const auto& p : list(*s, {"spec", "ports"}))
      if (const auto n = number(p, {"nodePort"}); n > 0 && n < 65536) ports.insert(static_cast<Port>(n));
  };
  std::set<Address> ips_before, ips_now;
  std::set<Port> ports_before, ports_now;
  holdings(before, ips_before, ports_before);
  holdings(now, ips_now, ports_now);
  Taken gone;
  for (const auto& a : ips_before)
    if (!ips_now.contains(a)) gone.addresses.push_back(a);
  for (const auto p : ports_before)
    if (!ports_now.contains(p)) gone.ports.push_back(p);
  release(gone);
  for (const auto& a : ips_now)
    for (auto& r : ranges_)
      if (r.range().contains(a)) (void)r.take(a);
  for (const auto p : ports_now) (void)ports_.take(p);
}

}  // namespace weft::lab::api
