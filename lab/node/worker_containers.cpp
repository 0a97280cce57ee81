// A pod's containers: starting, probing, restarting, stopping.
#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "base/file.h"
#include "base/log.h"
#include "lab/node/files.h"
#include "lab/node/worker.h"

namespace weft::lab {
namespace fs = std::filesystem;
using namespace std::chrono_literals;

ProbeTarget PodWorker::target(const Container& c) const {
  ProbeTarget t;
  t.process = c.run->process;
  t.netns = pod_.host_network ? "" : netns();
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
  s.netns = pod_.host_network ? "" : netns();
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
      // One that ended while no weft-lab-node ran comes here before its pod is prepared again.
      while (!volumes_ready_ && !stopping()) co_await wait(60s);
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

}  // namespace weft::lab
