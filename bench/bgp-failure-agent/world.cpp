#include "world.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <csignal>

#include "lab/up/exec.h"
#include "lab/up/lab.h"
#include "netlink/netns.h"

namespace weft::bench {
namespace {

namespace json = boost::json;

constexpr const char* kNode = "cluster1-node1";
constexpr const char* kNodeAddress = "10.0.0.11";
constexpr const char* kClient = "cluster2-node1";
constexpr const char* kClientRouter = "cluster2-router";
constexpr const char* kRouter = "tor";
const std::string kNamespace = "default", kPod = "server";
constexpr const char* kCilium = "/apis/cilium.io/v2/";

constexpr const char* kAdvertisement = R"({
  "apiVersion": "cilium.io/v2", "kind": "CiliumBGPAdvertisement",
  "metadata": {"name": "bench", "labels": {"advertise": "bgp"}},
  "spec": {"advertisements": [{"advertisementType": "PodCIDR"}]}})";

std::string peer_config(bool graceful_restart) {
  return fmt::format(R"({{
  "apiVersion": "cilium.io/v2", "kind": "CiliumBGPPeerConfig", "metadata": {{"name": "bench"}},
  "spec": {{
    "timers": {{"connectRetryTimeSeconds": 1, "holdTimeSeconds": 30, "keepAliveTimeSeconds": 10}},
    "gracefulRestart": {{"enabled": {}, "restartTimeSeconds": 120}},
    "bfd": {{"transmitIntervalMilliseconds": 100, "receiveIntervalMilliseconds": 100, "detectMultiplier": 3}},
    "families": [
      {{"afi": "ipv4", "safi": "unicast", "advertisements": {{"matchLabels": {{"advertise": "bgp"}}}}}},
      {{"afi": "ipv6", "safi": "unicast", "advertisements": {{"matchLabels": {{"advertise": "bgp"}}}}}}]}}}})",
                     graceful_restart);
}

constexpr const char* kClusterConfig = R"({
  "apiVersion": "cilium.io/v2", "kind": "CiliumBGPClusterConfig", "metadata": {"name": "bench"},
  "spec": {"bgpInstances": [{"name": "main", "localASN": 65010, "peers": [
    {"name": "tor", "peerAddress": "10.0.0.1", "peerASN": 65000, "peerConfigRef": {"name": "bench"}}]}]}})";

std::string pod_body(const std::string& name) {
  return fmt::format(R"({{
  "apiVersion": "v1", "kind": "Pod", "metadata": {{"name": "{}", "namespace": "default"}},
  "spec": {{"nodeName": "{}", "containers": [{{
    "name": "server", "image": "weft-lab-echo", "command": ["weft-lab-echo", "--port", "8080"],
    "env": [{{"name": "POD_NAME", "valueFrom": {{"fieldRef": {{"fieldPath": "metadata.name"}}}}}}]}}]}}}})",
                     name, kNode);
}

const json::value* at(const json::value& v, std::initializer_list<std::string_view> path) {
  const json::value* here = &v;
  for (const auto key : path) {
    const auto* o = here->if_object();
    here = o ? o->if_contains(key) : nullptr;
    if (!here) return nullptr;
  }
  return here;
}

std::string text(const json::value& v, std::initializer_list<std::string_view> path) {
  const auto* found = at(v, path);
  return found && found->is_string() ? std::string(found->get_string()) : std::string();
}

}  // namespace

Task<Result<>> World::apply(std::string collection, std::string body) {
  auto made = co_await client_.request_json("POST", collection, body);
  if (!made && made.error().code != Errc::exists) co_return fail(made.error());
  co_return Result<>{};
}

Task<Result<>> World::prepare() {
  std::fputs("bench: installing\n", stderr);
  auto installed = lab_.weft({"install", "--context", "cluster1", "--set", "cluster.name=cluster1", "--set",
                              "cluster.id=1", "--set", "bgpControlPlane.enabled=true", "--wait"});
  if (!installed) co_return fail(installed.error());
  const std::string cilium = kCilium;
  const std::pair<std::string, std::string> objects[] = {
      {cilium + "ciliumbgpadvertisements", kAdvertisement},
      {cilium + "ciliumbgppeerconfigs", peer_config(graceful_restart_)},
      {"/api/v1/namespaces/default/pods", pod_body(kPod)}};
  for (const auto& [collection, body] : objects) {
    auto made = co_await apply(collection, body);
    if (!made) co_return made;
  }
  auto opened = co_await open_places();
  if (!opened) co_return opened;
  auto addresses = co_await pod_addresses(client_, kNamespace, kPod);
  if (!addresses) co_return fail(addresses.error());
  pod_ = *addresses;
  auto running = co_await agent();
  if (!running) co_return fail(running.error());
  agent_pod_ = running->pod;
  auto met = co_await meet();
  if (!met) co_return met;
  // What its own router learns through that one comes later.
  auto reaching = ways_through(kClientRouter, netns_.at(kClientRouter), router_->prefixes(), 1);
  auto reached = co_await std::move(reaching);
  co_return reached;
}

Task<Result<>> World::open_places() {
  const auto record = lab::load_record(lab_.name());
  if (!record) co_return fail(record.error());
  for (const auto& [name, holder] : record->holders) netns_[name] = fmt::format("/proc/{}/ns/net", holder.pid);
  auto client = netlink::open_netns(netns_.at(kClient));
  if (!client) co_return fail(client.error());
  client_netns_ = std::move(*client);
  auto here = netlink::make_linux_kernel();
  if (!here) co_return fail(here.error());
  auto lines = (*here)->open(netns_.at("root"));
  if (!lines) co_return fail(lines.error());
  switch_ = std::move(*lines);
  // The other end of the node's interface, by its number there.
  auto port = lab_.weft(
      {"lab", "exec", "--name", lab_.name(), std::string("cluster1/") + kNode, "--", "sh", "-c",
       fmt::format("cat /sys/class/net/$(ip -o -4 address show to {}/32 | cut -d' ' -f2)/iflink", kNodeAddress)});
  if (!port) co_return fail(port.error());
  port_ = std::atoi(port->c_str());
  const auto links = switch_->links();
  if (!links) co_return fail(links.error());
  if (std::ranges::none_of(*links, [&](const netlink::Link& l) { return l.index == port_ && l.kind == "veth"; }))
    co_return fail(Errc::not_found, fmt::format("no port {} of the lab's switch leads to {}", port_, kNode));

  const std::string node = kNode;
  auto pods = co_await pod_cidrs(client_, node);
  if (!pods) co_return fail(pods.error());
  auto ways = Ways::open(kRouter, netns_.at(kRouter), std::move(*pods));
  if (!ways) co_return fail(ways.error());
  router_ = std::move(*ways);
  co_return Result<>{};
}

Task<Result<>> World::meet() {
  const std::string collection = std::string(kCilium) + "ciliumbgpclusterconfigs";
  const std::string body = kClusterConfig;
  auto made = co_await apply(collection, body);
  if (!made) co_return made;
  auto meeting = until(
      "the router has met node1, with BFD and its pods' routes",
      [this] {
        return ways().all && !session().empty() && fresh() &&
               text(ask_router(fmt::format("show bfd peer {}", kNodeAddress)), {"status"}) == "up";
      },
      [this] { return describe(); });
  auto met = co_await std::move(meeting);
  co_return met;
}

Task<Result<>> World::part() {
  const std::string object = std::string(kCilium) + "ciliumbgpclusterconfigs/bench";
  auto removed = co_await client_.request_json("DELETE", object);
  if (!removed) co_return fail(removed.error());
  // A dynamic neighbor is forgotten with its session.
  auto parting = until(
      "the router has forgotten node1",
      [this] {
        const auto all = ask_router("show bgp summary");
        return all.is_object() && json::serialize(all).find(kNodeAddress) == std::string::npos;
      },
      [this] { return describe(); });
  auto parted = co_await std::move(parting);
  co_return parted;
}

Task<Result<World::Agent>> World::agent() {
  const std::string path = fmt::format(
      "/api/v1/namespaces/kube-system/pods?labelSelector=app.kubernetes.io%2Fname%3Dweft-agent&fieldSelector="
      "spec.nodeName%3D{}",
      kNode);
  auto list = co_await client_.request_json("GET", path);
  if (!list) co_return fail(list.error());
  for (const auto& pod : list->at("items").as_array()) {
    if (at(pod, {"metadata", "deletionTimestamp"})) continue;
    Agent out{text(pod, {"metadata", "name"}), false};
    if (const auto* conditions = at(pod, {"status", "conditions"}); conditions && conditions->is_array())
      for (const auto& c : conditions->get_array())
        out.ready = out.ready || (text(c, {"type"}) == "Ready" && text(c, {"status"}) == "True");
    co_return out;
  }
  co_return Agent{};
}

Result<> World::kill_agent() {
  const auto record = lab::load_record(lab_.name());
  if (!record) return fail(record.error());
  const auto place = lab::find_place(*record, "cluster1/" + agent_pod_, "kube-system", "weft-agent");
  if (!place) return fail(place.error());
  if (!lab::alive(place->process) || ::kill(place->process.pid, SIGKILL) != 0)
    return fail(Errc::not_found, fmt::format("the agent of pod {} does not run", agent_pod_));
  return {};
}

Task<Result<>> World::renew_agent() {
  const std::string old = agent_pod_;
  const auto before = session();
  auto removed = co_await client_.remove(kube::kPods, "kube-system", old);
  if (!removed) co_return fail(removed.error());
  for (const auto deadline = Steady::now() + kPatience;;) {
    auto now = co_await agent();
    if (!now) co_return fail(now.error());
    if (now->ready && now->pod != old) {
      agent_pod_ = now->pod;
      break;
    }
    if (Steady::now() > deadline) co_return fail(Errc::timeout, fmt::format("no agent follows {} on {}", old, kNode));
    co_await sleep_for(std::chrono::milliseconds(50));
  }
  auto returning = until(
      "the new agent has met the router", [this, &before] { return met_since(before) && fresh(); },
      [this] { return describe(); });
  auto returned = co_await std::move(returning);
  co_return returned;
}

Result<> World::set_link(bool up) { return switch_->change_link(port_, {.up = up}); }

json::value World::ask_router(const std::string& command) const {
  const auto said = lab_.weft({"lab", "exec", "--name", lab_.name(), kRouter, "--", "vtysh", "-c", command + " json"});
  boost::system::error_code ec;
  auto v = json::parse(said.value_or(""), ec);
  return ec ? json::value() : v;
}

std::string World::session() const {
  const auto v = ask_router(fmt::format("show bgp neighbors {}", kNodeAddress));
  const auto *local = at(v, {kNodeAddress, "portLocal"}), *remote = at(v, {kNodeAddress, "portForeign"});
  if (text(v, {kNodeAddress, "bgpState"}) != "Established" || !local || !remote) return "";
  return json::serialize(*local) + "-" + json::serialize(*remote);
}

bool World::met_since(const std::string& before) const {
  const auto now = session();
  return !now.empty() && now != before;
}

bool World::fresh() const {
  for (const auto& prefix : router_->prefixes()) {
    const auto v = ask_router(
        fmt::format("show bgp {} unicast {}", prefix.address().is_v4() ? "ipv4" : "ipv6", prefix.to_string()));
    const auto* paths = at(v, {"paths"});
    if (!paths || !paths->is_array() || paths->get_array().empty()) return false;
    if (json::serialize(*paths).find(R"("stale":true)") != std::string::npos) return false;
  }
  return true;
}

World::Reached World::ways() const {
  Reached out{.all = true, .none = true};
  for (std::size_t i = 0; i < router_->prefixes().size(); ++i) {
    const auto state = router_->to(i);
    out.all = out.all && !state.hops.empty();
    out.none = out.none && state.hops.empty();
    out.last = std::max(out.last, state.since);
  }
  return out;
}

std::string World::describe() const {
  std::string out = router_->describe();
  for (const char* command : {"show bgp summary", "show bfd peers brief"})
    out += lab_.weft({"lab", "exec", "--name", lab_.name(), kRouter, "--", "vtysh", "-c", command}).value_or("") + "\n";
  return out + lab_.weft({"lab", "exec", "--name", lab_.name(), std::string("cluster1/") + kNode, "--", "weft", "bgp",
                          "peers"})
                   .value_or("");
}

}  // namespace weft::bench
