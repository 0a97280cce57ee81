#include "apps/agent/agent.h"

#include <fmt/format.h>

#include <filesystem>

#include "api/metrics.h"
#include "api/server.h"
#include "apps/agent/mesh_report.h"
#include "apps/agent/sources.h"
#include "apps/agent/views.h"
#include "async/backoff.h"
#include "base/log.h"
#include "datapath/metrics.h"
#include "identity/allocator.h"
#include "identity/endpoint_publisher.h"
#include "identity/node_publisher.h"
#include "mesh/config_dir.h"
#include "mesh/metrics.h"
#include "pods/endpoint_manager.h"
#include "pods/install.h"
#include "pods/pods_api.h"
#include "routing/router.h"
#include "services/controller.h"

namespace weft::agent {
namespace {

std::vector<Address> internal_ips(const kube::CoreNode& node) {
  std::vector<Address> out;
  for (const NodeAddress& a : node.addresses) {
    if (a.type != NodeAddressType::internal_ip) continue;
    if (const auto ip = Address::parse(a.value)) out.push_back(*ip);
  }
  return out;
}

// Those under which the node is known to pods. (Between nodes all count, or two ends of a tunnel would see different
// sets of them.)
std::vector<Address> enabled(std::vector<Address> ips, const Options& o) {
  std::erase_if(ips, [&](const Address& ip) { return ip.is_v4() ? !o.ipv4 : !o.ipv6; });
  return ips;
}

std::vector<Prefix> native_routing_cidrs(const Options& o) {
  std::vector<Prefix> out;
  for (const auto& p : {o.native_routing_cidr4, o.native_routing_cidr6})
    if (p) out.push_back(*p);
  return out;
}

std::string zone_of(const kube::CoreNode& node) {
  const auto it = node.labels.find("topology.kubernetes.io/zone");
  return it == node.labels.end() ? "" : it->second;
}

}  // namespace

struct Agent::Parts {
  Parts(asio::io_context& io_in, Options o, Edges e)
      : io(io_in),
        options(std::move(o)),
        edges(std::move(e)),
        tables(io),
        sources(edges.kube, options, tables),
        scope(io, "agent"),
        lb(io, edges.lb, {.cut_udp = edges.cut_udp}),
        lb_loop(tables.frontends, lb),
        endpoints(edges.kernel, tables.local_pods, {.state_dir = options.state_dir}),
        pods_api(endpoints),
        allocator(edges.kube, tables.identities, options.cluster_name,
                  identity_range(options.cluster_id, options.max_connected_clusters)),
        node_publisher(edges.kube, tables.nodes),
        routes{.mode = options.routing,
               .local = {options.cluster_name, options.node_name},
               .auto_direct_node_routes = options.auto_direct_node_routes,
               .tunnel_port = options.tunnel_port,
               .underlay = options.underlay,
               .mtu = options.mtu,
               .masquerade_v4 = options.masquerade_v4 && options.ipv4,
               .masquerade_v6 = options.masquerade_v6 && options.ipv6,
               .native_routing_cidrs = native_routing_cidrs(options)},
        socket(io, options.socket_path),
        health(io, fmt::format("tcp://127.0.0.1:{}", options.health_port)),
        scrapes(io, "tcp://" + options.metrics_address.value_or(SocketAddress{}).to_string()) {}

  asio::io_context& io;
  Options options;
  Edges edges;
  Tables tables;
  Sources sources;
  Scope scope;
  LbReconciler lb;
  Reconciler<Frontend> lb_loop;
  pods::EndpointManager endpoints;
  pods::PodsApi pods_api;
  identity::IdentityAllocator allocator;
  identity::NodePublisher node_publisher;
  const routing::Config routes;
  metrics::Registry metrics;
  api::Server socket;
  api::Server health;
  api::Server scrapes;
  // Made once our own Node object is known.
  std::unique_ptr<services::ServiceController> services;
  std::unique_ptr<routing::NodeRouter> router;
  std::unique_ptr<identity::EndpointPublisher> endpoint_publisher;
  std::unique_ptr<mesh::ConfigDir> mesh;
  std::unique_ptr<BgpPart> bgp;
  std::string network_trouble = "no pod CIDR yet";  // empty once pods can be attached
  std::string waiting_for = "the first answer of the Kubernetes API";
  std::string address_trouble;  // why the addresses of the Node are not followed; empty when they are

  Task<std::shared_ptr<const kube::CoreNode>> own_node();
  Task<> follow_node(std::vector<Address> applied);
  void follow_addresses(const kube::CoreNode& node, std::vector<Address>& applied);
  Task<> follow_pod_cidrs();
  Result<> open_network(const std::vector<Prefix>& pod_cidrs);
  void publish_node(const kube::CoreNode& node);
  std::vector<api::Problem> problems() const;
  Result<> install_plugin();
  Task<> join_mesh();
  void serve();
};

Agent::Agent(asio::io_context& io, Options options, Edges edges)
    : parts_(std::make_unique<Parts>(io, std::move(options), std::move(edges))) {}
Agent::~Agent() = default;

Task<> Agent::stop() {
  if (parts_->bgp) co_await parts_->bgp->stop();
  co_await parts_->scope.stop();
  if (parts_->mesh) co_await parts_->mesh->stop();
}

Tables& Agent::tables() { return parts_->tables; }
std::vector<api::Problem> Agent::problems() const { return parts_->problems(); }
BgpPart* Agent::bgp() { return parts_->bgp.get(); }

std::vector<std::string> Agent::socket_namespaces() const {
  std::vector<std::string> out{"/proc/self/ns/net"};
  parts_->tables.local_pods.for_each([&](const LocalPod& p) { out.push_back(p.netns); });
  return out;
}

Agent::Readiness Agent::readiness() const {
  const Parts& p = *parts_;
  if (!p.waiting_for.empty()) return {false, "waiting for " + p.waiting_for};
  if (!p.network_trouble.empty()) return {false, p.network_trouble};
  if (!p.lb_loop.health().pruned) return {false, "services are not all in the maps yet"};
  if (p.router && !p.router->status().settled) return {false, "routes to the nodes are not all set yet"};
  return {true, ""};
}

// Our Node object, with addresses: without them we do not know who we are on the network.
Task<std::shared_ptr<const kube::CoreNode>> Agent::Parts::own_node() {
  Table<kube::CoreNode>::Stream changes(tables.own_node);
  for (bool told = false;;) {
    changes.next();
    auto node = tables.own_node.get(options.node_name);
    if (node && !enabled(internal_ips(*node), options).empty()) co_return node;
    waiting_for = node ? fmt::format("an InternalIP of node {} in an enabled family", options.node_name)
                       : fmt::format("the Node object {}", options.node_name);
    if (!told && tables.own_node.initialized()) log::info("waiting", {{"for", waiting_for}});
    told = tables.own_node.initialized();
    co_await changes.changed();
  }
}

// What a person changes at the Node object while we run: labels, zone and addresses.
Task<> Agent::Parts::follow_node(std::vector<Address> applied) {
  for (;;) {
    const auto seen = tables.own_node.notifier().version();
    if (const auto node = tables.own_node.get(options.node_name)) {
      services->set_zone(zone_of(*node));
      follow_addresses(*node, applied);
      if (network_trouble.empty()) publish_node(*node);
    }
    co_await tables.own_node.notifier().changed_since(seen);
  }
}

void Agent::Parts::follow_addresses(const kube::CoreNode& node, std::vector<Address>& applied) {
  auto ips = internal_ips(node);
  if (enabled(ips, options).empty()) {
    const std::string trouble = fmt::format(
        "node {} has no InternalIP in an enabled family any more: give it one in status.addresses; routes "
        "and endpoints keep {}",
        options.node_name, applied.front().to_string());
    if (trouble != address_trouble) log::error("addresses of the node", {{"error", trouble}});
    address_trouble = trouble;
    return;
  }
  address_trouble.clear();
  if (ips == applied) return;
  applied = std::move(ips);
  const auto underlay = routing::detect_underlay(edges.kernel, applied);
  log::info("the node's addresses changed",
            {{"first", applied.front().to_string()}, {"device", underlay ? underlay->device : "none yet"}});
  if (underlay) endpoints.set_mtu(routing::pod_mtu(routes, *underlay));
  router->set_node_ips(applied);
  endpoint_publisher->set_node_addresses(enabled(applied, options));
}

// The node's podCIDRs may come late and may grow: addresses are handed out as soon as there are some, and only then
// is the runtime told that there is a network.
Task<> Agent::Parts::follow_pod_cidrs() {
  std::vector<Prefix> applied;
  Backoff backoff(std::chrono::milliseconds(200), std::chrono::seconds(30));
  for (;;) {
    const auto seen = tables.own_node.notifier().version();
    const auto node = tables.own_node.get(options.node_name);
    std::vector<Prefix> wanted;
    if (node)
      for (const Prefix& p : node->pod_cidrs)
        if (p.family() == Family::v4 ? options.ipv4 : options.ipv6) wanted.push_back(p);
    if (wanted.empty()) {
      network_trouble = fmt::format(
          "node {} has no pod CIDR: give Node.spec.podCIDRs (kube-controller-manager --allocate-node-cidrs)",
          options.node_name);
      log::warn("no pod network yet", {{"why", network_trouble}});
    } else if (wanted != applied || !network_trouble.empty()) {
      const auto done = open_network(wanted);
      network_trouble = done ? "" : done.error().message;
      if (!done) {
        // A busy kernel or a read-only folder: neither changes the Node, so nobody else would wake us.
        log::error("pod network", {{"error", network_trouble}});
        const auto wait = backoff.next();
        co_await tables.own_node.notifier().changed_since(seen, wait);
        continue;
      }
      applied = wanted;
      backoff.reset();
      publish_node(*node);
    }
    co_await tables.own_node.notifier().changed_since(seen);
  }
}

void Agent::Parts::publish_node(const kube::CoreNode& node) {
  node_publisher.set(identity::describe_node(node, {options.cluster_name, options.cluster_id}, endpoints.gateways()),
                     node.uid);
}

std::vector<api::Problem> Agent::Parts::problems() const {
  Problems out;
  out.add("", "", waiting_for.empty() ? "" : "waiting for " + waiting_for);
  out.add("Node", options.node_name, address_trouble);
  if (waiting_for.empty()) out.add("", "", network_trouble);
  out.add("CiliumNode", options.node_name, node_publisher.error());
  sources.add_problems(out);
  out.add_frontends(lb_loop.health(), tables.frontends);
  if (services)
    for (auto& u : services->unserved()) out.add("Service", u.frontend.service.to_string(), std::move(u.why));
  if (router)
    for (auto& problem : router->status().problems) out.add("", "", std::move(problem));
  out.add_endpoints(tables.endpoints, endpoint_publisher ? &endpoint_publisher->health() : nullptr);
  return std::move(out).take();
}

Result<> Agent::Parts::open_network(const std::vector<Prefix>& pod_cidrs) {
  WEFT_TRY(endpoints.set_pod_cidrs(pod_cidrs));
  return options.cni_conf_dir.empty() ? Result<>{} : install_plugin();
}

Result<> Agent::Parts::install_plugin() {
  std::error_code ec;
  const auto plugin = std::filesystem::read_symlink("/proc/self/exe", ec).parent_path() / "weft-cni";
  return pods::install_cni({.plugin = options.cni_bin_dir.empty() ? "" : plugin.string(),
                            .bin_dir = options.cni_bin_dir.empty() ? "/opt/cni/bin" : options.cni_bin_dir,
                            .conf_dir = options.cni_conf_dir,
                            .socket_path = options.socket_path,
                            .state_dir = options.state_dir});
}

// Remote clusters come when our own nodes are known, since their pod CIDRs are checked against ours. Until the first
// look at the configuration no table counts as complete: a restart must not prune what a remote gave us before.
Task<> Agent::Parts::join_mesh() {
  const std::string source = "mesh configuration";
  Table<Node>::Stream changes(tables.nodes);
  for (;;) {
    changes.next();
    if (tables.nodes.waiting_for() == std::set<std::string>{source}) break;
    co_await changes.changed();
  }
  mesh = std::make_unique<mesh::ConfigDir>(
      io, mesh::LocalCluster{options.cluster_name, options.cluster_id, options.max_connected_clusters},
      mesh::ConfigDir::Options{
          .path = options.clustermesh_config,

          .remote = {.sync_timeout = options.clustermesh_sync_timeout, .cache_ttl = options.clustermesh_cache_ttl}},
      mesh::Tables{tables.nodes, tables.remote_services, tables.ips, tables.identities, tables.remotes});
  scope.spawn("mesh configuration", mesh->run());
  co_await yield();  // the first look registers what it found
  tables.nodes.initialized_by(source);
  tables.remote_services.initialized_by(source);
}

void Agent::Parts::serve() {
  add_views(
      socket, options, tables, lb, lb_loop.health(), edges.lb, [this] { return problems(); },
      [this] { return services ? services->unserved() : std::vector<Unserved>(); });
  socket.route("POST", "/v1/cni", [this](api::Request request) -> Task<api::Response> {
    const auto reply = [](pods::PodsApi& api, api::Request r) -> Task<api::Response> {
      auto body = r.json_body();
      if (!body) co_return api::Response::of(body.error());
      auto answer = co_await api.handle(std::move(*body));
      co_return api::Response::of(answer);
    };
    return reply(pods_api, std::move(request));
  });
  metrics.collect([this](metrics::Samples& out) { mesh::collect_metrics(out, tables.remotes); });
  metrics.collect([this](metrics::Samples& out) { collect_metrics(out, lb.state(), edges.lb); });
  api::add_metrics(socket, metrics);
  api::add_metrics(scrapes, metrics);
  const auto run = [](api::Server& s) -> Task<> { co_await s.run(); };
  scope.spawn("api socket", run(socket));
  if (options.health_port != 0) scope.spawn("health", run(health));
  if (options.metrics_address) scope.spawn("metrics", run(scrapes));
}

Task<Result<>> Agent::run() {
  Parts& p = *parts_;
  // Alive and ready are two things: what a remote cluster or a Node object gets wrong must not restart us.
  p.health.route_value("GET", "/livez", [](const api::Request&) -> Result<boost::json::value> {
    return boost::json::value{{"status", "ok"}};
  });
  p.health.route_value("GET", "/healthz", [this](const api::Request&) -> Result<boost::json::value> {
    const auto r = readiness();
    if (!r.ready) return fail(Errc::unavailable, r.why);
    return boost::json::value{{"status", "ok"}};
  });

  // What a previous run left keeps serving while we read the world.
  auto adopted = p.lb.adopt();
  if (!adopted) co_return fail(adopted.error().in("service maps"));
  if (auto r = p.endpoints.start({}); !r) co_return fail(r.error().in("restoring pods"));
  log::info("started", {{"node", p.options.node_name},
                        {"cluster", p.options.cluster_name},
                        {"frontends kept", *adopted},
                        {"pods kept", p.tables.local_pods.size()}});

  if (p.options.cluster_id != 0) {
    p.tables.nodes.expect("mesh configuration");
    p.tables.remote_services.expect("mesh configuration");
    p.scope.spawn("mesh", p.join_mesh());
  }
  p.sources.start(p.scope);
  if (p.options.bgp && p.edges.make_speaker) {
    p.bgp = std::make_unique<BgpPart>(p.edges.kube, p.options, p.tables, p.edges.kernel, p.edges.make_speaker);
    p.bgp->add_views(p.socket);
    p.bgp->add_metrics(p.metrics);
    p.bgp->start();
  } else if (!p.options.bgp) {
    if (const auto r = forget_bgp(p.options, p.edges.kernel); !r)
      log::warn("routes that BGP learned stay", {{"error", r.error().message}});
  }
  if (p.edges.serve) p.serve();
  const auto self = co_await p.own_node();
  const auto ips = internal_ips(*self);

  const services::Site site{.cluster = p.options.cluster_name,
                            .node = p.options.node_name,
                            .zone = zone_of(*self),
                            .service_topology = p.options.service_topology,
                            .default_algorithm = p.options.lb_algorithm,
                            .ipv4 = p.options.ipv4,
                            .ipv6 = p.options.ipv6};
  p.services = std::make_unique<services::ServiceController>(
      site, p.tables.services, p.tables.slices, p.tables.remote_services, p.tables.frontends,
      services::ServiceController::Start{.inherited = p.lb.state().remote_backends(),
                                         .with_remotes = !p.edges.lb.serving()});
  p.scope.spawn("service merge", p.services->run());
  p.scope.spawn("service maps", p.lb_loop.run());

  auto underlay = routing::detect_underlay(p.edges.kernel, ips);
  if (!underlay) co_return fail(underlay.error().in("the network between nodes"));
  p.endpoints.set_mtu(routing::pod_mtu(p.routes, *underlay));
  p.router = std::make_unique<routing::NodeRouter>(p.io, p.edges.kernel, p.tables.nodes, p.routes, ips,
                                                   std::move(p.edges.monitor));
  p.router->start(p.scope);
  p.endpoint_publisher = std::make_unique<identity::EndpointPublisher>(
      p.edges.kube, p.allocator,
      identity::EndpointPublisher::Tables{p.tables.local_pods, p.tables.pods, p.tables.namespaces,
                                          p.tables.cilium_endpoints, p.tables.identities, p.tables.endpoints},
      identity::EndpointPublisherOptions{.cluster = p.options.cluster_name,
                                         .node = p.options.node_name,
                                         .node_addresses = enabled(ips, p.options),
                                         .filter = p.options.labels});
  p.scope.spawn("endpoints", p.endpoint_publisher->run());
  p.scope.spawn("cilium node", p.node_publisher.run());
  p.scope.spawn("pod CIDRs", p.follow_pod_cidrs());
  p.scope.spawn("node", p.follow_node(ips));
  p.scope.spawn("status", publish_mesh_status(p.edges.kube, p.options, p.tables, [&p] { return p.problems(); }));
  p.waiting_for.clear();

  Notifier never(p.io);
  co_await never.changed_since(never.version());
  co_return Result<>{};
}

}  // namespace weft::agent
