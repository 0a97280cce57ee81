#include "lab/node/worker.h"

#include <fmt/format.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/encoding.h"
#include "base/file.h"
#include "base/log.h"
#include "lab/node/async_process.h"
#include "lab/node/files.h"
#include "lab/sys/cgroup.h"

namespace weft::lab {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

Task<Result<>> ip(std::vector<std::string> args) {
  SpawnOptions o;
  o.argv = {"ip"};
  o.argv.insert(o.argv.end(), args.begin(), args.end());
  std::string input;
  auto r = co_await run_process(std::move(o), std::move(input), 30s);
  if (!r) co_return fail(r.error());
  if (r->code != 0) co_return fail(Errc::internal, fmt::format("ip {}: {}", fmt::join(args, " "), r->out));
  co_return Result<>{};
}

}  // namespace

PodWorker::PodWorker(NodeContext& context, Pod pod, json::object record)
    : context_(context),
      pod_(std::move(pod)),
      scope_(context.client.io(), "pod " + pod_.name.to_string()),
      notifier_(context.client.io()),
      volumes_(context.client, context.objects, context.options.pods_dir + "/" + pod_.uid + "/volumes"),
      start_time_(rfc3339(Wall::now())) {
  for (const bool init : {true, false})
    for (const ContainerSpec& spec : init ? pod_.init_containers : pod_.containers) {
      Container c;
      c.spec = spec;
      c.init = init;
      if (!init && !pod_.init_containers.empty()) c.state.reason = "PodInitializing";
      containers_.push_back(std::move(c));
    }
  if (pod_.host_network) pod_ips_ = context_.options.node_ips;
  if (!record.empty()) load(record);
}

std::string PodWorker::netns() const {
  return sandbox_id_.empty() ? "" : "/run/netns/cni-" + sandbox_id_.substr(0, 16);
}

void PodWorker::update(Pod pod) {
  const bool was_stopping = stopping();
  // The spec of a running pod does not change in what we use of it; labels, annotations and deletion do.
  pod_ = std::move(pod);
  volumes_.update(pod_);
  if (stopping() && !was_stopping) event("Normal", "Killing", "Stopping the pod's containers");
  changed();
}

void PodWorker::gone() {
  gone_ = true;
  // Removed by force: no grace was asked for.
  if (pod_.deleting && pod_.grace <= 0s) pod_.grace = 1s;
  changed();
}

Task<> PodWorker::wait(std::chrono::milliseconds limit) {
  const auto seen = notifier_.version();
  const bool woken = co_await notifier_.changed_since(seen, limit);
  (void)woken;
}

Task<> PodWorker::run() {
  scope_.spawn("status", publish_loop());
  scope_.spawn("life", set_up());
  while (!stopping()) {
    // A pod whose containers are all over keeps its status and gives up its network.
    const bool all_over = std::ranges::all_of(containers_, [](const Container& c) { return c.over; });
    if (all_over && !finished_) {
      finished_ = true;
      co_await remove_sandbox();
      changed();
    }
    co_await wait(60s);
  }
  co_await tear_down();
}

// ---- the walk through life

Task<> PodWorker::set_up() {
  save();
  if (finished_) co_return;
  if (!pod_.host_network) {
    // Left in the middle of ADD by an earlier weft-lab-node.
    if (!sandbox_ready_) co_await remove_sandbox();
    while (!sandbox_ready_) {
      if (stopping()) co_return;
      const bool made = co_await make_sandbox();
      if (!made) co_await wait(2s);
    }
  }
  sandbox_ready_ = true;
  changed();
  co_await prepare_volumes();
  if (stopping()) co_return;
  scope_.spawn("volumes", volumes_.keep());
  co_await run_init_containers();
  if (stopping() || !initialized_) co_return;
  for (Container& c : containers_)
    if (!c.init && !c.launched) {
      c.launched = true;
      scope_.spawn(c.spec.name, container_loop(c));
    }
}

Task<bool> PodWorker::make_sandbox() {
  auto network = load_cni(context_.options.cni_conf_dir);
  if (!network) {
    event("Warning", "NetworkNotReady", "network is not ready: " + network.error().message);
    for (Container& c : containers_) c.state.message = network.error().message;
    changed();
    co_return false;
  }
  sandbox_id_ = hex_encode(random_bytes(32));
  network_ = *network;
  attached_ = true;
  save();
  const std::string name = netns().substr(sizeof("/run/netns/") - 1);
  std::vector<std::string> add = {"netns", "add", name};
  auto made = co_await ip(std::move(add));
  if (made) {
    std::vector<std::string> lo = {"-n", name, "link", "set", "lo", "up"};
    made = co_await ip(std::move(lo));
  }
  Result<json::object> result = fail(Errc::internal, made ? "" : made.error().message);
  if (made) {
    CniAttachment a{sandbox_id_, netns(), "eth0", pod_.name.ns, pod_.name.name, pod_.uid};
    CniNetwork n = *network_;
    result = co_await context_.cni.add(std::move(n), std::move(a));
  }
  if (!result) {
    const std::string message = fmt::format("Failed to create pod sandbox: {}", result.error().message);
    event("Warning", "FailedCreatePodSandBox", message);
    for (Container& c : containers_) c.state.message = message;
    // cni.add has undone what it did.
    attached_ = false;
    std::vector<std::string> del = {"netns", "del", name};
    auto deleted = co_await ip(std::move(del));
    sandbox_id_.clear();
    save();
    changed();
    co_return false;
  }
  cni_result_ = *result;
  pod_ips_ = result_addresses(cni_result_);
  sandbox_ready_ = true;
  for (Container& c : containers_) c.state.message.clear();
  save();
  changed();
  co_return true;
}

Task<> PodWorker::prepare_volumes() {
  for (;;) {
    Pod pod = pod_;
    DownwardStatus status = downward();
    auto r = co_await volumes_.prepare(std::move(pod), std::move(status));
    if (r) {
      volumes_ready_ = true;
      changed();
    }
    if (r || stopping()) co_return;
    event("Warning", "FailedMount", "MountVolume.SetUp failed for " + r.error().message);
    for (Container& c : containers_)
      if (c.state.phase == ContainerState::Phase::waiting) c.state.message = r.error().message;
    changed();
    co_await wait(1s);
  }
}

Task<> PodWorker::run_init_containers() {
  for (Container& c : containers_) {
    if (!c.init) continue;
    if (!c.launched) {
      c.launched = true;
      scope_.spawn(c.spec.name, container_loop(c));
    }
    while (!stopping() && !(c.spec.sidecar ? c.state.started : c.over)) co_await wait(60s);
    if (stopping()) co_return;
    if (c.over && c.state.ended.code != 0) {
      // It failed for good: the containers behind it never run.
      for (Container& other : containers_) other.over = other.over || !other.launched;
      changed();
      co_return;
    }
  }
  initialized_ = true;
  for (Container& c : containers_)
    if (!c.init && c.state.reason == "PodInitializing") c.state.reason = "ContainerCreating";
  save();
  changed();
}

Task<> PodWorker::tear_down() {
  // Main containers first, sidecars after them, as since Kubernetes 1.29.
  for (const bool init : {false, true}) {
    for (;;) {
      // One that was just being started shows up late.
      for (Container& c : containers_)
        if (c.init == init && c.run && !c.killing)
          scope_.spawn("stop " + c.spec.name, stop_container(c, "the pod is being deleted"));
      const bool running = std::ranges::any_of(
          containers_, [&](const Container& c) { return c.init == init && (c.run || (c.launched && !c.over)); });
      if (!running) break;
      co_await wait(1s);
    }
  }
  co_await scope_.stop();
  // Whatever was being started when the end came.
  const std::string cgroup = fmt::format("{}/kubepods/pod{}", context_.runtime.cgroups, pod_.uid);
  if (const auto r = kill_cgroup(cgroup, 5s); !r)
    log::warn("pod's processes", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
  for (Container& c : containers_) c.state.ready = c.state.started = false;
  auto published = co_await publish();
  co_await remove_sandbox();
  if (const auto r = remove_cgroup(cgroup); !r)
    log::warn("pod's cgroup", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
  std::error_code ec;
  fs::remove_all(context_.options.pods_dir + "/" + pod_.uid, ec);
  co_await delete_object();
  co_await scope_.stop();
  fs::remove_all(folder(), ec);
}

Task<> PodWorker::remove_sandbox() {
  if (pod_.host_network || sandbox_id_.empty()) co_return;
  // The plugin may have to wait for its agent; the kernel's part goes with the namespace in any case.
  const auto deadline = Steady::now() + 60s;
  while (attached_) {
    CniAttachment a{sandbox_id_, netns(), "eth0", pod_.name.ns, pod_.name.name, pod_.uid};
    CniNetwork n = *network_;
    json::object result = cni_result_;
    auto r = co_await context_.cni.remove(std::move(n), std::move(a), std::move(result));
    if (r) {
      attached_ = false;
    } else if (Steady::now() > deadline) {
      log::warn("network not released by its plugin", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
      attached_ = false;
    } else {
      event("Warning", "FailedKillPod", "error killing pod: " + r.error().message);
      co_await sleep_for(1s);
    }
  }
  std::vector<std::string> del = {"netns", "del", netns().substr(sizeof("/run/netns/") - 1)};
  auto r = co_await ip(std::move(del));
  if (!r) log::warn("network namespace", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
  sandbox_id_.clear();
  sandbox_ready_ = false;
  save();
}

Task<> PodWorker::delete_object() {
  while (!gone_) {
    kube::DeleteOptions options;
    options.grace_period_seconds = 0;
    options.uid = pod_.uid;
    auto r = co_await context_.client.remove(kube::kPods, pod_.name.ns, pod_.name.name, options);
    // Conflict: the name belongs to another pod now.
    if (r || r.error().code == Errc::not_found || r.error().code == Errc::conflict) co_return;
    log::warn("pod not deleted from the API", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
    co_await sleep_for(1s);
  }
}

}  // namespace weft::lab
