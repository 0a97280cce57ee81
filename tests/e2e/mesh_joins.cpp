#include "tests/e2e/mesh_joins.h"

#include <sstream>

#include "base/encoding.h"
#include "tests/e2e/harness/mesh.h"

namespace weft::e2e {

using namespace std::chrono_literals;

namespace {

const std::string kClusters[] = {"cluster1", "cluster2", "stranger"};

// CLUSTER stands for the cluster's name.
const std::string kService = R"(
apiVersion: v1
kind: Namespace
metadata: {name: joins}
---
apiVersion: v1
kind: Service
metadata:
  name: echo
  namespace: joins
  annotations: {service.cilium.io/global: "true"}
spec:
  ipFamilyPolicy: PreferDualStack
  selector: {app: echo}
  ports: [{port: 80, targetPort: 8080}]
---
apiVersion: v1
kind: Pod
metadata: {name: echo, namespace: joins, labels: {app: echo}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - name: echo
    image: weft/lab-traffic
    command: [weft-lab-echo, --port, "8080", --cluster, CLUSTER]
    readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
---
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: joins}
spec:
  terminationGracePeriodSeconds: 1
  containers:
  - {name: shell, image: weft/lab-traffic, command: [sleep, infinity]}
)";

std::string service_of(const std::string& cluster) {
  std::string text = kService;
  const std::string mark = "CLUSTER";
  return text.replace(text.find(mark), mark.size(), cluster);
}

std::string joined_by(const std::set<std::string>& words, const char* by) {
  std::string out;
  for (const auto& w : words) out += (out.empty() ? "" : by) + w;
  return out;
}

}  // namespace

std::string session_of(const json::value& status, const std::string& remote) {
  if (!status.is_object()) return "no status";
  for (const auto& r : status.at("remotes").as_array()) {
    if (r.at("name") != json::value(remote)) continue;
    std::string out;
    for (const auto& a : r.at("agents").as_array()) {
      out += json::serialize(a.at("node")) + (a.at("ready").as_bool() ? " ready" : " not ready");
      if (!a.at("status").is_object()) continue;
      for (const char* field : {"failures", "reconnections"})
        out += std::string(" ") + field + " " + json::serialize(a.at("status").at(field));
    }
    return out;
  }
  return remote + " is not there";
}

void MeshJoins::SetUpTestSuite() {
  static bool done = false;
  if (done) return;
  done = true;
  const Lab& lab = Strangers::get().lab();
  const auto config = lab.get_json("stranger", {"-n", "kube-system", "configmap", "weft-config"});
  ASSERT_TRUE(config.is_object());
  if (config.at("data").at("cluster-id") != "4") {
    const auto r = lab.weft({"upgrade", "--context", "stranger", "--set",
                             "cluster.id=4,clustermesh.maxConnectedClusters=255", "--wait", "--wait-duration", "60s"},
                            80s);
    ASSERT_TRUE(r.ok()) << r.describe();
  }
  for (const auto& c : kClusters) ASSERT_TRUE(lab.apply(c, service_of(c)));
  for (const auto& c : kClusters) {
    const auto r = lab.kubectl(
        c, {"-n", "joins", "wait", "--for=condition=Ready", "pod/echo", "pod/client", "--timeout=60s"}, {}, 70s);
    ASSERT_TRUE(r.ok()) << r.describe();
  }
}

Output MeshJoins::mesh(const std::string& context, Argv args, std::chrono::seconds limit) const {
  args.insert(args.begin(), "clustermesh");
  args.insert(args.end(), {"--context", context});
  return lab.weft(args, limit);
}

Output MeshJoins::connect(const std::string& to, Argv more) const {
  more.insert(more.begin(), {"connect", "--destination-context", to, "--wait", "--wait-duration", "80s"});
  return mesh("cluster1", more);
}

Output MeshJoins::disconnect(const std::string& from, Argv more) const {
  more.insert(more.begin(), {"disconnect", "--destination-context", from, "--wait", "--wait-duration", "80s"});
  return mesh("cluster1", more);
}

::testing::AssertionResult MeshJoins::joined(const std::string& other) const {
  const auto here = mesh("cluster1", {"status"}), there = mesh(other, {"status"});
  if (here.out.find(" - " + other + ": ready") != std::string::npos &&
      there.out.find(" - cluster1: ready") != std::string::npos)
    return ::testing::AssertionSuccess();
  const auto r = connect(other, {"--allow-mismatching-ca"});
  if (r.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << r.describe();
}

::testing::AssertionResult MeshJoins::is_well(const std::string& context, const std::set<std::string>& others) const {
  return eventually(
      60s, context + " is connected to " + (others.empty() ? "nobody" : joined_by(others, " and ")),
      [&] {
        const auto s = mesh(context, {"status"});
        const std::string head =
            "✅ Cluster Mesh: OK\n" + (others.empty()
                                           ? "ℹ️  Remote clusters: none connected\n"
                                           : "✅ Remote clusters: " + std::to_string(others.size()) + " connected\n");
        bool holds = s.ok() && s.out.starts_with(head);
        for (const auto& o : others) holds = holds && s.out.find(" - " + o + ": ready, 1 node\n") != std::string::npos;
        return Seen{holds, s.describe()};
      },
      300ms);
}

::testing::AssertionResult MeshJoins::says(const std::string& context, const std::vector<std::string>& words) const {
  return eventually(
      60s, context + " says why it is not well",
      [&] {
        const auto s = mesh(context, {"status"});
        bool holds = !s.ok();
        for (const auto& w : words) holds = holds && s.out.find(w) != std::string::npos;
        return Seen{holds, s.describe()};
      },
      300ms);
}

::testing::AssertionResult MeshJoins::answered_by(const std::string& from,
                                                  const std::set<std::string>& clusters) const {
  const auto ip = lab.kubectl(from, {"-n", "joins", "get", "service", "echo", "-o", "jsonpath={.spec.clusterIP}"}).out;
  const auto argv =
      lab.exec_argv(from + "/client", {"weft-lab-load", "-o", "json", "--count", "60", "http://" + ip + "/"}, "joins");
  return eventually(20s, "the client of " + from + " is answered by " + joined_by(clusters, " and "), [&] {
    const Load l = parse_load(run(argv, {.limit = 30s, .env = lab.env()}));
    std::set<std::string> answered;
    for (const auto& [cluster, n] : l.clusters)
      if (n > 0) answered.insert(cluster);
    return Seen{l.ok == 60 && answered == clusters, l.raw};
  });
}

std::vector<std::string> MeshJoins::traces(const std::string& cluster, const std::string& other) const {
  std::vector<std::string> marks{other};
  std::istringstream ips(
      lab.kubectl(other, {"-n", "joins", "get", "pod", "echo", "-o", "jsonpath={.status.podIPs[*].ip}"}).out);
  for (std::string ip; ips >> ip;) marks.push_back(ip);
  std::istringstream cidrs(lab.kubectl(other, {"get", "nodes", "-o", "jsonpath={.items[0].spec.podCIDRs[*]}"}).out);
  for (std::string cidr; cidrs >> cidr;) marks.push_back(cidr);
  EXPECT_EQ(marks.size(), 5u) << "a pod and a node of " << other << " have addresses of both families";
  const std::vector<std::pair<std::string, Argv>> places{
      {"backends", {"weft", "bpf", "lb", "list"}},
      {"identities", {"weft", "identity", "list"}},
      {"nodes", {"weft", "node", "list"}},
      {"routes", {"sh", "-c", "ip route show table all; ip -6 route show table all"}},
      {"services", {"weft", "service", "list", "--clustermesh"}}};
  std::vector<std::string> out;
  for (const auto& [place, command] : places) {
    const auto r = on_node(cluster, command);
    if (!r.ok()) return {r.describe()};  // an agent that starts, say
    for (const auto& m : marks) {
      if (r.out.find(m) == std::string::npos) continue;
      out.push_back(place);
      break;
    }
  }
  return out;
}

std::string MeshJoins::session(const std::string& cluster, const std::string& remote) const {
  const auto s = mesh(cluster, {"status", "-o", "json"});
  boost::system::error_code ec;
  const auto v = json::parse(s.out, ec);
  return ec ? s.describe() : session_of(v, remote);
}

std::string MeshJoins::remote_file(const std::string& remote) const {
  const auto secret = lab.get_json("cluster1", {"-n", "kube-system", "secret", "cilium-clustermesh"});
  const auto* data = secret.is_object() ? secret.as_object().if_contains("data") : nullptr;
  const auto* file = data != nullptr && data->is_object() ? data->as_object().if_contains(remote) : nullptr;
  return file != nullptr ? base64_decode(std::string(file->as_string())).value_or("(not base64)") : "";
}

Output MeshJoins::on_node(const std::string& cluster, const Argv& command) const {
  return lab.exec(cluster + "/" + cluster + "-node1", command, 30s);
}

}  // namespace weft::e2e
