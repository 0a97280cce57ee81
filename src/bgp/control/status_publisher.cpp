#include "bgp/control/status_publisher.h"

#include <fmt/format.h>

#include "async/backoff.h"
#include "base/log.h"
#include "bgp/control/views.h"
#include "kube/status.h"

namespace weft::bgp::control {

namespace {

std::string trouble_of(const NodeController& c) {
  Findings errors;
  for (const Finding& f : c.plan().findings)
    if (f.severity == Finding::Severity::error) errors.push_back(f);
  std::string out = join(errors);
  for (const PeerFault& f : c.faults())
    out += (out.empty() ? "" : "; ") + (f.peer.empty() ? "instance " + f.instance : "peer " + f.peer) + ": " + f.why;
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
  const auto about = controller_.object_in_force();
  if (about.kind.empty()) return;
  using Type = kube::EventRecorder::Type;
  std::map<std::pair<std::string, std::string>, bool> now;
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
  const std::string trouble = trouble_of(controller_);
  if (!trouble.empty() && trouble != trouble_)
    events_.record(about, Type::warning, "BGPReconcileError", options_.node + ": " + trouble);
  trouble_ = trouble;
}

Task<Result<>> StatusPublisher::write(json::array instances, std::string trouble, std::int64_t generation) {
  auto now = co_await client_.get(kNodeConfigs, "", options_.node);
  if (!now && now.error().code == Errc::not_found) co_return Result<>{};
  if (!now) co_return fail(now.error());
  json::array conditions = kube::array_at(kube::object_at(*now, "status"), "conditions");
  const kube::Condition condition{.type = "cilium.io/BGPReconcileError",
                                  .holds = !trouble.empty(),
                                  .reason = "BGPReconcileError",
                                  .message = trouble.substr(0, 32000),
                                  .observed_generation = generation};
  kube::set_condition(conditions, condition, Wall::now());
  json::object status;
  status["bgpInstances"] = std::move(instances);
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
    if (options_.write_status && controller_.object_in_force().kind == kNodeConfigKind) {
      json::array instances = status_instances(peers, controller_.plan());
      const auto generation = controller_.generation_in_force();
      std::string text = fmt::format("{} {} {}", json::serialize(instances), trouble_, generation);
      if (text != written) {
        const auto r = co_await write(std::move(instances), trouble_, generation);
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
