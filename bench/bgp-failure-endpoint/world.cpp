#include "world.h"

#include <fmt/format.h>

#include <boost/json.hpp>

#include "lab/up/lab.h"
#include "netlink/netns.h"

namespace weft::bench {
namespace {

using namespace std::chrono_literals;
namespace json = boost::json;

const std::string kNamespace = "weft-bench", kStaying = "staying";
const std::string kTors[] = {"tor1", "tor2"};
const std::string kNodes[] = {"cluster1-node1", "cluster1-node2"};
constexpr const char* kClient = "cluster2-node1";
constexpr const char* kClientRouter = "cluster2-router";

constexpr const char* kPolicy = R"({
  "apiVersion": "cilium.io/v2alpha1", "kind": "CiliumBGPPeeringPolicy", "metadata": {"name": "bench"},
  "spec": {"virtualRouters": [{"localASN": 65010, "exportPodCIDR": true, "serviceSelector": {"matchExpressions": []},
    "neighbors": [{"peerAddress": "10.0.0.1/32", "peerASN": 65000}, {"peerAddress": "10.0.0.2/32", "peerASN": 65000}]}]}})";

std::string service_body() {
  return fmt::format(R"({{
  "apiVersion": "v1", "kind": "Service", "metadata": {{"name": "local", "namespace": "{}"}},
  "spec": {{"type": "LoadBalancer", "externalTrafficPolicy": "Local", "ipFamilyPolicy": "RequireDualStack",
    "selector": {{"app": "local"}}, "ports": [{{"port": 80, "targetPort": 8080, "protocol": "UDP"}}]}}}})",
                     kNamespace);
}

// `sh` waits before the server is there, so that being ready is something that comes later.
std::string pod_body(const std::string& name, const std::string& node, unsigned grace) {
  return fmt::format(R"({{
  "apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{}", "namespace": "{}", "labels": {{"app": "local"}}}},
  "spec": {{"nodeName": "{}", "terminationGracePeriodSeconds": {}, "containers": [{{
    "name": "server", "image": "weft-lab-echo",
    "command": ["sh", "-c", "sleep 0.5; exec weft-lab-echo --port 8080 --grace {}"],
    "env": [{{"name": "POD_NAME", "valueFrom": {{"fieldRef": {{"fieldPath": "metadata.name"}}}}}}],
    "readinessProbe": {{"httpGet": {{"path": "/", "port": 8080}}, "periodSeconds": 1}}}}]}}}})",
                     name, kNamespace, node, grace + 20, grace);
}

}  // namespace

Result<> World::open_places() {
  const auto record = lab::load_record(lab_.name());
  if (!record) return fail(record.error());
  for (const auto& [name, holder] : record->holders) netns_[name] = fmt::format("/proc/{}/ns/net", holder.pid);
  auto here = netlink::make_linux_kernel();
  if (!here) return fail(here.error());
  for (const auto& node : kNodes) {
    auto kernel = (*here)->open(netns(node));
    if (!kernel) return fail(kernel.error());
    nodes_.push_back(std::move(*kernel));
  }
  auto client = netlink::open_netns(netns(kClient));
  if (!client) return fail(client.error());
  client_netns_ = std::move(*client);
  // Routers choose by ports, as the switches of a fabric do, and each in its own way.
  int seed = 0;
  for (const auto& router : {std::string(kClientRouter), kTors[0], kTors[1]}) {
    auto kernel = (*here)->open(netns(router));
    if (!kernel) return fail(kernel.error());
    for (const char* family : {"ipv4", "ipv6"})
      WEFT_TRY((*kernel)->set_sysctl(fmt::format("net/{}/fib_multipath_hash_policy", family), "1"));
    // Kernels before 6.11 do not have it; then both routers choose alike, and less is tested, nothing wrongly.
    (void)(*kernel)->set_sysctl("net/ipv4/fib_multipath_hash_seed", std::to_string(++seed));
  }
  for (const auto& tor : kTors) {
    auto ways = Ways::open(tor, netns(tor), {Prefix(v4_, 32), Prefix(v6_, 128)});
    if (!ways) return fail(ways.error());
    routers_.push_back(std::move(*ways));
  }
  return {};
}

Task<Result<>> World::create(std::string path, std::string body) {
  auto made = co_await client_.request_json("POST", path, body);
  if (!made && made.error().code != Errc::exists) co_return fail(made.error());
  co_return Result<>{};
}

Task<Result<>> World::prepare() {
  std::fputs("bench: installing\n", stderr);
  auto installed = lab_.weft({"install", "--context", "cluster1", "--set", "cluster.name=cluster1", "--set",
                              "cluster.id=1", "--set", "bgpControlPlane.enabled=true", "--wait"});
  if (!installed) co_return fail(installed.error());
  WEFT_CO_TRY(open_places());
  const std::string in_namespace = fmt::format("/api/v1/namespaces/{}/", kNamespace);
  const std::pair<std::string, std::string> objects[] = {
      {"/api/v1/namespaces",
       fmt::format(R"({{"apiVersion": "v1", "kind": "Namespace", "metadata": {{"name": "{}"}}}})", kNamespace)},
      {"/apis/cilium.io/v2alpha1/ciliumbgppeeringpolicies", kPolicy},
      {in_namespace + "services", service_body()},
      {in_namespace + "pods", pod_body(kStaying, kNodes[1], 1)}};
  for (const auto& [path, body] : objects) {
    auto made = co_await create(path, body);
    if (!made) co_return made;
  }
  json::array ingress;
  for (const Address& a : {v4_, v6_}) ingress.push_back(json::object{{"ip", a.to_string()}});
  json::object changed;
  changed["status"] = json::object{{"loadBalancer", json::object{{"ingress", std::move(ingress)}}}};
  const json::value status = std::move(changed);
  kube::PatchOptions to_status;
  to_status.subresource = "status";
  auto patched =
      co_await client_.patch(kube::kServices, kNamespace, "local", kube::PatchType::merge, status, to_status);
  if (!patched) co_return fail(patched.error());
  auto staying = co_await pod_addresses(client_, kNamespace, kStaying);
  if (!staying) co_return fail(staying.error());
  WEFT_CO_TRY(serve(2, *staying));
  auto announcing = until(
      "both routers have one node for the Service's addresses", [this] { return nodes(1).all; },
      [this] { return describe(); });
  auto announced = co_await std::move(announcing);
  if (!announced) co_return announced;
  co_return co_await wait_for_client();
}

// Sessions come up in any order; the client's router learns through both others.
Task<Result<>> World::wait_for_client() {
  auto wanted = co_await pod_cidrs(client_, kNodes[0]);
  if (!wanted) co_return fail(wanted.error());
  wanted->insert(wanted->end(), {Prefix(v4_, 32), Prefix(v6_, 128)});
  auto reaching = ways_through(kClientRouter, netns(kClientRouter), std::move(*wanted), 2);
  auto reached = co_await std::move(reaching);
  co_return reached;
}

Task<Result<PodAddresses>> World::start_pod(std::string name, unsigned grace) {
  const std::string path = fmt::format("/api/v1/namespaces/{}/pods", kNamespace);
  const std::string body = pod_body(name, kNodes[0], grace);
  auto made = co_await create(path, body);
  if (!made) co_return fail(made.error());
  auto waiting = pod_addresses(client_, kNamespace, std::move(name));
  auto addresses = co_await std::move(waiting);
  co_return addresses;
}

Task<Result<>> World::delete_pod(std::string name) {
  auto removed = co_await client_.remove(kube::kPods, kNamespace, name);
  if (!removed) co_return fail(removed.error());
  co_return Result<>{};
}

Task<Result<>> World::wait_until_gone(std::string name) {
  for (const auto deadline = Steady::now() + kPatience;;) {
    auto pod = co_await client_.get(kube::kPods, kNamespace, name);
    if (!pod && pod.error().code == Errc::not_found) co_return Result<>{};
    if (!pod) co_return fail(pod.error());
    if (Steady::now() > deadline) co_return fail(Errc::timeout, fmt::format("pod {} does not go", name));
    co_await sleep_for(20ms);
  }
}

Result<> World::serve(int node, const PodAddresses& pod) {
  return nodes_.at(static_cast<std::size_t>(node) - 1)
      ->nft(fmt::format("add table inet weft_bench\n"
                        "delete table inet weft_bench\n"
                        "add table inet weft_bench\n"
                        "add chain inet weft_bench in {{ type nat hook prerouting priority dstnat; }}\n"
                        "add rule inet weft_bench in ip daddr {} udp dport 80 dnat ip to {}:8080\n"
                        "add rule inet weft_bench in ip6 daddr {} udp dport 80 dnat ip6 to [{}]:8080\n",
                        v4_.to_string(), pod.v4.to_string(), v6_.to_string(), pod.v6.to_string()));
}

World::Reached World::nodes(std::size_t count) const {
  Reached out{.all = true, .first = Steady::time_point::max()};
  for (const auto& router : routers_)
    for (std::size_t i = 0; i < router->prefixes().size(); ++i) {
      const auto state = router->to(i);
      out.all = out.all && state.hops.size() == count;
      out.first = std::min(out.first, state.since);
      out.last = std::max(out.last, state.since);
    }
  return out;
}

std::string World::describe() const {
  std::string out;
  for (const auto& router : routers_) out += router->describe();
  return out;
}

}  // namespace weft::bench
