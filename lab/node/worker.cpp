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

std::string netns_path(const std::string& sandbox_id) {
  return sandbox_id.empty() ? "" : "/run/netns/cni-" + sandbox_id.substr(0, 16);
}

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

CniNetwork network_from_json(const json::object& o) {
  CniNetwork n;
  n.name = str(o, "/name");
  n.version = str(o, "/version", "1.0.0");
  for (const auto& p : list(o, "/plugins"))
    if (p.is_object()) n.plugins.push_back(p.get_object());
  return n;
}

json::object network_to_json(const CniNetwork& n) {
  json::array plugins;
  for (const auto& p : n.plugins) plugins.push_back(p);
  return {{"name", n.name}, {"version", n.version}, {"plugins", plugins}};
}

json::object ended_to_json(const Ended& e) {
  return {{"code", e.code},       {"signal", e.signal},        {"reason", e.reason},
          {"message", e.message}, {"startedAt", e.started_at}, {"finishedAt", e.finished_at}};
}

Ended ended_from_json(const json::object& o) {
  return {static_cast<int>(integer(o, "/code")),
          static_cast<int>(integer(o, "/signal")),
          str(o, "/reason"),
          str(o, "/message"),
          str(o, "/startedAt"),
          str(o, "/finishedAt")};
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
  const std::string name = netns_path(sandbox_id_).substr(sizeof("/run/netns/") - 1);
  std::vector<std::string> add = {"netns", "add", name};
  auto made = co_await ip(std::move(add));
  if (made) {
    std::vector<std::string> lo = {"-n", name, "link", "set", "lo", "up"};
    made = co_await ip(std::move(lo));
  }
  Result<json::object> result = fail(Errc::internal, made ? "" : made.error().message);
  if (made) {
    CniAttachment a{sandbox_id_, netns_path(sandbox_id_), "eth0", pod_.name.ns, pod_.name.name, pod_.uid};
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
    CniAttachment a{sandbox_id_, netns_path(sandbox_id_), "eth0", pod_.name.ns, pod_.name.name, pod_.uid};
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
  std::vector<std::string> del = {"netns", "del", netns_path(sandbox_id_).substr(sizeof("/run/netns/") - 1)};
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

// ---- containers

ProbeTarget PodWorker::target(const Container& c) const {
  ProbeTarget t;
  t.process = c.run->process;
  t.netns = pod_.host_network ? "" : netns_path(sandbox_id_);
  t.host = pod_ips_.empty() ? "127.0.0.1" : pod_ips_.front();
  t.cgroup = context_.runtime.cgroups + c.run->cgroup;
  t.env = c.run->env;
  return t;
}

Result<RunSpec> PodWorker::run_spec(
    const Container& c, const std::map<std::string, std::optional<std::map<std::string, std::string>>>& refs) {
  const NodeOptions& o = context_.options;
  RunSpec s;
  s.container = c.spec.name;
  s.pod_uid = pod_.uid;
  s.attempt = c.attempt;
  s.log = fmt::format("logs/{}_{}_{}/{}/{}.log", pod_.name.ns, pod_.name.name, pod_.uid, c.spec.name, c.attempt);
  s.netns = pod_.host_network ? "" : netns_path(sandbox_id_);
  s.private_cgroup = !pod_.host_network && !c.spec.privileged;
  s.hostname = pod_.host_network ? o.node_name : pod_.hostname.substr(0, 63);
  s.cwd = c.spec.working_dir;
  std::map<std::string, std::string> env = {
      {"PATH", o.bin + ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"},
      {"LANG", "C.UTF-8"},
      {"HOSTNAME", s.hostname}};
  if (!o.kubernetes_service.empty()) {
    env["KUBERNETES_SERVICE_HOST"] = o.kubernetes_service;
    env["KUBERNETES_SERVICE_PORT"] = env["KUBERNETES_SERVICE_PORT_HTTPS"] = "443";
  }
  const RefData data = [&](bool secret, const std::string& name) -> std::optional<std::map<std::string, std::string>> {
    const auto it = refs.find((secret ? "s/" : "c/") + name);
    return it == refs.end() ? std::nullopt : it->second;
  };
  auto full = environment(pod_, c.spec, downward(), data, std::move(env));
  if (!full) return fail(Errc::not_found, full.error().message);
  s.env = std::move(*full);
  auto argv = argv_of(c.spec, o.images);
  if (!argv) return fail(Errc::unsupported, argv.error().message);
  for (auto& arg : *argv) s.argv.push_back(expand(arg, s.env));

  // What kubelet manages, then the pod's own mounts, outer ones first.
  const std::string managed = o.pods_dir + "/" + pod_.uid + "/etc-hosts.d";
  std::error_code ec;
  fs::create_directories(managed, ec);
  const auto read_or = [](const char* path) { return read_file(path).value_or(""); };
  WEFT_TRY(write_file(managed + "/hosts", hosts_file(pod_, pod_ips_, read_or("/etc/hosts"), o.cluster_domain)));
  WEFT_TRY(write_file(managed + "/resolv.conf",
                      resolv_conf(pod_, o.cluster_dns, o.cluster_domain, read_or("/etc/resolv.conf"))));
  WEFT_TRY(write_file(managed + "/hostname", s.hostname + "\n"));
  for (const char* name : {"hosts", "resolv.conf", "hostname"})
    s.binds.push_back({managed + "/" + name, std::string("/etc/") + name, false});
  std::vector<BindMount> mounts;
  for (const VolumeMount& m : c.spec.mounts) {
    std::string source = volumes_.source(m.volume);
    if (source.empty())
      return fail(Errc::not_found,
                  fmt::format("volumeMount {}: volume \"{}\" is not in spec.volumes", m.path, m.volume));
    const std::string sub = m.expand ? expand(m.sub_path, s.env) : m.sub_path;
    if (!sub.empty()) {
      source += "/" + sub;
      if (!fs::exists(source, ec)) fs::create_directories(source, ec);
    }
    mounts.push_back({source, m.path, m.read_only});
  }
  std::ranges::stable_sort(mounts, {}, [](const BindMount& b) { return std::ranges::count(b.target, '/'); });
  s.binds.insert(s.binds.end(), mounts.begin(), mounts.end());
  return s;
}

Task<Result<>> PodWorker::launch(Container& c) {
  std::map<std::string, std::optional<std::map<std::string, std::string>>> refs;
  for (const Ref& ref : environment_refs(c.spec)) {
    auto object = context_.objects.watch(ref.secret, {pod_.name.ns, ref.name});
    const bool known = co_await object->wait_known(5s);
    if (!known) co_return fail(Errc::not_found, "the API server has not answered about \"" + ref.name + "\" yet");
    refs[(ref.secret ? "s/" : "c/") + ref.name] = object->data();
  }
  auto spec = run_spec(c, refs);
  if (!spec) co_return fail(spec.error());
  RuntimeConfig config = context_.runtime;
  RunSpec s = std::move(*spec);
  auto run = co_await start_run(std::move(config), std::move(s));
  if (!run) co_return fail(run.error());
  c.run = *run;
  c.state.phase = ContainerState::Phase::running;
  c.state.started_at = run->started_at;
  c.state.reason.clear();
  c.state.message.clear();
  c.state.id = fmt::format("weft-lab://{}/{}/{}", pod_.uid, c.spec.name, c.attempt);
  c.killing = false;
  save();
  changed();
  co_return Result<>{};
}

Task<> PodWorker::container_loop(Container& c) {
  for (;;) {
    if (!c.run) {
      if (stopping()) break;
      auto r = co_await launch(c);
      if (!r && (r.error().code == Errc::not_found || r.error().code == Errc::unsupported ||
                 r.error().code == Errc::unavailable)) {
        // Not a run that failed: something that is still missing.
        c.state.phase = ContainerState::Phase::waiting;
        c.state.reason = r.error().code == Errc::unsupported ? "ContainerCannotRun" : "CreateContainerConfigError";
        c.state.message = r.error().message;
        event("Warning", "Failed", "Error: " + r.error().message);
        changed();
        co_await wait(2s);
        continue;
      }
      if (!r) {
        event("Warning", "Failed", "Error: " + r.error().message);
        c.state.ended = {128, 0, "ContainerCannotRun", r.error().message, rfc3339(Wall::now()), rfc3339(Wall::now())};
      }
    }
    const auto begun = Steady::now();
    if (c.run) {
      scope_.spawn("probes of " + c.spec.name, watch_probes(c, c.attempt));
      Run run = *c.run;
      std::string state_dir = context_.runtime.state_dir;
      Ended ended = co_await end_of_run(std::move(run), std::move(state_dir));
      c.state.ended = std::move(ended);
      std::error_code ec;
      fs::remove_all(c.run->state, ec);
    }
    c.run.reset();
    c.state.phase = ContainerState::Phase::ended;
    c.state.ready = c.state.started = false;
    ++c.attempt;
    save();
    changed();
    log::info("container ended", {{"pod", pod_.name.to_string()},
                                  {"container", c.spec.name},
                                  {"code", c.state.ended.code},
                                  {"reason", c.state.ended.reason}});
    if (stopping() || !restarts(pod_.restart, c.init, c.spec.sidecar, c.state.ended.code)) break;
    const auto ran = std::chrono::duration_cast<std::chrono::milliseconds>(Steady::now() - begun);
    const auto pause = c.delay.next(ran);
    c.state.last = c.state.ended;
    c.state.restarts = c.attempt;
    c.state.phase = ContainerState::Phase::waiting;
    if (pause > 0ms) {
      c.state.reason = "CrashLoopBackOff";
      c.state.message = fmt::format("back-off {}s restarting failed container={} pod={}_{}({})", pause / 1s,
                                    c.spec.name, pod_.name.name, pod_.name.ns, pod_.uid);
      event("Warning", "BackOff", "Back-off restarting failed container " + c.spec.name);
      changed();
    }
    for (const auto until = Steady::now() + pause; Steady::now() < until && !stopping();) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(until - Steady::now()) + 1ms;
      co_await wait(left);
    }
  }
  c.over = true;
  save();
  changed();
}

// The order of a run's checks: postStart, startup probe, then readiness and liveness.
Task<> PodWorker::watch_probes(Container& c, int attempt) {
  const auto current = [&] { return c.run && c.attempt == attempt; };
  if (c.spec.post_start && !c.state.started) co_await post_start(c);
  if (!current()) co_return;
  if (c.spec.startup && !c.state.started) {
    co_await probe_loop(c, attempt, *c.spec.startup, 0);
    if (!current() || !c.state.started) co_return;
  }
  c.state.started = true;
  if (!c.spec.readiness) c.state.ready = true;
  save();
  changed();
  if (c.spec.liveness) scope_.spawn("liveness of " + c.spec.name, probe_loop(c, attempt, *c.spec.liveness, 2));
  if (c.spec.readiness) co_await probe_loop(c, attempt, *c.spec.readiness, 1);
}

// kind: 0 startup, 1 readiness, 2 liveness.
Task<> PodWorker::probe_loop(Container& c, int attempt, ProbeSpec probe, int kind) {
  static constexpr const char* kNames[] = {"Startup", "Readiness", "Liveness"};
  ProbeTracker tracker(probe.success_threshold, probe.failure_threshold, kind == 1 ? c.state.ready : kind == 2);
  if (probe.initial_delay > 0s) co_await sleep_for(probe.initial_delay);
  for (;;) {
    if (!c.run || c.attempt != attempt) co_return;
    // While a pod ends only readiness still matters.
    if (stopping() && kind != 1) co_return;
    Handler handler = probe.handler;
    ContainerSpec spec = c.spec;
    ProbeTarget where = target(c);
    auto r = co_await run_handler(std::move(handler), std::move(spec), std::move(where), probe.timeout);
    if (!c.run || c.attempt != attempt) co_return;
    const bool verdict = tracker.record(r.has_value());
    if (!r) event("Warning", "Unhealthy", fmt::format("{} probe failed: {}", kNames[kind], r.error().message));
    if (kind == 1 && tracker.decided() && c.state.ready != verdict) {
      c.state.ready = verdict;
      save();
      changed();
    }
    if (kind != 1 && tracker.decided() && !verdict) {
      event("Normal", "Killing",
            fmt::format("Container {} failed {} probe, will be restarted", c.spec.name,
                        kind == 0 ? "startup" : "liveness"));
      std::string why = "a probe failed";
      co_await stop_container(c, std::move(why));
      co_return;
    }
    if (kind == 0 && tracker.decided() && verdict) {
      c.state.started = true;
      co_return;
    }
    co_await sleep_for(probe.period);
  }
}

Task<> PodWorker::post_start(Container& c) {
  Handler handler = *c.spec.post_start;
  ContainerSpec spec = c.spec;
  ProbeTarget where = target(c);
  auto r = co_await run_handler(std::move(handler), std::move(spec), std::move(where), 60s);
  if (r) co_return;
  event("Warning", "FailedPostStartHook", "PostStartHook failed: " + r.error().message);
  std::string why = "its postStart hook failed";
  co_await stop_container(c, std::move(why));
}

// preStop, SIGTERM, grace, SIGKILL. The container's own coroutine notices the end.
Task<> PodWorker::stop_container(Container& c, std::string why) {
  if (!c.run || c.killing) co_return;
  c.killing = true;
  const int attempt = c.attempt;
  const auto begun = Steady::now();
  log::info("stopping container", {{"pod", pod_.name.to_string()}, {"container", c.spec.name}, {"because", why}});
  if (c.spec.pre_stop && pod_.grace > 0s) {
    Handler handler = *c.spec.pre_stop;
    ContainerSpec spec = c.spec;
    ProbeTarget where = target(c);
    const std::chrono::milliseconds limit = pod_.grace;
    auto r = co_await run_handler(std::move(handler), std::move(spec), std::move(where), limit);
    if (!r) event("Warning", "FailedPreStopHook", "PreStopHook failed: " + r.error().message);
  }
  if (!c.run || c.attempt != attempt) co_return;
  signal_run(*c.run, SIGTERM);
  // A second delete may shorten the grace meanwhile. As kubelet, never less than two seconds in all.
  while (c.run && c.attempt == attempt) {
    const auto left = std::max<std::chrono::nanoseconds>(pod_.grace, 2s) - (Steady::now() - begun);
    if (left <= 0ns) break;
    const auto limit = std::chrono::duration_cast<std::chrono::milliseconds>(left) + 1ms;
    co_await wait(limit);
  }
  if (c.run && c.attempt == attempt) kill_run(context_.runtime, *c.run);
}

// ---- towards the API

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

// ---- the record

void PodWorker::save() {
  json::array containers;
  for (const Container& c : containers_) {
    json::object o = c.run ? to_json(*c.run)
                           : json::object{{"pid", 0},
                                          {"log", fmt::format("logs/{}_{}_{}/{}/{}.log", pod_.name.ns, pod_.name.name,
                                                              pod_.uid, c.spec.name, std::max(c.attempt - 1, 0))}};
    o["name"] = c.spec.name;
    o["running"] = c.run.has_value();
    o["nextAttempt"] = c.attempt;
    o["restarts"] = c.state.restarts;
    o["over"] = c.over;
    o["ready"] = c.state.ready;
    o["started"] = c.state.started;
    o["id"] = c.state.id;
    if (c.state.phase == ContainerState::Phase::ended) o["ended"] = ended_to_json(c.state.ended);
    if (c.state.last) o["last"] = ended_to_json(*c.state.last);
    containers.push_back(o);
  }
  json::array ips(pod_ips_.begin(), pod_ips_.end());
  // Main containers first: `weft lab exec` takes the first when none is named.
  std::ranges::stable_sort(containers, {}, [&](const json::value& v) {
    const auto name = str(v.as_object(), "/name");
    return std::ranges::any_of(containers_, [&](const Container& c) { return c.init && c.spec.name == name; });
  });
  json::object record = {{"namespace", pod_.name.ns}, {"name", pod_.name.name},
                         {"uid", pod_.uid},           {"sandbox", sandbox_id_},
                         {"attached", attached_},     {"result", cni_result_},
                         {"ready", sandbox_ready_},   {"initialized", initialized_},
                         {"finished", finished_},     {"ips", ips},
                         {"startTime", start_time_},  {"containers", containers},
                         {"object", pod_.object}};
  if (network_) record["network"] = network_to_json(*network_);
  std::error_code ec;
  fs::create_directories(folder(), ec);
  if (const auto r = write_file(folder() + "/pod.json", json::serialize(record), 0600); !r)
    log::warn("pod's record not written", {{"pod", pod_.name.to_string()}, {"error", r.error().message}});
}

void PodWorker::load(const json::object& r) {
  sandbox_id_ = str(r, "/sandbox");
  attached_ = boolean(r, "/attached");
  cni_result_ = object(r, "/result");
  sandbox_ready_ = boolean(r, "/ready");
  initialized_ = boolean(r, "/initialized");
  finished_ = boolean(r, "/finished");
  if (!pod_.host_network) pod_ips_ = strings(r, "/ips");
  start_time_ = str(r, "/startTime", start_time_);
  if (find(r, "/network") != nullptr) network_ = network_from_json(object(r, "/network"));
  for (Container& c : containers_)
    for (const auto& v : list(r, "/containers")) {
      if (!v.is_object() || str(v.get_object(), "/name") != c.spec.name) continue;
      const auto& o = v.get_object();
      c.attempt = static_cast<int>(integer(o, "/nextAttempt"));
      c.over = boolean(o, "/over");
      c.launched = c.over;
      c.state.restarts = static_cast<int>(integer(o, "/restarts"));
      c.state.id = str(o, "/id");
      if (find(o, "/last") != nullptr) c.state.last = ended_from_json(object(o, "/last"));
      if (find(o, "/ended") != nullptr) {
        c.state.ended = ended_from_json(object(o, "/ended"));
        c.state.phase = ContainerState::Phase::ended;
      }
      if (boolean(o, "/running")) {
        c.run = run_from_json(o);
        c.state.phase = ContainerState::Phase::running;
        c.state.started_at = c.run->started_at;
        c.state.started = boolean(o, "/started");
        c.state.ready = boolean(o, "/ready");
        c.launched = true;
        scope_.spawn(c.spec.name, container_loop(c));
      }
    }
}

std::optional<Pod> pod_of_record(const json::object& record) {
  auto pod = parse_pod(object(record, "/object"));
  if (!pod) return std::nullopt;
  return std::move(*pod);
}

}  // namespace weft::lab
