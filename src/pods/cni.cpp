#include "pods/cni.h"

#include <algorithm>

#include "pods/cni_versions.h"

namespace weft::pods {

namespace {

std::string text(const json::object& o, std::string_view key) {
  const auto* v = o.if_contains(key);
  return v != nullptr && v->is_string() ? std::string(v->get_string()) : std::string();
}

std::unexpected<CniError> refuse(CniCode code, std::string message, std::string details = {}) {
  return std::unexpected(CniError{code, std::move(message), std::move(details)});
}

// Container ids and interface names end up in file names; CNI asks for exactly this alphabet.
bool valid_container_id(const std::string& id) {
  if (id.empty() || id.size() > 253 || !std::isalnum(static_cast<unsigned char>(id.front()))) return false;
  return std::all_of(id.begin(), id.end(),
                     [](unsigned char c) { return std::isalnum(c) || c == '_' || c == '.' || c == '-'; });
}

bool valid_ifname(const std::string& name) {
  if (name.empty() || name.size() > 15 || name == "." || name == "..") return false;
  return std::none_of(name.begin(), name.end(),
                      [](unsigned char c) { return c == '/' || c == ':' || std::isspace(c); });
}

std::expected<std::vector<Address>, CniError> previous_ips(const json::object& previous) {
  std::vector<Address> out;
  const auto* ips = previous.if_contains("ips");
  if (ips == nullptr || !ips->is_array()) return out;
  for (const auto& ip : ips->get_array()) {
    const std::string cidr = ip.is_object() ? text(ip.get_object(), "address") : std::string();
    auto a = Address::parse(cidr.substr(0, cidr.find('/')));
    if (!a)
      return refuse(CniCode::decode_failure, "prevResult.ips: \"" + cidr + "\" is not an address with a prefix length");
    out.push_back(*a);
  }
  return out;
}

}  // namespace

std::expected<CniRequest, CniError> parse_cni_request(const json::value& body) {
  static const std::map<std::string, CniCommand> commands{
      {"ADD", CniCommand::add}, {"DEL", CniCommand::del},       {"CHECK", CniCommand::check},
      {"GC", CniCommand::gc},   {"STATUS", CniCommand::status}, {"VERSION", CniCommand::version}};
  if (!body.is_object()) return refuse(CniCode::decode_failure, "request: must be a JSON object");
  const auto& o = body.get_object();

  CniRequest r;
  const auto command = commands.find(text(o, "command"));
  if (command == commands.end())
    return refuse(CniCode::invalid_environment,
                  "CNI_COMMAND \"" + text(o, "command") + "\": must be ADD, DEL, CHECK, GC, STATUS or VERSION");
  r.command = command->second;
  r.container_id = text(o, "containerId");
  r.netns = text(o, "netns");
  r.ifname = text(o, "ifname");
  if (const auto* args = o.if_contains("args"); args != nullptr && args->is_object()) {
    r.pod_namespace = text(args->get_object(), "K8S_POD_NAMESPACE");
    r.pod_name = text(args->get_object(), "K8S_POD_NAME");
    r.pod_uid = text(args->get_object(), "K8S_POD_UID");
  }

  const auto* config = o.if_contains("config");
  if (config == nullptr || !config->is_object())
    return refuse(CniCode::decode_failure, "network configuration (stdin): must be a JSON object");
  const auto& c = config->get_object();
  const std::string version = text(c, "cniVersion");
  if (std::find(kCniVersions.begin(), kCniVersions.end(), version) == kCniVersions.end())
    return refuse(
        CniCode::incompatible_version,
        "cniVersion \"" + version +
            "\": weft-cni speaks 0.3.1, 0.4.0, 1.0.0 and 1.1.0; set one of them in the network configuration");
  r.cni_version = version;
  if (const auto* previous = c.if_contains("prevResult"); previous != nullptr && previous->is_object()) {
    auto ips = previous_ips(previous->get_object());
    if (!ips) return std::unexpected(std::move(ips).error());
    r.previous_ips = std::move(*ips);
  }
  if (const auto* valid = c.if_contains("cni.dev/valid-attachments"); valid != nullptr && valid->is_array())
    for (const auto& v : valid->get_array())
      if (v.is_object())
        r.valid_attachments.emplace_back(text(v.get_object(), "containerID"), text(v.get_object(), "ifname"));
  if (r.command == CniCommand::gc && !c.contains("cni.dev/valid-attachments"))
    return refuse(CniCode::invalid_config, "cni.dev/valid-attachments: missing; GC without it would remove every pod");

  const bool about_a_pod =
      r.command == CniCommand::add || r.command == CniCommand::del || r.command == CniCommand::check;
  if (!about_a_pod) return r;
  if (!valid_container_id(r.container_id))
    return refuse(CniCode::invalid_environment,
                  "CNI_CONTAINERID \"" + r.container_id +
                      "\": must begin with a letter or digit and hold only letters, digits, '_', '.', '-'");
  if (!valid_ifname(r.ifname))
    return refuse(
        CniCode::invalid_environment,
        "CNI_IFNAME \"" + r.ifname + "\": must be an interface name of 1 to 15 characters without '/', ':' or spaces");
  if (r.netns.empty() && r.command != CniCommand::del)
    return refuse(CniCode::invalid_environment, "CNI_NETNS: missing; must be the path of the pod's network namespace");
  return r;
}

json::object to_json(const CniResult& r, const std::string& version) {
  json::array interfaces;
  for (const auto& i : r.interfaces) {
    json::object o{{"name", i.name}, {"mac", i.mac.to_string()}};
    if (!i.sandbox.empty()) o["sandbox"] = i.sandbox;
    if (version == "1.1.0" && i.mtu > 0) o["mtu"] = i.mtu;
    interfaces.push_back(std::move(o));
  }
  json::array ips;
  json::array routes;
  for (const auto& ip : r.ips) {
    json::object o;
    if (version.starts_with("0.")) o["version"] = ip.address.is_v4() ? "4" : "6";
    o["interface"] = r.pod_interface;
    o["address"] = Prefix::host(ip.address).to_string();
    o["gateway"] = ip.gateway.to_string();
    ips.push_back(std::move(o));
    routes.push_back(json::object{{"dst", ip.address.is_v4() ? "0.0.0.0/0" : "::/0"}, {"gw", ip.gateway.to_string()}});
  }
  return {{"cniVersion", version},
          {"interfaces", std::move(interfaces)},
          {"ips", std::move(ips)},
          {"routes", std::move(routes)},
          {"dns", json::object{}}};
}

json::object to_json(const CniError& e, const std::string& version) {
  json::object o{{"cniVersion", version}, {"code", static_cast<unsigned>(e.code)}, {"msg", e.message}};
  if (!e.details.empty()) o["details"] = e.details;
  return o;
}

bool is_cni_error(const json::value& answer) { return answer.is_object() && answer.get_object().contains("code"); }

}  // namespace weft::pods
