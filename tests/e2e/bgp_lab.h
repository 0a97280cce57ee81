// Both clusters of lab/topologies/bgp.yaml with BGP turned on, and what its routers (FRR) say.
#pragma once

#include <fmt/format.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "tests/e2e/harness/mesh.h"

namespace weft::e2e {

inline const std::string kTors[] = {"tor1", "tor2"};

inline std::string manifest(const std::string& file) {
  std::ifstream in(source_path("tests/e2e/manifests/" + file));
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

// The other cluster's nodes meet the router behind the top-of-rack ones.
inline constexpr auto kOtherCluster = R"(
apiVersion: cilium.io/v2alpha1
kind: CiliumBGPPeeringPolicy
metadata: {name: all-nodes}
spec:
  virtualRouters:
  - localASN: 65020
    exportPodCIDR: true
    neighbors:
    - {peerAddress: "172.18.2.1/32", peerASN: 65100, holdTimeSeconds: 90, keepAliveTimeSeconds: 30}
)";

inline constexpr auto kPods = R"(
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: default, labels: {app: web}}
spec:
  containers:
  - name: web
    image: weft-lab-echo
    command: [weft-lab-echo, --port, "8080"]
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec:
  containers:
  - {name: client, image: weft-lab-echo, command: [weft-lab-echo, --port, "8080"]}
)";

inline std::string service(const std::string& name, const std::string& labels) {
  return fmt::format(R"(
apiVersion: v1
kind: Service
metadata: {{name: {}, namespace: default, labels: {{{}}}}}
spec:
  type: LoadBalancer
  allocateLoadBalancerNodePorts: false
  selector: {{app: web}}
  ports: [{{port: 80, targetPort: 8080}}]
)",
                     name, labels);
}

class BgpLab : public ::testing::Test {
 protected:
  /// Installed once a program, whichever suite comes first; cluster1 has no policy yet.
  static void prepare() {
    static bool done = false;
    if (done) return;
    done = true;
    int id = 0;
    for (const auto& c : kBothClusters) {
      ++id;
      Argv install{"install",
                   "--context",
                   c,
                   "--set",
                   "cluster.name=" + c,
                   "--set",
                   fmt::format("cluster.id={}", id),
                   "--set",
                   "bgpControlPlane.enabled=true",
                   "--wait",
                   "--wait-duration",
                   "3m"};
      if (id == 2) install.insert(install.end(), {"--inherit-ca", "cluster1"});
      const auto r = lab().weft(install, std::chrono::seconds(200));
      ASSERT_TRUE(r.ok()) << r.describe();
      ASSERT_TRUE(lab().apply(c, kPods));
      // What a kubelet sets by itself on a real node.
      const auto l = lab().kubectl(c, {"label", "nodes", "--all", "--overwrite", "kubernetes.io/os=linux"});
      ASSERT_TRUE(l.ok()) << l.describe();
    }
    ASSERT_TRUE(lab().apply("cluster2", kOtherCluster));
    for (const auto& c : kBothClusters) {
      const auto ready = lab().kubectl(c, {"wait", "--for=condition=Ready", "pod", "--all", "--timeout=60s"}, {},
                                       std::chrono::seconds(70));
      ASSERT_TRUE(ready.ok()) << ready.describe();
    }
  }
  static Lab& lab() { return Lab::get(); }

  static json::value vtysh(const std::string& router, const std::string& command) {
    boost::system::error_code ec;
    const auto out = lab().exec(router, {"vtysh", "-c", command + " json"});
    auto v = json::parse(out.out, ec);
    return ec ? json::value() : v;
  }
  static std::string no_answer(const std::string& router) { return "no answer of " + router; }
  /// Next hops of the ways that the router uses to `prefix`, by bgpd.
  static std::set<std::string> ways(const std::string& router, const std::string& prefix) {
    std::set<std::string> out;
    const bool v6 = prefix.find(':') != std::string::npos;
    const auto v = vtysh(router, fmt::format("show bgp {} unicast {}", v6 ? "ipv6" : "ipv4", prefix));
    const auto* o = v.if_object();
    if (!o) return {no_answer(router)};  // which is not "no way"
    const auto* paths = o->if_contains("paths");
    if (!paths || !paths->is_array()) return out;
    for (const auto& p : paths->get_array()) {
      const auto* path = p.if_object();
      const auto* hops = path ? path->if_contains("nexthops") : nullptr;
      const bool used = path && (path->contains("bestpath") || path->contains("multipath"));
      if (!used || !hops || !hops->is_array()) continue;
      for (const auto& h : hops->get_array())
        if (const auto* ip = h.is_object() ? h.get_object().if_contains("ip") : nullptr; ip && ip->is_string())
          out.insert(std::string(ip->get_string()));
    }
    return out;
  }
  static std::string shown(const std::string& router) {
    return lab().exec(router, {"vtysh", "-c", "show ip bgp"}).describe() +
           lab().exec(router, {"vtysh", "-c", "show bgp summary"}).describe() +
           lab()
               .weft({"lab", "exec", "--name", lab().name(), "cluster1/cluster1-node1", "--", "weft", "bgp", "peers"})
               .describe();
  }
  static ::testing::AssertionResult has_ways(const std::string& prefix, std::size_t count) {
    for (const auto& tor : kTors) {
      auto r = eventually(std::chrono::seconds(60), fmt::format("{} has {} ways to {}", tor, count, prefix), [&] {
        const auto w = ways(tor, prefix);
        const bool right = w.size() == count && !w.contains(no_answer(tor));
        return Seen{right, right ? "" : fmt::format("{} ways\n", w.size()) + shown(tor)};
      });
      if (!r) return r;
    }
    return ::testing::AssertionSuccess();
  }
  static void set_address(const std::string& service, const std::string& ip) {
    const auto r = lab().kubectl("cluster1",
                                 {"patch", "service", service, "--subresource=status", "--type=merge", "-p",
                                  fmt::format(R"({{"status":{{"loadBalancer":{{"ingress":[{{"ip":"{}"}}]}}}}}})", ip)});
    ASSERT_TRUE(r.ok()) << r.describe();
  }
  static std::vector<std::string> pod_cidrs(const std::string& cluster) {
    std::vector<std::string> out;
    std::istringstream in(lab().kubectl(cluster, {"get", "nodes", "-o", "jsonpath={.items[*].spec.podCIDRs[*]}"}).out);
    for (std::string s; in >> s;) out.push_back(s);
    return out;
  }
};

}  // namespace weft::e2e
