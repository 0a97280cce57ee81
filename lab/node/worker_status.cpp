// What the API server is told of a pod: its status and events.
#include <fmt/format.h>

#include "base/encoding.h"
#include "base/log.h"
#include "lab/node/worker.h"

namespace weft::lab {
using namespace std::chrono_literals;

PodView PodWorker::view() const {
  PodView v;
  v.pod = &pod_;
  for (const Container& c : containers_) (c.init ? v.init : v.containers).emplace_back(&c.spec, &c.state);
  v.sandbox = sandbox_ready_;
  v.initialized = initialized_;
  v.pod_ips = pod_ips_;
  v.host_ips = context_.options.node_ips;
  v.start_time = start_time_;
  return v;
}

Task<Result<>> PodWorker::publish() {
  if (gone_) co_return Result<>{};
  json::object status = pod_status(view(), Wall::now());
  if (status == sent_) co_return Result<>{};
  const json::value patch = json::object{{"metadata", {{"uid", pod_.uid}}}, {"status", status}};
  kube::PatchOptions options;
  options.subresource = "status";
  auto r =
      co_await context_.client.patch(kube::kPods, pod_.name.ns, pod_.name.name, kube::PatchType::merge, patch, options);
  if (r) {
    sent_ = std::move(status);
    co_return Result<>{};
  }
  // Gone, or another pod under its name: its reflector will tell.
  if (r.error().code == Errc::not_found || r.error().code == Errc::conflict) co_return Result<>{};
  co_return fail(r.error());
}

Task<> PodWorker::publish_loop() {
  for (;;) {
    const auto seen = notifier_.version();
    auto r = co_await publish();
    if (!r) {
      log::warn("pod status not written", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
      co_await sleep_for(1s);
      continue;
    }
    co_await notifier_.changed_since(seen);
  }
}

void PodWorker::event(const std::string& type, const std::string& reason, const std::string& message) {
  // The same trouble again is no news.
  if (last_event_ == reason + message) return;
  last_event_ = reason + message;
  log::info("event", {{"pod", pod_.name.to_string()}, {"reason", reason}, {"message", message}});
  const auto now = rfc3339(Wall::now());
  json::object e = {
      {"apiVersion", "v1"},
      {"kind", "Event"},
      {"metadata",
       {{"name", fmt::format("{}.{}", pod_.name.name, hex_encode(random_bytes(8)))}, {"namespace", pod_.name.ns}}},
      {"involvedObject",
       {{"kind", "Pod"},
        {"apiVersion", "v1"},
        {"namespace", pod_.name.ns},
        {"name", pod_.name.name},
        {"uid", pod_.uid}}},
      {"reason", reason},
      {"message", message.substr(0, 1000)},
      {"type", type},
      {"count", 1},
      {"firstTimestamp", now},
      {"lastTimestamp", now},
      {"source", {{"component", "kubelet"}, {"host", context_.options.node_name}}}};
  scope_.spawn("event", send_event(std::move(e)));
}

Task<> PodWorker::send_event(json::object e) {
  auto r = co_await context_.client.create(kube::kEvents, pod_.name.ns, e);
  if (!r) log::debug("event not written", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
}

}  // namespace weft::lab
