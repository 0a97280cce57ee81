#include "apps/agent/mesh_report.h"

#include <boost/json.hpp>

#include "apps/agent/problems.h"
#include "async/backoff.h"
#include "base/log.h"
#include "identity/gc.h"
#include "kube/resources.h"

namespace weft::agent {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(5);

api::RemoteStatus remote_of(const RemoteStatus& r) {
  return {.name = r.name,
          .ready = r.ready,
          .why = r.why,
          .cluster_id = r.cluster_id,
          .nodes = r.nodes,
          .services = r.services,
          .endpoints = r.endpoints,
          .identities = r.identities,
          .last_sync = r.last_sync,
          .rtt_ms = r.rtt_ms,
          .reconnections = r.reconnections,
          .failures = r.failures,
          .rejected = r.rejected,
          .rejected_example = r.rejected_example,
          .warnings = r.warnings,
          .endpoints_urls = r.urls,
          .config = {.required = true,
                     .retrieved = r.config_retrieved,
                     .cluster_id = r.cluster_id,
                     .synced_canaries = r.synced_canaries,
                     .cached = r.cached,
                     .max_connected_clusters = r.max_connected_clusters,
                     .service_exports = r.service_exports},
          .synced_nodes = r.synced_nodes,
          .synced_services = r.synced_services,
          .synced_endpoints = r.synced_endpoints,
          .synced_identities = r.synced_identities};
}

// Replaces the object, or makes it. A merge patch would leave nothing behind either, but an owner reference that
// names a Node of an earlier life must go.
Task<Result<>> write(kube::Client& client, boost::json::object object) {
  const std::string ns(object.at("metadata").at("namespace").as_string());
  const std::string name(object.at("metadata").at("name").as_string());
  auto present = co_await client.get(kube::kConfigMaps, ns, name);
  if (!present && present.error().code != Errc::not_found) co_return fail(present.error());
  if (!present) {
    auto made = co_await client.create(kube::kConfigMaps, ns, object);
    if (!made) co_return fail(made.error());
    co_return Result<>{};
  }
  object["metadata"].as_object()["resourceVersion"] = present->at("metadata").at("resourceVersion");
  auto updated = co_await client.update(kube::kConfigMaps, ns, object);
  if (!updated) co_return fail(updated.error());
  co_return Result<>{};
}

}  // namespace

api::MeshStatus mesh_status_of(const Options& options, const Table<RemoteStatus>& remotes,
                               std::vector<api::Problem> problems, Wall::time_point now) {
  api::MeshStatus out{.node = options.node_name,
                      .cluster = options.cluster_name,
                      .cluster_id = options.cluster_id,
                      .updated = now,
                      .version = WEFT_VERSION};
  remotes.for_each([&](const RemoteStatus& r) { out.remotes.push_back(remote_of(r)); });
  out.problem_count = problems.size();
  problems.resize(std::min(problems.size(), kProblemsReported));
  out.problems = std::move(problems);
  return out;
}

Task<> publish_mesh_status(kube::Client& client, const Options& options, Tables& tables, TellProblems problems) {
  identity::Suspects<api::Problem> lasting(kProblemLasts);
  std::optional<api::MeshStatus> published;
  Steady::time_point published_at{};
  Backoff backoff(std::chrono::milliseconds(500), std::chrono::seconds(30));
  const std::string own = client.config().ns.empty() ? "kube-system" : client.config().ns;
  const std::string ns = options.mesh_status_namespace.empty() ? own : options.mesh_status_namespace;
  for (;;) {
    const auto seen = tables.remotes.notifier().version();
    const auto all = problems();
    const auto now =
        mesh_status_of(options, tables.remotes, lasting.look({all.begin(), all.end()}, Steady::now()), Wall::now());
    const auto due = published_at + api::publish_delay(published ? &*published : nullptr, now);
    const auto left = due - Steady::now();
    if (left > std::chrono::nanoseconds(0)) {
      // Nobody wakes us for a problem.
      const auto wait = std::min<std::chrono::nanoseconds>(left, kLookEvery);
      co_await tables.remotes.notifier().changed_since(seen, wait);
      continue;
    }
    const auto self = tables.own_node.get(options.node_name);
    auto object = api::mesh_status_object(now, ns, self ? self->uid : "");
    auto r = co_await write(client, std::move(object));
    if (r) {
      published = now;
      published_at = Steady::now();
      backoff.reset();
    } else {
      log::warn("mesh status not published", {{"error", r.error().message}});
      co_await sleep_for(backoff.next());
    }
  }
}

}  // namespace weft::agent
