#include <fcntl.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <boost/json/serialize.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/clock.h"
#include "base/fd.h"
#include "base/file.h"
#include "lab/init/init.h"
#include "lab/init/json.h"
#include "lab/sys/cgroup.h"
#include "lab/sys/process.h"

namespace weft::lab {
namespace {

Result<> join(const std::string& cgroup) {
  WEFT_TRY(make_cgroup(cgroup));
  std::ofstream out(cgroup + "/cgroup.procs");
  out << "0" << std::flush;
  if (!out) return fail(Errc::internal, "cgroup " + cgroup + ": cannot be joined");
  return {};
}

// In the container's own process, up to exec.
Result<> enter(const boost::json::object& spec) {
  WEFT_TRY(join(text(spec, "cgroup")));
  const std::string netns = text(spec, "netns");
  if (!netns.empty()) {
    const Fd fd(::open(netns.c_str(), O_RDONLY | O_CLOEXEC));
    if (!fd || ::setns(fd.get(), CLONE_NEWNET) != 0) return fail(errno_error("network namespace " + netns, errno));
  }
  const bool private_cgroup = flag(spec, "private_cgroup");
  if (::unshare(CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | (private_cgroup ? CLONE_NEWCGROUP : 0)) != 0)
    return fail(errno_error("making namespaces", errno));
  if (const std::string host = text(spec, "hostname"); ::sethostname(host.data(), host.size()) != 0)
    return fail(errno_error("hostname " + host, errno));
  RootSpec root;
  root.lower = text(spec, "lower");
  root.scratch = text(spec, "scratch");
  root.shared = texts(spec, "shared");
  root.own_sysfs = !netns.empty();
  root.own_cgroupfs = private_cgroup;
  root.follow_mounts = true;
  root.binds = binds(spec);
  WEFT_TRY(enter_root(root));
  const std::string cwd = text(spec, "cwd");
  if (!cwd.empty() && ::chdir(cwd.c_str()) != 0) return fail(errno_error("workingDir " + cwd, errno));
  return {};
}

// exec with a look-up in the container's own PATH.
Error exec(const boost::json::object& spec) {
  const auto argv = texts(spec, "argv"), env = texts(spec, "env");
  std::vector<char*> args, vars;
  for (const auto& a : argv) args.push_back(const_cast<char*>(a.c_str()));
  for (const auto& e : env) {
    vars.push_back(const_cast<char*>(e.c_str()));
    if (e.starts_with("PATH=")) ::setenv("PATH", e.c_str() + 5, 1);
  }
  args.push_back(nullptr);
  vars.push_back(nullptr);
  ::execvpe(args[0], args.data(), vars.data());
  return errno_error(fmt::format("exec: \"{}\"", argv[0]), errno);
}

[[noreturn]] void container(const boost::json::object& spec, int log, int report) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  ::setsid();
  Result<> r = enter(spec);
  std::string message;
  if (r) {
    ::dup2(log, 1);
    ::dup2(log, 2);
    for (int s = 1; s < NSIG; ++s) ::signal(s, SIG_DFL);
    message = exec(spec).message;
  } else {
    message = r.error().message;
  }
  [[maybe_unused]] const auto n = ::write(report, message.data(), message.size());
  ::_exit(127);
}

void write_exit(const std::string& state, int status, Wall::time_point started) {
  boost::json::object o;
  o["exitCode"] = exit_code(status);
  o["signal"] = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  o["startedAt"] = rfc3339(started);
  o["finishedAt"] = rfc3339(Wall::now());
  (void)write_file(state + "/exit.json", boost::json::serialize(o));
}

std::string read_all(int fd) {
  std::string out;
  char buffer[512];
  for (;;) {
    const auto n = ::read(fd, buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

// The shim: the container's parent. Reports through `up`, then waits for the end.
int shim(const boost::json::object& spec, Fd up) {
  const auto tell = [&](const boost::json::object& o) {
    const std::string line = boost::json::serialize(o);
    [[maybe_unused]] const auto n = ::write(up.get(), line.data(), line.size());
    up.reset();
  };
  const std::string state = text(spec, "state"), cgroup = text(spec, "cgroup");
  if (const auto r = join(text(spec, "pod_cgroup")); !r) return tell({{"error", r.error().message}}), 1;
  const Fd log(::open(text(spec, "log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return tell({{"error", errno_error("log " + text(spec, "log"), errno).message}}), 1;
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return tell({{"error", "pipe"}}), 1;
  Fd reader(fds[0]), writer(fds[1]);
  const auto started = Wall::now();
  const pid_t pid = ::fork();
  if (pid == 0) container(spec, log.get(), writer.get());
  if (pid < 0) return tell({{"error", errno_error("fork", errno).message}}), 1;
  writer.reset();
  const std::string error = read_all(reader.get());
  int status = 0;
  if (!error.empty()) {
    ::waitpid(pid, &status, 0);
    (void)kill_cgroup(cgroup, std::chrono::seconds(5));
    (void)remove_cgroup(cgroup);
    return tell({{"error", error}}), 1;
  }
  const auto me = identify(::getpid());
  const auto it = identify(pid);
  tell({{"shim", me->pid},
        {"shim_start", me->start},
        {"pid", pid},
        {"start", it ? it->start : 0},
        {"startedAt", rfc3339(started)}});
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  // What the main process leaves behind goes with it, as in a pid namespace.
  (void)kill_cgroup(cgroup, std::chrono::seconds(10));
  (void)remove_cgroup(cgroup);
  write_exit(state, status, started);
  return 0;
}

}  // namespace

int run_container(const boost::json::object& spec) {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return 1;
  Fd reader(fds[0]), writer(fds[1]);
  const pid_t pid = ::fork();
  if (pid == 0) {
    reader.reset();
    ::setsid();
    const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
    ::_exit(shim(spec, std::move(writer)));
  }
  if (pid < 0) return 1;
  writer.reset();
  const std::string line = read_all(reader.get());
  std::printf("%s\n", line.empty() ? R"({"error":"the shim died"})" : line.c_str());
  return 0;
}

}  // namespace weft::lab
