#include "lab/up/programs.h"

#include <fmt/format.h>

#include "lab/up/frr.h"

namespace weft::lab {
namespace {

std::string joined(const std::vector<Prefix>& prefixes) {
  std::vector<std::string> out;
  for (const Prefix& p : prefixes) out.push_back(p.to_string());
  return fmt::format("{}", fmt::join(out, ","));
}

std::string joined(const std::vector<Address>& addresses) {
  std::vector<std::string> out;
  for (const Address& a : addresses) out.push_back(a.to_string());
  return fmt::format("{}", fmt::join(out, ","));
}

std::vector<Address> own_addresses(const Sandbox& s) {
  std::vector<Address> out;
  for (const HostAddress& a : s.ports.front().addresses) out.push_back(a.address);
  return out;
}

ProgramSpec etcd(const Sandbox& cp, const ProgramOptions& o) {
  return {cp.name + "/etcd",
          cp.name,
          {o.etcd, "--name=" + cp.cluster, "--data-dir=/var/lib/etcd", "--listen-client-urls=http://127.0.0.1:2379",
           "--advertise-client-urls=http://127.0.0.1:2379", "--listen-peer-urls=http://127.0.0.1:2380",
           "--initial-advertise-peer-urls=http://127.0.0.1:2380",
           "--initial-cluster=" + cp.cluster + "=http://127.0.0.1:2380", "--logger=zap", "--log-level=warn"}};
}

ProgramSpec api_server(const ClusterSpec& c, const Sandbox& cp, const ProgramOptions& o) {
  const std::string dir = kConfigDir, any = c.has(Family::v6) ? "::" : "0.0.0.0";
  const bool real = !o.kube_apiserver.empty();
  std::vector<std::string> argv = {real ? o.kube_apiserver : o.bin + "/weft-lab-apiserver",
                                   "--advertise-address=" + cp.ports.front().addresses.front().address.to_string(),
                                   "--etcd-servers=http://127.0.0.1:2379",
                                   "--service-cluster-ip-range=" + joined(c.service_cidrs),
                                   "--client-ca-file=" + dir + "/ca.crt",
                                   "--tls-cert-file=" + dir + "/apiserver.crt",
                                   "--tls-private-key-file=" + dir + "/apiserver.key",
                                   "--service-account-issuer=https://kubernetes.default.svc.cluster.local"};
  const auto add = [&](std::initializer_list<std::string> more) { argv.insert(argv.end(), more); };
  if (real) {
    add({"--bind-address=" + any, fmt::format("--secure-port={}", kApiPort),
         "--service-account-key-file=" + dir + "/sa.crt", "--service-account-signing-key-file=" + dir + "/sa.key",
         "--authorization-mode=Node,RBAC", "--allow-privileged=true"});
    // What later versions have switched on for good: both families, endpoint conditions, projected tokens.
    if (o.kube_minor < 21)
      add(
          {"--feature-gates=IPv6DualStack=true,EndpointSliceNodeName=true,EndpointSliceTerminatingCondition=true,"
           "BoundServiceAccountTokenVolume=true"});
  } else {
    add({fmt::format("--listen={}:{}", any == "::" ? "[::]" : any, kApiPort),
         "--service-account-key-file=" + dir + "/sa.key"});
  }
  return {cp.name + "/apiserver", cp.name, std::move(argv)};
}

ProgramSpec controllers(const ClusterSpec& c, const Sandbox& cp, const ProgramOptions& o) {
  std::vector<std::string> argv = {o.bin + "/weft-lab-controllers",
                                   std::string("--kubeconfig=") + kConfigDir + "/controllers.conf",
                                   "--cluster-cidr=" + joined(c.pod_cidrs)};
  if (c.has(Family::v4)) argv.push_back(fmt::format("--node-cidr-mask-size-ipv4={}", c.node_mask_v4));
  if (c.has(Family::v6)) argv.push_back(fmt::format("--node-cidr-mask-size-ipv6={}", c.node_mask_v6));
  argv.push_back(std::string("--root-ca-file=") + kConfigDir + "/ca.crt");
  return {cp.name + "/controllers", cp.name, std::move(argv)};
}

ProgramSpec kubelet(const ClusterSpec& c, const NodeSpec& node, const Sandbox& s, const ProgramOptions& o) {
  std::vector<std::string> argv = {o.bin + "/weft-lab-node",
                                   "--kubeconfig=" + std::string(kConfigDir) + "/kubelet.conf",
                                   "--node-name=" + node.name,
                                   "--node-ip=" + joined(own_addresses(s)),
                                   "--pod-cidr=" + joined(s.pod_cidrs),
                                   "--cluster-dns=" + joined(dns_addresses(c)),
                                   "--kubernetes-service=" + c.service_cidrs.front().address().plus(1).to_string(),
                                   "--state-dir=" + std::string(kStateDir),
                                   "--machine-root=" + std::string(kMachineRoot),
                                   "--images=" + std::string(kConfigDir) + "/images.json"};
  std::map<std::string, std::string> labels = node.labels;
  if (!node.zone.empty()) labels["topology.kubernetes.io/zone"] = node.zone;
  for (const auto& [key, value] : labels) argv.push_back("--node-label=" + key + "=" + value);
  for (const auto& path : o.shared) argv.push_back("--shared=" + path);
  return {node.name + "/kubelet", node.name, std::move(argv)};
}

}  // namespace

std::vector<ProgramSpec> programs(const Topology& topology, const Plan& plan, const ProgramOptions& options) {
  std::vector<ProgramSpec> out;
  for (const Sandbox& s : plan.sandboxes)
    for (ProgramSpec& p : frr_programs(s)) out.push_back(std::move(p));
  if (options.network_only) return out;
  for (const ClusterSpec& c : topology.clusters) {
    const Sandbox& cp = *plan.sandbox(c.name + "-cp");
    out.push_back(etcd(cp, options));
    out.push_back(api_server(c, cp, options));
    out.push_back(controllers(c, cp, options));
    for (const NodeSpec& n : c.nodes) out.push_back(kubelet(c, n, *plan.sandbox(n.name), options));
  }
  return out;
}

}  // namespace weft::lab
