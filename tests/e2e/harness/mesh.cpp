#include "tests/e2e/harness/mesh.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

namespace weft::e2e {

using namespace std::chrono_literals;

namespace {

Argv& more_for_install() {
  static Argv more;
  return more;
}

std::string service_yaml(const std::string& cluster) {
  std::ifstream in(source_path("demo/api-server.yaml"));
  std::stringstream all;
  all << in.rdbuf();
  std::string text = all.str();
  const std::string mark = "value: CLUSTER}";
  for (auto at = text.find(mark); at != std::string::npos; at = text.find(mark, at))
    text.replace(at, mark.size(), "value: " + cluster + "}");
  // Servers that go on for a moment after they were told to stop, as servers behind a load balancer do.
  const std::string program = "[weft-lab-echo, ";
  const auto at = text.find(program);
  if (at != std::string::npos) text.insert(at + program.size(), "--grace, \"2\", ");
  return text;
}

}  // namespace

int Load::from(const std::string& cluster) const {
  const auto it = clusters.find(cluster);
  return it == clusters.end() ? 0 : it->second;
}

Load parse_load(const Output& output) {
  Load l;
  l.raw = output.describe();
  boost::system::error_code ec;
  // Nothing else goes to standard output, but exec may warn on the way.
  const auto brace = output.out.find('{');
  if (brace == std::string::npos) return l;
  const auto v = json::parse(output.out.substr(brace), ec);
  if (ec || !v.is_object()) return l;
  const auto& o = v.get_object();
  const auto count = [&](const char* key) {
    const auto* n = o.if_contains(key);
    return n && n->is_number() ? n->to_number<double>() : 0.0;
  };
  l.parsed = o.contains("requests");
  l.requests = static_cast<int>(count("requests"));
  l.ok = static_cast<int>(count("ok"));
  l.failed = static_cast<int>(count("failed"));
  l.longest_gap_ms = count("longestGapMs");
  if (const auto* c = o.if_contains("clusters"); c && c->is_object())
    for (const auto& [name, n] : c->get_object()) l.clusters[name] = n.to_number<int>();
  return l;
}

Mesh& Mesh::get() {
  static auto* mesh = new Mesh();
  return *mesh;
}

void Mesh::install_with(Argv more) { more_for_install() = std::move(more); }

void Mesh::must(const Output& output) const {
  if (output.ok()) return;
  std::cerr << "the mesh could not be made\n" << output.describe() << std::endl;
  for (const auto& c : kBothClusters) {
    std::cerr << lab_.kubectl(c, {"get", "nodes,pods", "-A", "-o", "wide"}).describe() << std::endl;
    std::istringstream pods(lab_.kubectl(c, {"-n", "kube-system", "get", "pods", "-o",
                                             "jsonpath={range .items[?(@.status.containerStatuses[0].ready==false)]}"
                                             "{.metadata.name}{\"\\n\"}{end}"})
                                .out);
    for (std::string pod; pods >> pod;)
      std::cerr << lab_.weft({"lab", "logs", "--name", lab_.name(), "-n", "kube-system", c + "/" + pod}).describe()
                << std::endl;
  }
  // exit() would skip the environments' tear down: the guardian cleans up.
  std::exit(1);
}

Mesh::Mesh() : lab_(Lab::get()), url_("http://api-server.shop.svc.cluster.local/") {
  if (std::getenv("WEFT_E2E_LAB") && lab_.kubectl("cluster1", {"-n", "shop", "get", "deployment", "api-server"}).ok())
    return;
  int id = 0;
  for (const auto& c : kBothClusters) {
    ++id;
    std::cout << "[ mesh     ] installing in " << c << std::endl;
    Argv install{"install",
                 "--context",
                 c,
                 "--set",
                 "cluster.name=" + c,
                 "--set",
                 fmt::format("cluster.id={}", id),
                 "--set",
                 "prometheus.enabled=true",
                 "--wait",
                 "--wait-duration",
                 "3m"};
    install.insert(install.end(), more_for_install().begin(), more_for_install().end());
    if (id == 2) install.insert(install.end(), {"--inherit-ca", "cluster1"});
    must(lab_.weft(install, 200s));
  }
  for (const auto& c : kBothClusters) must(lab_.weft({"clustermesh", "enable", "--context", c}));
  std::cout << "[ mesh     ] connecting" << std::endl;
  must(lab_.weft({"clustermesh", "connect", "--context", "cluster1", "--destination-context", "cluster2"}));
  for (const auto& c : kBothClusters)
    must(lab_.weft({"clustermesh", "status", "--context", c, "--wait", "--wait-duration", "2m"}, 150s));
  for (const auto& c : kBothClusters) must(lab_.kubectl(c, {"apply", "-f", "-"}, service_yaml(c)));
  for (const auto& c : kBothClusters) {
    must(lab_.kubectl(c, {"-n", "shop", "rollout", "status", "deployment/api-server", "--timeout=90s"}, {}, 100s));
    must(lab_.kubectl(c, {"-n", "shop", "wait", "--for=condition=Ready", "pod/client", "--timeout=60s"}, {}, 70s));
  }
}

Argv Mesh::load_argv(const std::string& cluster, Argv args) const {
  args.insert(args.begin(), {"weft-lab-load", "-o", "json"});
  return lab_.exec_argv(cluster + "/client", args, "shop");
}

Load Mesh::load(const std::string& cluster, Argv args, std::chrono::seconds limit) const {
  return parse_load(run(load_argv(cluster, std::move(args)), {.limit = limit, .env = lab_.env()}));
}

std::string Mesh::ip_url(const std::string& cluster, int family) const {
  const auto ips =
      lab_.kubectl(cluster, {"-n", "shop", "get", "service", "api-server", "-o", "jsonpath={.spec.clusterIPs[*]}"}).out;
  std::istringstream in(ips);
  for (std::string ip; in >> ip;)
    if ((ip.find(':') != std::string::npos) == (family == 6))
      return family == 6 ? "http://[" + ip + "]/" : "http://" + ip + "/";
  return "http://no-cluster-ip-of-family-" + std::to_string(family) + ".invalid/ (has: " + ips + ")";
}

void Mesh::affinity(const std::string& value) const {
  for (const auto& c : kBothClusters) {
    const std::string annotation =
        value.empty() ? "service.cilium.io/affinity-" : "service.cilium.io/affinity=" + value;
    const auto r = lab_.kubectl(c, {"-n", "shop", "annotate", "service", "api-server", "--overwrite", annotation});
    EXPECT_TRUE(r.ok()) << r.describe();
  }
}

::testing::AssertionResult Mesh::scale(const std::string& cluster, int replicas) const {
  auto r =
      lab_.kubectl(cluster, {"-n", "shop", "scale", "deployment/api-server", fmt::format("--replicas={}", replicas)});
  if (r.ok())
    r = lab_.kubectl(cluster, {"-n", "shop", "rollout", "status", "deployment/api-server", "--timeout=60s"}, {}, 70s);
  if (r.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << r.describe();
}

::testing::AssertionResult Mesh::all_from(const std::string& from, const std::string& cluster, Argv args,
                                          std::chrono::seconds limit) const {
  args.insert(args.begin(), {"--count", "50"});
  return eventually(limit, "50 of 50 requests from " + from + " are answered by " + cluster, [&] {
    const Load l = load(from, args);
    return Seen{l.from(cluster) == 50, l.raw};
  });
}

::testing::AssertionResult Mesh::both_answer(const std::string& from, Argv args, std::chrono::seconds limit) const {
  args.insert(args.begin(), {"--count", "40"});
  return eventually(limit, "both clusters answer " + from, [&] {
    const Load l = load(from, args);
    return Seen{l.failed == 0 && l.from("cluster1") > 0 && l.from("cluster2") > 0, l.raw};
  });
}

::testing::AssertionResult Mesh::reset() const {
  affinity("");
  for (const auto& c : kBothClusters)
    if (auto r = scale(c, 2); !r) return r;
  for (const auto& c : kBothClusters)
    if (auto r = both_answer(c, {url_}); !r) return r;
  return ::testing::AssertionSuccess();
}

Output Mesh::on_node(const std::string& cluster, int node, const Argv& command, std::chrono::seconds limit) const {
  return lab_.exec(fmt::format("{0}/{0}-node{1}", cluster, node), command, limit);
}

std::string Mesh::Pod::same_family(const std::string& address) const {
  for (const auto& ip : ips)
    if ((ip.find(':') == std::string::npos) == (address.find(':') == std::string::npos)) return ip;
  return "";
}

std::vector<Mesh::Pod> Mesh::pods(const std::string& cluster, const Argv& what) const {
  Argv args{"-n", "shop", "pods"};
  args.insert(args.end(), what.begin(), what.end());
  const auto answer = lab_.get_json(cluster, args);
  std::vector<Pod> out;
  const auto add = [&](const json::value& v) {
    Pod p;
    boost::system::error_code ec;
    if (const auto* node = v.find_pointer("/spec/nodeName", ec)) p.node = node->as_string();
    if (const auto* ips = v.find_pointer("/status/podIPs", ec))
      for (const auto& ip : ips->as_array()) p.ips.emplace_back(ip.at("ip").as_string());
    out.push_back(std::move(p));
  };
  const auto* o = answer.if_object();
  if (!o) return out;
  if (const auto* items = o->if_contains("items")) {
    for (const auto& pod : items->as_array()) add(pod);
  } else {
    add(answer);
  }
  return out;
}

std::string Mesh::seen_source(const std::string& from, const std::string& address) const {
  const std::string url =
      address.find(':') != std::string::npos ? "http://[" + address + "]:8080/" : "http://" + address + ":8080/";
  const auto r = lab_.exec(from + "/client", {"curl", "-s", "-m", "5", url}, 20s, "shop");
  return r.ok() ? r.out : r.describe();
}

Output Mesh::status(const std::string& cluster) const {
  return lab_.weft({"clustermesh", "status", "--context", cluster}, 60s);
}

}  // namespace weft::e2e
