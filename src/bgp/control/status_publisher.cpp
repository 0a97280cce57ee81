#include "bgp/control/status_publisher.h"

#include <fmt/format.h>

#include <algorithm>

#include "async/backoff.h"
#include "base/log.h"
#include "bgp/control/parse.h"
#include "bgp/control/views.h"

namespace weft::bgp::control {

namespace {

std::string trouble_of(const NodeController& c, const SpeakerEdge& speaker) {
  Findings errors;
  for (const Finding& f : c.plan().findings)
    if (f.severity == Finding::Severity::error) errors.push_back(f);
  std::string out = join(errors);
  for (const PeerFault& f : c.faults())
    out += (out.empty() ? "" : "; ") + (f.peer.empty() ? "instance " + f.instance : "peer " + f.peer) + ": " + f.why;
  for (const auto& text : speaker.troubles()) out += (out.empty() ? "" : "; ") + text;
  return out;
}

}  // namespace

StatusPublisher::StatusPublisher(kube::Client& client, Scope& scope, NodeController& controller, SpeakerEdge& speaker,
                                 Options options)
    : client_(client),
      controller_(controller),
      speaker_(speaker),
      options_(std::move(options)),
      events_(client, scope, "weft-agent", options_.node) {}

void StatusPublisher::record_changes(const std::vector<PeerStatus>& peers) {
  look_at_bfd(peers);
  const auto about = controller_.object_in_force();
  if (about.kind.empty()) return;
  using Type = kube::EventRecorder::Type;
  std::map<PeerName, bool> now;
  for (const PeerStatus& p : peers) {
    const bool up = p.state == SessionState::established;
    now[{p.instance, p.name}] = up;
    const auto before = up_.find({p.instance, p.name});
    const bool was_up = before != up_.end() && before->second;
    if (up == was_up) continue;
    const std::string who = fmt::format("{}: peer {} of instance {}", options_.node, p.name, p.instance);
    if (up) {
      events_.record(about, Type::normal, "BGPPeerEstablished", who + " is established");
    } else {
      events_.record(about, Type::warning, "BGPPeerDown", who + " went down: " + p.down.words);
    }
  }
  up_ = std::move(now);
  const auto news = [&](std::string& last, std::string text, const char* reason) {
    if (!text.empty() && text != last) events_.record(about, Type::warning, reason, options_.node + ": " + text);
    last = std::move(text);
  };
  news(trouble_, trouble_of(controller_, speaker_), "BGPReconcileError");
  std::string without_bfd;
  for (const PeerStatus& p : peers) {
    const auto since = unwatched_.find({p.instance, p.name});
    if (since != unwatched_.end() && Steady::now() - since->second >= options_.bfd_patience)
      without_bfd += fmt::format("{}peer {} of instance {} is up and its BFD is not: {}",
                                 without_bfd.empty() ? "" : "; ", p.name, p.instance, p.bfd);
  }
  if (!without_bfd.empty())
    without_bfd +=
        ". A dead path is noticed by the hold timer only: see bfd.enabled, weft-bfd on the node, and the peer's BFD";
  news(bfd_trouble_, std::move(without_bfd), "BFDNotRunning");
}

void StatusPublisher::look_at_bfd(const std::vector<PeerStatus>& peers) {
  std::map<PeerName, Steady::time_point> now;
  for (const PeerStatus& p : peers) {
    if (p.state != SessionState::established || p.bfd.empty() || p.bfd == "up") continue;
    const PeerName name{p.instance, p.name};
    const auto before = unwatched_.find(name);
    now.emplace(name, before == unwatched_.end() ? Steady::now() : before->second);
  }
  unwatched_ = std::move(now);
}

StatusPublisher::Report StatusPublisher::report(const std::vector<PeerStatus>& peers) const {
  const std::string& source = controller_.plan().source;
  const bool policy = source.starts_with(kPolicyKind);
  Report out;
  const auto condition = [&](const char* type, const char* reason, std::string message) {
    out.conditions.push_back({.type = type,
                              .holds = !message.empty(),
                              .reason = reason,
                              .message = message.empty() ? "it is not so" : message.substr(0, 32000),
                              .observed_generation = controller_.generation_in_force()});
  };
  const bool kept = options_.write_status && !policy;
  if (kept) out.instances = status_instances(peers, controller_.plan());
  condition("cilium.io/BGPReconcileError", "BGPReconcileError", kept ? trouble_ : "");
  condition("weft.io/BFDNotRunning", "BFDNotRunning", kept ? bfd_trouble_ : "");
  condition("weft.io/PeeringPolicyInForce", "PeeringPolicyInForce",
            policy ? source + " is in force on this node; the CiliumBGPNodeConfig waits" : "");
  condition("weft.io/StatusReportOff", "StatusReportOff",
            options_.write_status ? "" : "bgpControlPlane.statusReport.enabled is false: ask `weft bgp peers`");
  out.closing = !options_.write_status;
  return out;
}

Task<Result<>> StatusPublisher::write(Report report) {
  auto now = co_await client_.get(kNodeConfigs, "", options_.node);
  if (!now && now.error().code == Errc::not_found) co_return Result<>{};
  if (!now) co_return fail(now.error());
  const json::object& before = kube::object_at(*now, "status");
  if (report.closing && before.empty()) co_return Result<>{};
  json::array conditions = kube::array_at(before, "conditions");
  for (const kube::Condition& c : report.conditions) {
    // A condition of ours that never held is not worth an entry.
    const bool known = std::any_of(conditions.begin(), conditions.end(), [&](const json::value& v) {
      return v.is_object() && kube::text_at(v.get_object(), "type") == c.type;
    });
    if (known || c.holds || c.type.starts_with("cilium.io/")) kube::set_condition(conditions, c, Wall::now());
  }
  json::object status;
  status["bgpInstances"] = std::move(report.instances);
  status["conditions"] = std::move(conditions);
  const auto r = co_await kube::patch_status(client_, kNodeConfigs, "", options_.node, status);
  if (!r && r.error().code != Errc::not_found) co_return fail(r.error());
  co_return Result<>{};
}

Task<> StatusPublisher::run() {
  Backoff backoff(std::chrono::seconds(1), std::chrono::seconds(60));
  std::string written;
  for (;;) {
    const auto seen = speaker_.changes().version();
    const auto planned = controller_.changes().version();
    const auto peers = speaker_.peers();
    record_changes(peers);
    // Before the first plan nobody knows what is in force.
    if (const auto config = controller_.own_config(); !config.uid.empty() && controller_.passes() > 0) {
      Report now = report(peers);
      std::string text =
          fmt::format("{} {} {}", config.uid, controller_.generation_in_force(), json::serialize(now.instances));
      for (const auto& c : now.conditions) text += fmt::format(" {} {}", c.type, c.message);
      if (text != written) {
        const auto r = co_await write(std::move(now));
        if (r) {
          written = std::move(text);
          backoff.reset();
        } else {
          log::warn("BGP status cannot be written", {{"error", r.error().message}});
          const auto wait = backoff.next();
          co_await sleep_for(wait);
        }
      }
    } else {
      written.clear();
    }
    co_await sleep_for(options_.every);
    if (controller_.changes().version() == planned)
      co_await speaker_.changes().changed_since(seen, options_.counts_every);
  }
}

}  // namespace weft::bgp::control
