#include "apps/agent/bgp.h"

#include <fmt/format.h>

#include <charconv>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/log.h"
#include "bgp/speaker/kernel_routes.h"

namespace weft::agent {

namespace control = bgp::control;
namespace json = boost::json;

namespace {

std::string marker_of(const Options& o) { return o.state_dir + "/bgp-graceful-restart"; }

control::NodeController::Options controller_options(const Options& o) {
  return {.node = o.node_name,
          .cluster = o.cluster_name,
          .secrets_namespace = o.bgp_secrets_namespace,
          .state_dir = o.state_dir,
          .routes = {.services = {.no_endpoints_routable = o.no_service_endpoints_routable},
                     .legacy_origin = o.bgp_legacy_origin}};
}

std::string word(const api::Request& r, const char* key) {
  const auto it = r.query.find(key);
  return it == r.query.end() ? "" : it->second;
}

// Answers of several nodes are shown together: each entry says whose it is.
json::value on_node(json::array entries, const std::string& node) {
  for (auto& e : entries) e.as_object()["node"] = node;
  return entries;
}

Result<control::RouteWords> route_words(const api::Request& r) {
  control::RouteWords out;
  const std::string afi = word(r, "afi"), vrouter = word(r, "vrouter");
  if (afi == "ipv4") out.family = Family::v4;
  if (afi == "ipv6") out.family = Family::v6;
  if (!afi.empty() && !out.family) return fail(Errc::invalid, "afi \"" + afi + "\" is not spoken: use ipv4 or ipv6");
  if (const auto safi = word(r, "safi"); !safi.empty() && safi != "unicast")
    return fail(Errc::invalid, "safi \"" + safi + "\" is not spoken: use unicast");
  if (!vrouter.empty()) {
    bgp::Asn asn = 0;
    const auto [end, ec] = std::from_chars(vrouter.data(), vrouter.data() + vrouter.size(), asn);
    if (ec != std::errc{} || end != vrouter.data() + vrouter.size())
      return fail(Errc::invalid, "vrouter \"" + vrouter + "\" is not an ASN: use a number");
    out.vrouter = asn;
  }
  out.peer = word(r, "peer");
  const auto limit = control::parse_route_limit(word(r, "limit"));
  if (!limit) return fail(limit.error());
  out.limit = *limit;
  return out;
}

}  // namespace

Result<> forget_bgp(const Options& options, netlink::Kernel& kernel) {
  for (const std::string& path :
       {marker_of(options), control::good_states_file(options.state_dir), control::drain_file(options.state_dir)}) {
    std::error_code ignored;
    std::filesystem::remove(path, ignored);
  }
  const auto errors = bgp::KernelRoutes(kernel).apply({}, true);
  if (!errors.empty()) return fail(errors.front());
  return {};
}

BgpPart::BgpPart(kube::Client& client, const Options& options, Tables& tables, netlink::Kernel& kernel,
                 const MakeSpeaker& make_speaker)
    : options_(options),
      tables_(tables),
      marker_(marker_of(options)),
      speaker_(make_speaker(std::filesystem::exists(marker_))),
      controller_(client, controller_options(options),
                  {tables.own_node, tables.services, tables.slices, tables.remote_services, tables.nodes, kernel},
                  *speaker_),
      scope_(client.io(), "bgp"),
      status_(client, scope_, controller_, *speaker_,
              {.node = options.node_name, .write_status = options.bgp_status_report}) {}
BgpPart::~BgpPart() = default;

bool BgpPart::any_graceful_restart() const {
  for (const auto& [name, instance] : controller_.plan().instances)
    for (const auto& peer : instance.config.peers)
      if (peer.graceful_restart) return true;
  return false;
}

Farewell BgpPart::farewell() const {
  const auto node = tables_.own_node.get(options_.node_name);
  return agent::farewell(node.get(), controller_.draining(), controller_.plan());
}

// The marker stands as long as a sudden end would leave peers that keep our routes. Before the first list is complete,
// what the run before left still holds.
void BgpPart::set_marker() {
  const bool wanted = any_graceful_restart();
  if (marked_ == wanted || (!wanted && !controller_.waiting_for().empty())) return;
  std::error_code ec;
  if (!wanted) {
    std::filesystem::remove(marker_, ec);
  } else if (const auto r = write_file(marker_, ""); !r) {
    log::warn("a restart will not be announced as one", {{"error", r.error().message}});
    return;
  }
  marked_ = wanted;
}

Task<> BgpPart::keep_marker() {
  for (;;) {
    const auto seen = controller_.changes().version();
    set_marker();
    co_await controller_.changes().changed_since(seen);
  }
}

void BgpPart::start() {
  scope_.spawn("controller", controller_.run());
  scope_.spawn("status", status_.run());
  scope_.spawn("marker", keep_marker());
}

Task<> BgpPart::stop() {
  co_await scope_.stop();
  if (const Farewell now = farewell(); now != Farewell::drained)
    co_await controller_.say_goodbye(options_.bgp_stop_grace, now == Farewell::shutdown);
  const Farewell why = farewell();  // the kubelet's word may have come meanwhile
  set_marker();
  std::error_code ec;
  if (why != Farewell::restart) std::filesystem::remove(marker_, ec);
  // What the next run will find is what this one leaves: also when it knows no peers yet, and those of the run before
  // still keep our routes.
  const bool graceful = std::filesystem::exists(marker_, ec);
  co_await speaker_->stop(why == Farewell::drained    ? "the node is drained"
                          : why == Farewell::shutdown ? "the node shuts down"
                                                      : "the agent stops",
                          graceful);
}

void BgpPart::add_views(api::Server& server) {
  using Answer = Result<json::value>;
  using Request = const api::Request&;
  server.route_value("GET", "/v1/bgp", [this](Request) -> Answer {
    return control::plan_view(controller_.plan(), controller_.findings(), controller_.faults(),
                              controller_.waiting_for());
  });
  server.route_value("GET", "/v1/bgp/peers", [this](Request) -> Answer {
    return on_node(control::peers_view(speaker_->peers(), controller_.plan(), Wall::now()), options_.node_name);
  });
  using View = json::array (*)(const std::vector<bgp::RouteView>&, const control::Plan&, Wall::time_point);
  const auto routes = [this](bgp::RouteViews (control::SpeakerEdge::*of)(const bgp::RouteQuery&) const,
                             View view = control::routes_view) {
    return [this, of, view](Request r) -> Answer {
      const auto words = route_words(r);
      if (!words) return fail(words.error());
      bgp::RouteViews all;
      for (auto q : control::queries(*words, controller_.plan())) {
        q.limit = words->limit - all.size();
        auto some = (*speaker_.*of)(q);
        all.more += some.more;
        all.insert(all.end(), std::make_move_iterator(some.begin()), std::make_move_iterator(some.end()));
      }
      auto shown = control::with_more(view(all, controller_.plan(), Wall::now()), all.more);
      return on_node(std::move(shown), options_.node_name);
    };
  };
  server.route_value("GET", "/v1/bgp/routes/available",
                     routes(&control::SpeakerEdge::routes_available, control::available_view));
  server.route_value("GET", "/v1/bgp/routes/advertised", routes(&control::SpeakerEdge::routes_advertised));
  server.route_value("GET", "/v1/bgp/routes/received", routes(&control::SpeakerEdge::routes_received));
  server.route_value("GET", "/v1/bgp/why", [this](Request r) -> Answer {
    control::WhyQuestion question;
    if (const auto text = word(r, "prefix"); !text.empty()) {
      const auto prefix = Prefix::parse(text);
      if (!prefix) return fail(prefix.error());
      question.prefix = *prefix;
    } else if (const auto service = word(r, "service"); !service.empty()) {
      const auto slash = service.find('/');
      question.service = ObjectName{slash == std::string::npos ? "default" : service.substr(0, slash),
                                    slash == std::string::npos ? service : service.substr(slash + 1)};
    }
    const auto reasons = control::why(controller_.routes(), question, controller_.waiting_for());
    if (!reasons) return fail(reasons.error());
    return on_node(control::why_view(*reasons, delivery()), options_.node_name);
  });
}

control::Delivery BgpPart::delivery() const {
  return {speaker_->peers(), controller_.faults(), [this](const Prefix& p) { return speaker_->why(p); }};
}

namespace {

// As netip.AddrPort writes it, which is the label of Cilium's collector: 10.0.0.1:179, [fe80::1%eth0]:179. A peer that
// is not found on its link yet has the link's name.
std::string neighbor_of(const bgp::PeerStatus& p) {
  if (!p.address) return fmt::format("{}:{}", p.interface, p.port);
  if (p.address->is_v4()) return fmt::format("{}:{}", p.address->to_string(), p.port);
  const bool zone = p.address->is_link_local() && !p.interface.empty();
  return fmt::format("[{}{}{}]:{}", p.address->to_string(), zone ? "%" : "", zone ? p.interface : "", p.port);
}

std::set<bgp::Asn> routers(const control::Plan& plan) {
  std::set<bgp::Asn> out;
  for (const auto& [name, instance] : plan.instances) out.insert(instance.config.local_as);
  return out;
}

}  // namespace

// cilium-compat section 9.
void BgpPart::report(metrics::Samples& out) const {
  const std::string prefix = "cilium_bgp_control_plane_";
  for (const bgp::PeerStatus& p : speaker_->peers()) {
    const metrics::Labels labels{{"vrouter", std::to_string(p.local_as)},
                                 {"neighbor", neighbor_of(p)},
                                 {"neighbor_asn", std::to_string(p.peer_as)}};
    out.gauge(prefix + "session_state", "1 when the session is established, 0 when it is not.", labels,
              p.state == bgp::SessionState::established ? 1 : 0);
    if (!p.bfd.empty())
      out.gauge("weft_bgp_bfd_up", "1 when the BFD session that the peer asks for is up, 0 when it is not.", labels,
                p.bfd == "up" ? 1 : 0);
    for (const auto& [family, s] : p.families) {
      auto with_family = labels;
      with_family["afi"] = family == bgp::kIpv6Unicast ? "ipv6" : "ipv4";
      with_family["safi"] = "unicast";
      out.gauge(prefix + "advertised_routes", "Routes that the peer has from us.", with_family,
                static_cast<double>(s.advertised));
      out.gauge(prefix + "received_routes", "Routes that we have from the peer.", with_family,
                static_cast<double>(s.received));
    }
  }
  const auto& errors = controller_.errors();
  for (const bgp::Asn asn : routers(controller_.plan())) {
    const auto count = errors.find(asn);
    out.counter(prefix + "reconcile_errors_total", "What could not be done as an object wants it.",
                {{"vrouter", std::to_string(asn)}}, count == errors.end() ? 0 : static_cast<double>(count->second));
  }
}

void BgpPart::add_metrics(metrics::Registry& registry) {
  registry.collect([this](metrics::Samples& out) { report(out); });
  auto* registered = &registry;
  controller_.on_pass = [this, registered](double seconds) {
    for (const bgp::Asn asn : routers(controller_.plan()))
      registered
          ->histogram("cilium_bgp_control_plane_reconcile_run_duration_seconds",
                      "How long one pass from objects to wanted routes took.", {{"vrouter", std::to_string(asn)}},
                      {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5})
          .Observe(seconds);
  };
}

}  // namespace weft::agent
