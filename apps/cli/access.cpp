#include "apps/cli/access.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <charconv>

#include "apps/cli/objects.h"
#include "base/encoding.h"

namespace weft::cli {

namespace {

std::uint32_t to_number(const std::string& s) {
  std::uint32_t n = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), n);
  return ec == std::errc{} && end == s.data() + s.size() ? n : 0;
}

/// InternalIPs of the nodes, those with a mesh pod first, only of families the cluster uses.
std::vector<std::string> node_ips(const ClusterObjects& o, bool v4, bool v6) {
  std::set<std::string> hosts;
  for (const auto& pod : o.mesh_pods) hosts.insert(text(pod, {"spec", "nodeName"}));
  std::vector<std::string> first, others;
  for (const auto& node : o.nodes) {
    auto& to = hosts.contains(name_of(node)) ? first : others;
    for (const auto& a : list(node, {"status", "addresses"})) {
      const auto* address = a.if_object();
      if (!address || text(*address, {"type"}) != "InternalIP") continue;
      const auto ip = Address::parse(text(*address, {"address"}));
      if (ip && (ip->is_v4() ? v4 : v6)) to.push_back(ip->to_string());
    }
  }
  first.insert(first.end(), others.begin(), others.end());
  return first;
}

std::vector<NodeCidr> pod_cidrs(const ClusterObjects& o) {
  std::vector<NodeCidr> out;
  const auto add = [&](const json::object& node, const json::array& cidrs) {
    for (const auto& c : cidrs) {
      if (!c.is_string()) continue;
      if (const auto p = Prefix::parse(std::string_view(c.as_string()))) out.push_back({name_of(node), *p});
    }
  };
  for (const auto& n : o.cilium_nodes) add(n, list(n, {"spec", "ipam", "podCIDRs"}));
  if (!out.empty()) return out;
  for (const auto& n : o.nodes) add(n, list(n, {"spec", "podCIDRs"}));
  return out;
}

bool has_load_balancer(const json::object& service) {
  return text(service, {"spec", "type"}) == "LoadBalancer" &&
         !list(service, {"status", "loadBalancer", "ingress"}).empty();
}

}  // namespace

std::vector<std::string> AccessInfo::endpoints() const {
  std::vector<std::string> out;
  for (const auto& ip : ips)
    out.push_back(ip.find(':') != std::string::npos ? fmt::format("[{}]:{}", ip, port)
                                                    : fmt::format("{}:{}", ip, port));
  if (!address.empty()) out.push_back(fmt::format("{}:{}", address, port));
  return out;
}

std::string ca_secret_of(const std::optional<json::object>& config) {
  const auto noted = config ? text(*config, {"metadata", "annotations", "weft.io/ca-secret"}) : std::string();
  return noted.empty() ? "cilium-ca" : noted;
}

Result<AccessInfo> access_info(const ClusterObjects& o) {
  AccessInfo a;
  a.context = o.context;
  if (!o.config)
    return fail(
        Errc::not_found,
        fmt::format(
            "{}: Weft is not installed in namespace {} (no ConfigMap weft-config); run weft install --context {}",
            o.context, o.ns, o.context));
  const auto option = [&](const char* key) { return text(*o.config, {"data", key}); };
  a.cluster = option("cluster-name");
  a.id = to_number(option("cluster-id"));
  a.routing = option("routing-mode");
  a.underlay = option("underlay-protocol");
  a.tunnel_port = static_cast<Port>(to_number(option("tunnel-port")));
  if (const auto max = to_number(option("max-connected-clusters"))) a.max_connected_clusters = max;
  a.pod_cidrs = pod_cidrs(o);
  if (!o.service)
    return fail(Errc::not_found, fmt::format("{}: the cluster mesh is not enabled (no Service clustermesh-apiserver); "
                                             "run weft clustermesh enable --context {}",
                                             o.context, o.context));
  a.service_type = text(*o.service, {"spec", "type"});
  const auto& ports = list(*o.service, {"spec", "ports"});
  const json::object* port = ports.empty() ? nullptr : ports[0].if_object();
  if (!port) return fail(Errc::invalid, fmt::format("{}: Service clustermesh-apiserver has no port", o.context));
  if (a.service_type == "LoadBalancer") {
    a.port = static_cast<Port>(number(*port, {"port"}));
    for (const auto& i : list(*o.service, {"status", "loadBalancer", "ingress"})) {
      const auto* ingress = i.if_object();
      if (!ingress) continue;
      if (auto ip = text(*ingress, {"ip"}); !ip.empty()) a.ips.push_back(std::move(ip));
      if (a.address.empty()) a.address = text(*ingress, {"hostname"});
    }
    if (!a.ips.empty()) a.address.clear();
    if (a.ips.empty() && a.address.empty())
      return fail(
          Errc::unavailable,
          fmt::format("{}: Service clustermesh-apiserver of type LoadBalancer has no address yet; wait for one, or run "
                      "weft clustermesh enable --context {} --service-type NodePort",
                      o.context, o.context));
  } else if (a.service_type == "NodePort") {
    a.port = static_cast<Port>(number(*port, {"nodePort"}));
    a.ips = node_ips(o, option("enable-ipv4") != "false", option("enable-ipv6") != "false");
    if (a.ips.empty()) return fail(Errc::unavailable, fmt::format("{}: no node has an InternalIP", o.context));
  } else {
    return fail(Errc::invalid,
                fmt::format("{}: Service clustermesh-apiserver is of type {}, which other clusters cannot reach; run "
                            "weft clustermesh enable --context {} --service-type NodePort",
                            o.context, a.service_type, o.context));
  }
  if (a.port == 0)
    return fail(Errc::unavailable, fmt::format("{}: Service clustermesh-apiserver has no port number yet", o.context));
  if (!o.ca)
    return fail(Errc::not_found, fmt::format("{}: no Secret {} in namespace {}; run weft upgrade --context {}",
                                             o.context, o.ca_secret, o.ns, o.context));
  auto ca = base64_decode(text(*o.ca, {"data", "ca.crt"}));
  if (!ca)
    return fail(Errc::invalid, fmt::format("{}: Secret {}: ca.crt: {}", o.context, o.ca_secret, ca.error().message));
  a.ca = std::move(*ca);
  auto id = certificate_key_id(a.ca);
  if (!id) return fail(id.error().in(fmt::format("{}: Secret {}: ca.crt", o.context, o.ca_secret)));
  a.ca_key_id = std::move(*id);
  return a;
}

Result<> override_endpoints(AccessInfo& a, const std::vector<std::string>& endpoints, const std::string& flag) {
  if (endpoints.empty()) return {};
  std::vector<std::string> ips;
  std::optional<Port> port;
  for (const auto& e : endpoints) {
    const auto s = SocketAddress::parse(e);
    if (!s || s->port == 0)
      return fail(Errc::invalid,
                  fmt::format("{} {}: use address:port, such as 192.0.2.11:32379 or [2001:db8::11]:32379", flag, e));
    if (port && *port != s->port)
      return fail(Errc::invalid, fmt::format("{} {}: port {} differs from {}; all of one cluster have the same", flag,
                                             e, s->port, *port));
    port = s->port;
    ips.push_back(s->address.to_string());
  }
  a.ips = std::move(ips);
  a.address.clear();
  a.port = *port;
  return {};
}

Result<std::string> certificate_key_id(const std::string& pem) {
  std::unique_ptr<BIO, decltype(&::BIO_free)> bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())),
                                                  &::BIO_free);
  std::unique_ptr<X509, decltype(&::X509_free)> cert(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                                     &::X509_free);
  if (!cert) return fail(Errc::invalid, "not a PEM certificate");
  if (const auto* id = ::X509_get0_subject_key_id(cert.get()))
    return hex_encode({reinterpret_cast<const char*>(::ASN1_STRING_get0_data(id)),
                       static_cast<std::size_t>(::ASN1_STRING_length(id))});
  unsigned char hash[EVP_MAX_MD_SIZE];
  unsigned length = 0;
  if (::X509_pubkey_digest(cert.get(), ::EVP_sha1(), hash, &length) != 1)
    return fail(Errc::invalid, "its public key cannot be read");
  return hex_encode({reinterpret_cast<const char*>(hash), length});
}

std::optional<std::string> load_balancers_at_hand(const std::vector<json::object>& nodes,
                                                  const std::vector<json::object>& services) {
  for (const auto& n : nodes) {
    const auto provider = text(n, {"spec", "providerID"});
    for (const auto& [prefix, cloud] :
         {std::pair{"aws://", "AWS"}, std::pair{"gce://", "Google Cloud"}, std::pair{"azure://", "Azure"}})
      if (provider.starts_with(prefix)) return fmt::format("nodes are {}'s", cloud);
  }
  for (const auto& s : services) {
    if (name_of(s) == "clustermesh-apiserver") continue;
    if (has_load_balancer(s))
      return fmt::format("Service {}/{} has got one", text(s, {"metadata", "namespace"}), name_of(s));
  }
  return std::nullopt;
}

bool load_balancer_would_wait(const std::vector<json::object>& nodes, const std::vector<json::object>& services) {
  const bool has_one = std::any_of(services.begin(), services.end(), [](const json::object& s) {
    return name_of(s) == "clustermesh-apiserver" && has_load_balancer(s);
  });
  return !has_one && !load_balancers_at_hand(nodes, services);
}

}  // namespace weft::cli
