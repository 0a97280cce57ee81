#include "world.h"

#include <fmt/format.h>

#include <boost/json.hpp>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "apps/agent/speaker.h"
#include "bgp/control/kinds.h"
#include "kube/types/cilium.h"
#include "manifest/manifest.h"

namespace weft::bench {
namespace {

namespace json = boost::json;

constexpr const char* kObjects = R"(
apiVersion: v1
kind: Node
metadata: {{name: node-1, labels: {{kubernetes.io/os: linux}}}}
spec: {{podCIDRs: [10.1.0.0/16]}}
status: {{addresses: [{{type: InternalIP, address: 172.18.1.11}}]}}
---
apiVersion: cilium.io/v2
kind: CiliumBGPNodeConfig
metadata: {{name: node-1}}
spec: {{bgpInstances: [{{name: main, localASN: {}, peers: [{{name: tor, peerAddress: {}, peerASN: {}, peerConfigRef: {{name: tor}}}}]}}]}}
---
apiVersion: cilium.io/v2
kind: CiliumBGPPeerConfig
metadata: {{name: tor}}
spec: {{timers: {{connectRetryTimeSeconds: 1}}, families: [{{afi: ipv4, safi: unicast, advertisements: {{}}}}]}}
---
apiVersion: cilium.io/v2
kind: CiliumBGPAdvertisement
metadata: {{name: services}}
spec:
  advertisements:
  - advertisementType: Service
    service: {{addresses: [LoadBalancerIP]}}
    selector: {{matchLabels: {{advertise: external}}}}
)";

const kube::Resource& resource_of(std::string_view kind) {
  for (const auto* r :
       {&kube::kNodes, &bgp::control::kNodeConfigs, &bgp::control::kPeerConfigs, &bgp::control::kAdvertisements})
    if (r->kind == kind) return *r;
  throw std::logic_error("no such kind here: " + std::string(kind));
}

std::string name_of(unsigned service) { return fmt::format("s{}", service); }

json::value value(bool b) { return json::value(b); }

json::object endpoint(const std::string& address, const std::string& node, bool ready) {
  return {{"addresses", json::array{address}},
          {"nodeName", node},
          {"conditions", {{"ready", value(ready)}, {"serving", value(true)}, {"terminating", value(!ready)}}}};
}

}  // namespace

const char* key_of(Kind kind) {
  switch (kind) {
    case Kind::label_removed: return "label_removed";
    case Kind::label_added: return "label_added";
    case Kind::address_changed: return "address_changed";
    case Kind::local_endpoint_gone: return "local_endpoint_gone";
    case Kind::local_endpoint_back: return "local_endpoint_back";
  }
  return "";
}

const char* words_of(Kind kind) {
  switch (kind) {
    case Kind::label_removed: return "its label is removed";
    case Kind::label_added: return "the label is added";
    case Kind::address_changed: return "it has another address";
    case Kind::local_endpoint_gone: return "its last local endpoint terminates";
    case Kind::local_endpoint_back: return "a local endpoint is ready again";
  }
  return "";
}

World::World(asio::io_context& io, const std::string& router, unsigned services) : io_(io), made_(services) {
  std::string pattern = std::filesystem::temp_directory_path() / "weft-bench-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error(pattern + ": cannot be made");
  state_dir_ = pattern;
  kernel_world_->add_nic("eth0", {"172.18.1.11/24"});
  put_manifest(fmt::format(kObjects, kNodeAsn, router, kRouterAsn));
  for (unsigned s = 0; s < services; ++s) {
    put_service(s);
    put_slice(s);
  }
  auto options = agent::parse_options({{"node-name", "node-1"},
                                       {"cluster-name", "cluster1"},
                                       {"cluster-id", "1"},
                                       {"enable-ipv6", "false"},
                                       {"enable-bgp-control-plane", "true"},
                                       {"state-dir", state_dir_},
                                       {"bgp-stop-grace", "0s"},
                                       {"agent-health-port", "0"}});
  if (!options) throw std::runtime_error(options.error().message);
  const auto speaker = [this, socket = state_dir_ + "/bfd.sock"](bool restarting) {
    return agent::make_real_speaker(io_, kernel_, socket, "node-1", restarting);
  };
  agent_ = std::make_unique<agent::Agent>(
      io_, std::move(*options),
      agent::Edges{.kube = client_, .kernel = kernel_, .lb = maps_, .make_speaker = speaker, .serve = false});
}

World::~World() {
  std::error_code ignored;
  std::filesystem::remove_all(state_dir_, ignored);
}

void World::put_manifest(const std::string& text) {
  auto objects = parse_manifest(text);
  if (!objects) throw std::runtime_error(objects.error().message);
  for (json::value& o : *objects) server_.put(resource_of(o.at("kind").as_string()), o.as_object());
}

Prefix World::prefix(unsigned s) const {
  // 198.18.0.0/15 is for benchmarks (RFC 2544).
  return Prefix::host(Address::v4((made_[s].moved ? 0xc6130000U : 0xc6120000U) + s));
}

void World::put_service(unsigned s) {
  const std::string cluster_ip = Address::v4(0x0a600000U + 256 + s).to_string();
  json::object labels{{"app", name_of(s)}};
  if (made_[s].label) labels["advertise"] = "external";
  server_.put(
      kube::kServices,
      {{"metadata", {{"namespace", "shop"}, {"name", name_of(s)}, {"labels", labels}}},
       {"spec",
        {{"type", "LoadBalancer"},
         {"externalTrafficPolicy", "Local"},
         {"clusterIP", cluster_ip},
         {"clusterIPs", json::array{cluster_ip}},
         {"ports", json::array{json::object{{"port", 80}, {"protocol", "TCP"}, {"targetPort", 8080}}}}}},
       {"status",
        {{"loadBalancer", {{"ingress", json::array{json::object{{"ip", prefix(s).address().to_string()}}}}}}}}});
}

void World::put_slice(unsigned s) {
  server_.put(
      kube::kEndpointSlices,
      {{"metadata",
        {{"namespace", "shop"}, {"name", name_of(s) + "-a"}, {"labels", {{"kubernetes.io/service-name", name_of(s)}}}}},
       {"addressType", "IPv4"},
       {"ports", json::array{json::object{{"name", ""}, {"port", 8080}, {"protocol", "TCP"}}}},
       {"endpoints", json::array{endpoint(Address::v4(0x0a010000U + s).to_string(), "node-1", made_[s].local_endpoint),
                                 endpoint(Address::v4(0x0a020000U + s).to_string(), "node-2", true)}}});
}

void World::start() {
  const auto run = [](agent::Agent& a, std::string& failure) -> Task<> {
    const auto r = co_await a.run();
    if (!r) failure = "the agent stopped: " + r.error().message;
  };
  scope_.spawn("agent", run(*agent_, failure_));
}

Task<> World::stop() {
  co_await scope_.stop();
  co_await agent_->stop();
  agent_.reset();
}

std::string World::trouble() const {
  if (!failure_.empty() || !agent_->bgp()) return failure_.empty() ? "BGP is not started yet" : failure_;
  const auto waiting = agent_->bgp()->controller().waiting_for();
  std::string out = waiting.empty() ? "everything is listed" : "waiting for " + waiting;
  for (const auto& p : agent_->bgp()->speaker().peers())
    out += fmt::format("; session to {} is {} ({})", p.name, bgp::to_string(p.state), p.down.words);
  return out;
}

Change World::change(unsigned n) {
  const auto kinds = static_cast<unsigned>(std::size(kKinds));
  Change out;
  out.kind = kKinds[n % kinds];
  // Far apart, so that no change finds what it needs in a cache that the one before has filled.
  const unsigned of_kind = out.kind == Kind::address_changed ? 1 : out.kind <= Kind::label_added ? 0 : 2;
  const unsigned s = (n / kinds * 7919 + of_kind * 3571) % static_cast<unsigned>(made_.size());
  Made& m = made_[s];
  const Prefix before = prefix(s);
  switch (out.kind) {
    case Kind::label_removed: m.label = false; break;
    case Kind::label_added: m.label = true; break;
    case Kind::address_changed: m.moved = !m.moved; break;
    case Kind::local_endpoint_gone: m.local_endpoint = false; break;
    case Kind::local_endpoint_back: m.local_endpoint = true; break;
  }
  if (out.kind != Kind::label_added && out.kind != Kind::local_endpoint_back) out.withdrawn = {before};
  if (out.kind != Kind::label_removed && out.kind != Kind::local_endpoint_gone) out.announced = {prefix(s)};
  out.committed = Steady::now();
  if (of_kind == 2) {
    put_slice(s);
  } else {
    put_service(s);
  }
  return out;
}

}  // namespace weft::bench
