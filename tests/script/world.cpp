#include "tests/script/world.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "api/views.h"
#include "bgp/control/why.h"
#include "kube/json.h"
#include "kube/types/cilium.h"
#include "manifest/manifest.h"
#include "mesh/values/codec.h"
#include "metrics/registry.h"

namespace weft::script {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

constexpr auto kDeadline = 5s;

std::string frontends_text(const Table<Frontend>& frontends) {
  std::string out;
  frontends.for_each([&](const Frontend& f) {
    out += fmt::format("{} {} {}\n", f.address.to_string(), f.service.to_string(), api::to_string(f.kind));
    for (const Backend& b : f.backends) {
      out += fmt::format("  {} {}{}{}\n", b.address.to_string(), api::to_string(b.state),
                         b.cluster.empty() ? "" : " " + b.cluster, b.preferred ? "" : ", held back: " + b.held_back);
    }
  });
  return out;
}

std::string maps_text(const LbMaps& maps) {
  auto rows = maps.dump();
  if (!rows) return rows.error().message;
  std::string out;
  for (const LbRow& r : *rows) out += r.to_string() + "\n";
  return out;
}

std::string pods_text(const Table<LocalPod>& pods) {
  std::string out;
  pods.for_each([&](const LocalPod& p) {
    out += p.pod.to_string();
    for (const Address& a : p.ips) out += " " + a.to_string();
    out += "\n";
  });
  return out;
}

// The status of node-1's CiliumBGPNodeConfig, or the conditions that hold of every BGP object.
std::string status_text(const kube::FakeServer& server, bool node_config) {
  std::string out;
  const auto conditions = [&](const json::object& o) {
    for (const auto& c : kube::array_at(kube::object_at(o, "status"), "conditions"))
      if (kube::text_at(c.get_object(), "status") == "True")
        out += fmt::format("{} {} {}: {}\n", kube::text_at(o, "kind"), kube::name_of(o).name,
                           kube::text_at(c.get_object(), "type"), kube::text_at(c.get_object(), "message"));
  };
  if (!node_config) {
    for (const auto* r : {&bgp::control::kPeeringPolicies, &bgp::control::kClusterConfigs, &bgp::control::kPeerConfigs,
                          &bgp::control::kAdvertisements, &bgp::control::kOverrides})
      for (const auto& o : server.all(*r)) conditions(o);
    return out;
  }
  const auto o = server.get(bgp::control::kNodeConfigs, "", "node-1");
  if (!o) return "no CiliumBGPNodeConfig node-1\n";
  for (const auto& i : kube::array_at(kube::object_at(*o, "status"), "bgpInstances"))
    for (const auto& p : kube::array_at(i.get_object(), "peers"))
      out += kube::text_at(i.get_object(), "name") + " " + json::serialize(p) + "\n";
  conditions(*o);
  return out;
}

// This end of the tunnel, and the far ones.
std::string tunnel_text(const netlink::FakeWorld::Namespace& ns) {
  std::string out;
  for (const auto& [index, link] : ns.links)
    if (link.vxlan) out += fmt::format("from {} mtu {}\n", link.vxlan->local.to_string(), link.mtu);
  std::vector<std::string> peers;
  for (const auto& e : ns.fdb) peers.push_back("to " + e.remote.to_string() + "\n");
  std::sort(peers.begin(), peers.end());
  for (const auto& p : peers) out += p;
  return out;
}

std::string node_text(const kube::FakeServer& server) {
  const auto object = server.get(kube::kCiliumNodes, "", "node-1");
  if (!object) return "no CiliumNode node-1\n";
  const auto node = kube::parse_cilium_node(*object, {"cluster1", 1});
  if (!node || !*node) return "unreadable CiliumNode\n";
  std::string out;
  for (const auto& a : (*node)->addresses) out += fmt::format("{} {}\n", to_string(a.type), a.value);
  for (const auto& [key, value] : (*node)->labels) out += key + "=" + value + "\n";
  return out;
}

std::string endpoints_text(const kube::FakeServer& server) {
  std::string out;
  for (const auto& o : server.all(kube::kCiliumEndpoints)) {
    const auto e = kube::parse_cilium_endpoint(o);
    if (!e || !*e) continue;
    out += fmt::format("{} on {}\n", (*e)->name.to_string(), (*e)->node ? (*e)->node->to_string() : "no node");
    for (const auto& l : (*e)->identity_labels) out += "  " + l + "\n";
  }
  return out;
}

// What must not differ: leading blank lines, trailing spaces.
std::string tidy(const std::string& text) {
  std::istringstream in(text);
  std::string out;
  for (std::string line; std::getline(in, line);) {
    while (line.ends_with(' ')) line.pop_back();
    if (!line.empty()) out += line + "\n";
  }
  return out;
}

}  // namespace

const kube::Resource* resource_of_kind(const std::string& kind) {
  static const std::map<std::string, const kube::Resource*> all{{"Service", &kube::kServices},
                                                                {"EndpointSlice", &kube::kEndpointSlices},
                                                                {"Node", &kube::kNodes},
                                                                {"Namespace", &kube::kNamespaces},
                                                                {"Pod", &kube::kPods},
                                                                {"CiliumNode", &kube::kCiliumNodes},
                                                                {"CiliumIdentity", &kube::kCiliumIdentities},
                                                                {"CiliumEndpoint", &kube::kCiliumEndpoints},
                                                                {"Secret", &kube::kSecrets}};
  for (const auto* r : {&bgp::control::kPeeringPolicies, &bgp::control::kClusterConfigs, &bgp::control::kPeerConfigs,
                        &bgp::control::kAdvertisements, &bgp::control::kOverrides, &bgp::control::kNodeConfigs,
                        &bgp::control::kLoadBalancerPools})
    if (r->kind == kind) return r;
  const auto it = all.find(kind);
  return it == all.end() ? nullptr : it->second;
}

World::World(Archive archive) : archive_(std::move(archive)) {
  std::string pattern = std::filesystem::temp_directory_path() / "weft-script-XXXXXX";
  state_dir_ = ::mkdtemp(pattern.data());
  kernel_world_->add_nic("eth0", {"172.18.1.11/24", "fd00:18:1::11/64"});
  for (const auto* r : {&bgp::control::kPeeringPolicies, &bgp::control::kClusterConfigs, &bgp::control::kPeerConfigs,
                        &bgp::control::kAdvertisements, &bgp::control::kOverrides, &bgp::control::kNodeConfigs})
    server_.status_subresource.insert(r->plural);
}

World::~World() {
  std::error_code ignored;
  std::filesystem::remove_all(state_dir_, ignored);
}

Result<std::string> World::file(const std::string& name) const {
  const auto it = archive_.files.find(name);
  if (it == archive_.files.end()) return fail(Errc::not_found, "the archive has no file " + name);
  return it->second;
}

Task<> World::stop_agent() {
  if (scope_) co_await scope_->stop();
  if (agent_) co_await agent_->stop();
  agent_.reset();
  scope_.reset();
}

Task<> World::start_agent(std::vector<std::string> words) {
  std::map<std::string, std::string> values{{"node-name", "node-1"},
                                            {"cluster-name", "cluster1"},
                                            {"cluster-id", "1"},
                                            {"state-dir", state_dir_},
                                            {"agent-health-port", "0"}};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto eq = words[i].find('=');
    values[words[i].substr(0, eq)] = words[i].substr(eq + 1);
  }
  auto options = agent::parse_options(values);
  if (!options) {
    failure_ = options.error().message;
    co_return;
  }
  co_await stop_agent();
  client_ = std::make_unique<kube::Client>(io_, kube::FakeServer::config(), server_.transport());
  kernel_ = std::make_unique<netlink::FakeKernel>(kernel_world_);
  agent_ = std::make_unique<agent::Agent>(
      io_, *options,
      agent::Edges{
          .kube = *client_,
          .kernel = *kernel_,
          .lb = maps_,
          .make_speaker = [this](bool restarting) { return std::make_unique<FakeSpeaker>(io_, routers_, restarting); },
          .serve = false});
  scope_ = std::make_unique<Scope>(io_, "script");
  const auto run = [](agent::Agent& a, std::string& failure) -> Task<> {
    const auto r = co_await a.run();
    if (!r) failure = "the agent stopped: " + r.error().message;
  };
  scope_->spawn("agent", run(*agent_, failure_));
}

Result<> World::kube_command(const std::vector<std::string>& w) {
  if (w.size() == 3 && w[1] == "apply") {
    auto text = file(w[2]);
    if (!text) return fail(text.error());
    auto objects = parse_manifest(*text);
    if (!objects) return fail(objects.error());
    for (json::value& o : *objects) {
      const auto* resource = resource_of_kind(std::string(o.at("kind").as_string()));
      if (!resource) return fail(Errc::invalid, "no such kind in script tests: " + json::serialize(o.at("kind")));
      server_.put(*resource, o.as_object());
    }
    return {};
  }
  if (w.size() == 4 && w[1] == "delete") {
    const auto* resource = resource_of_kind(w[2]);
    const auto slash = w[3].find('/');
    const std::string ns = slash == std::string::npos ? "" : w[3].substr(0, slash);
    const std::string name = slash == std::string::npos ? w[3] : w[3].substr(slash + 1);
    if (!resource || !server_.erase(*resource, ns, name)) return fail(Errc::not_found, "nothing to delete");
    return {};
  }
  return fail(Errc::invalid, "use: kube apply FILE | kube delete KIND NS/NAME");
}

Result<> World::mesh_command(const std::vector<std::string>& w) {
  if (!agent_) return fail(Errc::invalid, "start the agent first");
  auto& table = agent_->tables().remote_services;
  if (w.size() == 3 && w[1] == "put") {
    auto text = file(w[2]);
    if (!text) return fail(text.error());
    auto row = mesh::decode_service(*text);
    if (!row) return fail(row.error());
    table.upsert(std::move(*row));
    return {};
  }
  if (w.size() == 3 && w[1] == "expect") {
    table.expect(std::string(kRemoteSourcePrefix) + w[2]);
    return {};
  }
  if (w.size() == 3 && w[1] == "synced") {
    table.initialized_by(std::string(kRemoteSourcePrefix) + w[2]);
    return {};
  }
  if (w.size() == 3 && w[1] == "withdraw") {
    table.replace({}, [&](const ClusterService& s) { return s.cluster == w[2]; });
    return {};
  }
  return fail(Errc::invalid, "use: mesh put FILE | mesh withdraw CLUSTER");
}

std::string World::show(const std::string& view) {
  if (!agent_) return show_bgp(view);
  if (view == "frontends") return frontends_text(agent_->tables().frontends);
  if (view == "lbmaps") return maps_text(maps_);
  if (view == "pods") return pods_text(agent_->tables().local_pods);
  if (view == "tunnel") return tunnel_text(kernel_world_->namespaces[""]);
  if (view == "node") return node_text(server_);
  if (view == "endpoints") return endpoints_text(server_);
  if (view == "ready") return agent_->readiness().ready ? "ready" : agent_->readiness().why;
  if (view == "problems") {
    std::string out;
    for (const auto& p : agent_->problems()) out += p.to_string() + "\n";
    return out;
  }
  if (view == "routes") {
    std::vector<std::string> lines;
    for (const auto& r : kernel_world_->namespaces[""].routes)
      if (r.protocol == netlink::kRouteProtocol)
        lines.push_back(r.destination.to_string() + (r.via ? " via " + r.via->to_string() : ""));
    std::sort(lines.begin(), lines.end());
    std::string out;
    for (const auto& l : lines) out += l + "\n";
    return out;
  }
  return show_bgp(view);
}

std::string World::show_bgp(const std::string& view) {
  if (view == "goodbye") return routers_.goodbye + "\n";
  if (view == "status" || view == "conditions") return status_text(server_, view == "status");
  if (view == "bgp") return wanted_text(routers_);
  auto* bgp = agent_ ? agent_->bgp() : nullptr;
  if (!bgp) return "no BGP";
  auto& controller = bgp->controller();
  std::string out;
  if (view == "why")
    for (const auto& r : bgp::control::why_all(controller.routes()))
      out += fmt::format("{} {} {} to {}: {}{}\n", r.service.empty() ? "node" : r.service, r.type,
                         r.prefix->to_string(), r.peer, r.advertised ? "yes, " : "no, ", r.because);
  if (view == "answers")
    for (const auto& v : bgp::control::why_view(
             bgp::control::why(controller.routes(), {}, controller.waiting_for()).value(), bgp->delivery())) {
      const auto& o = v.get_object();
      if (kube::text_at(o, "peer").empty()) {
        out += kube::text_at(o, "service") + ": " + kube::text_at(o, "because") + "\n";
        continue;
      }
      out += fmt::format("{} to {}: {}", kube::text_at(o, "prefix"), kube::text_at(o, "peer"),
                         o.at("advertised").as_bool() ? "yes" : "no");
      for (const char* key : {"session", "unsent", "refused"})
        if (const auto words = kube::text_at(o, key); !words.empty()) out += fmt::format("; {}: {}", key, words);
      out += "\n";
    }
  if (view == "metrics") {
    metrics::Registry registry;
    registry.collect([bgp](metrics::Samples& samples) { bgp->report(samples); });
    std::istringstream all(registry.text());
    for (std::string line; std::getline(all, line);)
      if (!line.starts_with("#")) out += line + "\n";
  }
  if (view == "notes") {
    for (const auto& text : controller.plan().ignored) out += text + "\n";
    for (const auto& f : controller.findings()) out += f.to_string() + "\n";
  }
  return out;
}

Result<> World::bgp_command(const std::vector<std::string>& w) {
  if (w.size() < 3) return fail(Errc::invalid, "use: bgp up|down|forgets PEER | bgp refuses PEER WORDS");
  if (w[1] == "up") routers_.up.insert(w[2]);
  if (w[1] == "down") routers_.up.erase(w[2]);
  if (w[1] == "forgets") routers_.forgetful.insert(w[2]);
  if (w[1] == "refuses")
    for (std::size_t i = 3; i < w.size(); ++i) routers_.refuse[w[2]] += (i > 3 ? " " : "") + w[i];
  if (agent_ && agent_->bgp()) agent_->bgp()->speaker().changes().notify();
  return {};
}

void World::start_operator() {
  operator_client_ = std::make_unique<kube::Client>(io_, kube::FakeServer::config(), server_.transport());
  operator_ =
      std::make_unique<bgp::control::ClusterController>(*operator_client_, bgp::control::ClusterController::Options{});
  operator_scope_ = std::make_unique<Scope>(io_, "operator");
  operator_scope_->spawn("controller", operator_->run());
}

Task<Result<>> World::expect(std::string view, std::string name) {
  auto wanted = file(name);
  if (!wanted) co_return fail(wanted.error());
  const auto deadline = Steady::now() + kDeadline;
  for (;;) {
    const std::string seen = tidy(show(view));
    if (seen == tidy(*wanted)) co_return Result<>{};
    if (!failure_.empty() || Steady::now() > deadline)
      co_return fail(Errc::timeout, fmt::format("{} is\n{}instead of\n{}", view, seen, tidy(*wanted)));
    co_await sleep_for(2ms);
  }
}

Task<Result<>> World::command(std::vector<std::string> w) {
  if (w[0] == "agent") {
    co_await start_agent(std::move(w));
  } else if (w[0] == "kube") {
    co_return kube_command(w);
  } else if (w[0] == "mesh") {
    co_return mesh_command(w);
  } else if (w[0] == "bgp") {
    co_return bgp_command(w);
  } else if (w[0] == "nic" && w.size() > 2) {
    kernel_world_->add_nic(w[1], {w.begin() + 2, w.end()});
  } else if (w[0] == "pod" && w.size() > 2 && agent_) {
    const auto slash = w[1].find('/');
    LocalPod pod;
    pod.container_id = "container-" + w[1];
    pod.pod_ifname = "eth0";
    pod.pod = {w[1].substr(0, slash), w[1].substr(slash + 1)};
    pod.ifindex = 100 + static_cast<int>(agent_->tables().local_pods.size());
    for (std::size_t i = 2; i < w.size(); ++i)
      if (const auto ip = Address::parse(w[i])) pod.ips.push_back(*ip);
    agent_->tables().local_pods.upsert(std::move(pod));
  } else if (w[0] == "operator") {
    start_operator();
  } else if (w[0] == "stop") {
    co_await stop_agent();
  } else if (w[0] == "expect" && w.size() == 3) {
    auto r = co_await expect(w[1], w[2]);
    co_return r;
  } else if (w[0] == "stays" && w.size() == 3) {
    auto wanted = file(w[2]);
    if (!wanted) co_return fail(wanted.error());
    for (const auto end = Steady::now() + 200ms; Steady::now() < end;) {
      const std::string seen = tidy(show(w[1]));
      if (seen != tidy(*wanted)) co_return fail(Errc::conflict, fmt::format("{} became\n{}", w[1], seen));
      co_await sleep_for(1ms);
    }
  } else if (w[0] == "breaks" && w.size() == 2) {
    if (w[1] == "slices-down")
      server_.intercept = [](const kube::Request& r) -> std::optional<kube::Response> {
        if (r.target.find("endpointslices") == std::string::npos) return std::nullopt;
        return kube::Response{.status = 503};
      };
    if (w[1] == "slices-up") server_.intercept = nullptr;
    if (w[1] == "api-down") server_.set_down(true);
    if (w[1] == "api-down" || w[1] == "watches") server_.break_watches();
    if (w[1] == "api-up") server_.set_down(false);
    if (w[1] == "compaction") server_.compact();
  } else {
    co_return fail(Errc::invalid, "no such command");
  }
  co_return Result<>{};
}

Task<int> World::run() {
  std::istringstream lines(archive_.script);
  int number = 0;
  for (std::string line; std::getline(lines, line) && failure_.empty();) {
    ++number;
    auto w = words(line);
    if (w.empty() || w[0].starts_with("#")) continue;
    auto r = co_await command(std::move(w));
    if (!r) failure_ = fmt::format("line {}: {}\n{}", number, line, r.error().message);
  }
  co_await stop_agent();
  if (operator_scope_) co_await operator_scope_->stop();
  co_return failure_.empty() ? 0 : 1;
}

}  // namespace weft::script
