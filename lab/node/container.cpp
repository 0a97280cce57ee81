#include "lab/node/container.h"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "lab/node/async_process.h"

namespace weft::lab {
namespace fs = std::filesystem;
using namespace std::chrono_literals;
namespace {

json::object id_json(const ProcessId& p) { return {{"pid", p.pid}, {"start", p.start}}; }
ProcessId id_from(const json::object& o, const char* pid, const char* start) {
  return {static_cast<pid_t>(integer(o, pid)), static_cast<std::uint64_t>(integer(o, start))};
}

json::object parse_object(const std::string& text) {
  boost::system::error_code ec;
  auto v = json::parse(text, ec);
  return !ec && v.is_object() ? std::move(v.get_object()) : json::object{};
}

// What terminationMessagePolicy FallbackToLogsOnError shows: the end of the log.
std::string last_words(const std::string& path) {
  std::ifstream in(path, std::ios::ate);
  if (!in) return "";
  const auto size = static_cast<std::int64_t>(in.tellg());
  in.seekg(std::max<std::int64_t>(0, size - 2048));
  std::string text{std::istreambuf_iterator<char>(in), {}};
  // A cut in the middle of a character would make the status unreadable.
  while (!text.empty() && (static_cast<unsigned char>(text.front()) & 0xC0) == 0x80) text.erase(text.begin());
  std::erase_if(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t'; });
  return text;
}

}  // namespace

json::object to_json(const Run& r) {
  return {{"pid", r.process.pid}, {"start", r.process.start},  {"shim", id_json(r.shim)},
          {"attempt", r.attempt}, {"startedAt", r.started_at}, {"cgroup", r.cgroup},
          {"log", r.log},         {"state", r.state},          {"env", json::array(r.env.begin(), r.env.end())}};
}

Run run_from_json(const json::object& o) {
  return {id_from(o, "/shim/pid", "/shim/start"),
          id_from(o, "/pid", "/start"),
          static_cast<int>(integer(o, "/attempt")),
          str(o, "/startedAt"),
          str(o, "/cgroup"),
          str(o, "/log"),
          str(o, "/state"),
          strings(o, "/env")};
}

Task<Result<Run>> start_run(RuntimeConfig config, RunSpec spec) {
  Run run;
  run.attempt = spec.attempt;
  run.cgroup = fmt::format("/kubepods/pod{}/{}-{}", spec.pod_uid, spec.container, spec.attempt);
  run.log = spec.log;
  run.state = fmt::format("{}/pods/{}/runs/{}-{}", config.state_dir, spec.pod_uid, spec.container, spec.attempt);
  for (const auto& [k, v] : spec.env) run.env.push_back(k + "=" + v);
  std::error_code ec;
  fs::create_directories(run.state, ec);
  fs::remove(run.state + "/exit.json", ec);
  fs::create_directories(fs::path(config.state_dir + "/" + spec.log).parent_path(), ec);
  json::array binds;
  for (const BindMount& b : spec.binds)
    binds.push_back(json::object{{"source", b.source}, {"target", b.target}, {"read_only", b.read_only}});
  const json::object o = {{"state", run.state},
                          {"log", config.state_dir + "/" + spec.log},
                          {"pod_cgroup", fmt::format("{}/kubepods/pod{}", config.cgroups, spec.pod_uid)},
                          {"cgroup", config.cgroups + run.cgroup},
                          {"netns", spec.netns},
                          {"private_cgroup", spec.private_cgroup},
                          {"hostname", spec.hostname},
                          {"lower", config.machine_root},
                          {"scratch", config.scratch},
                          {"shared", json::array(config.shared.begin(), config.shared.end())},
                          {"binds", binds},
                          {"argv", json::array(spec.argv.begin(), spec.argv.end())},
                          {"env", json::array(run.env.begin(), run.env.end())},
                          {"cwd", spec.cwd}};
  if (const auto r = write_file(run.state + "/spec.json", json::serialize(o), 0600); !r) co_return fail(r.error());
  SpawnOptions options;
  options.argv = {config.init_program, "run", run.state + "/spec.json"};
  std::string input;
  auto out = co_await run_process(std::move(options), std::move(input), 60s);
  if (!out) co_return fail(out.error());
  const json::object answer = parse_object(out->out);
  if (const std::string error = str(answer, "/error"); !error.empty() || out->code != 0)
    co_return fail(Errc::invalid, error.empty() ? "weft-lab-init: " + out->out : error);
  run.shim = id_from(answer, "/shim", "/shim_start");
  run.process = id_from(answer, "/pid", "/start");
  run.started_at = str(answer, "/startedAt");
  co_return run;
}

Task<Ended> end_of_run(Run run, std::string state_dir) {
  const ProcessId shim = run.shim;
  co_await process_end(shim);
  Ended e;
  e.started_at = run.started_at;
  const auto text = read_file(run.state + "/exit.json");
  if (!text) {
    e.code = 137;
    e.reason = "ContainerStatusUnknown";
    e.message = "the container's parent process was killed, so nobody saw its end";
    e.finished_at = rfc3339(Wall::now());
    co_return e;
  }
  const json::object o = parse_object(*text);
  e.code = static_cast<int>(integer(o, "/exitCode"));
  e.signal = static_cast<int>(integer(o, "/signal"));
  e.finished_at = str(o, "/finishedAt");
  e.reason = e.code == 0 ? "Completed" : "Error";
  if (e.code != 0) e.message = last_words(state_dir + "/" + run.log);
  co_return e;
}

void signal_run(const Run& run, int signal) {
  const auto fd = open_process(run.process);
  if (fd) ::syscall(SYS_pidfd_send_signal, fd->get(), signal, nullptr, 0);
}

void kill_run(const RuntimeConfig& config, const Run& run) {
  std::ofstream kill_file(config.cgroups + run.cgroup + "/cgroup.kill");
  if (kill_file) kill_file << "1" << std::flush;
  if (!kill_file) signal_run(run, SIGKILL);
}

}  // namespace weft::lab
