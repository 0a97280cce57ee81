#include "lab/sys/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "base/file.h"

extern char** environ;

namespace weft::lab {
namespace {

// What the child reports when it cannot become the program.
struct ChildError {
  int step;
  int error;
};
constexpr const char* kSteps[] = {"joining the cgroup", "entering the namespaces", "changing the folder",
                                  "opening /dev/null", "running it"};

// Everything the child needs, prepared before fork: after it only system calls are safe.
struct Prepared {
  std::vector<std::string> programs;  // candidates for argv[0]
  std::vector<char*> argv, env;
};

Prepared prepare(const SpawnOptions& o) {
  Prepared p;
  for (const auto& a : o.argv) p.argv.push_back(const_cast<char*>(a.c_str()));
  p.argv.push_back(nullptr);
  std::string path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  if (o.env.empty()) {
    if (const char* own = std::getenv("PATH")) path = own;
  } else {
    for (const auto& e : o.env) {
      p.env.push_back(const_cast<char*>(e.c_str()));
      if (e.starts_with("PATH=")) path = e.substr(5);
    }
    p.env.push_back(nullptr);
  }
  if (o.argv[0].find('/') != std::string::npos) {
    p.programs.push_back(o.argv[0]);
  } else {
    for (std::size_t at = 0; at <= path.size();) {
      const auto end = std::min(path.find(':', at), path.size());
      if (end > at) p.programs.push_back(path.substr(at, end - at) + "/" + o.argv[0]);
      at = end + 1;
    }
  }
  return p;
}

[[noreturn]] void child(const SpawnOptions& o, const Prepared& p, int cgroup_fd, int report) {
  const auto die = [&](int step) {
    const ChildError e{step, errno};
    [[maybe_unused]] const auto n = ::write(report, &e, sizeof e);
    ::_exit(127);
  };
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  for (const int s : {SIGPIPE, SIGCHLD, SIGINT, SIGTERM, SIGHUP}) ::signal(s, SIG_DFL);
  if (o.new_session) ::setsid();
  if (cgroup_fd >= 0 && ::write(cgroup_fd, "0", 1) != 1) die(0);
  if (o.namespaces_of >= 0 && ::setns(o.namespaces_of, o.namespace_flags) != 0) die(1);
  if (!o.cwd.empty() && ::chdir(o.cwd.c_str()) != 0) die(2);
  // Descriptors move above those of the three standard streams first, so that none overwrites another.
  int in = o.in;
  if (in < 0 && !o.inherit_in) {
    in = ::open("/dev/null", O_RDONLY);
    if (in < 0) die(3);
  }
  const auto lift = [](int fd) { return fd >= 0 ? ::fcntl(fd, F_DUPFD_CLOEXEC, 10) : -1; };
  const int in2 = lift(in), out2 = lift(o.out), err2 = lift(o.err);
  if (in2 >= 0) ::dup2(in2, 0);
  if (out2 >= 0) ::dup2(out2, 1);
  if (err2 >= 0) ::dup2(err2, 2);
  // Libraries open sockets without CLOEXEC: one that leaked into a long-lived child would never be closed.
  ::syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC);
  for (const int fd : o.keep) ::fcntl(fd, F_SETFD, 0);
  errno = ENOENT;
  int worst = ENOENT;
  for (const auto& program : p.programs) {
    ::execve(program.c_str(), p.argv.data(), o.env.empty() ? environ : p.env.data());
    if (errno != ENOENT && errno != ENOTDIR) worst = errno;
  }
  errno = worst;
  die(4);
  ::_exit(127);
}

}  // namespace

Result<pid_t> spawn(const SpawnOptions& o) {
  if (o.argv.empty() || o.argv[0].empty()) return fail(Errc::invalid, "process: the command is empty; name a program");
  const Prepared prepared = prepare(o);
  Fd cgroup;
  if (!o.cgroup.empty()) {
    cgroup = Fd(::open((o.cgroup + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!cgroup) return fail(errno_error("cgroup " + o.cgroup, errno));
  }
  int pipe_fds[2];
  if (::pipe2(pipe_fds, O_CLOEXEC) != 0) return fail(errno_error("pipe", errno));
  Fd reader(pipe_fds[0]), writer(pipe_fds[1]);
  // Signals stay blocked across fork so that no handler of ours runs in the child.
  sigset_t all, before;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  const int fork_error = errno;
  if (pid == 0) child(o, prepared, cgroup.get(), writer.get());
  sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return fail(errno_error("fork", fork_error));
  writer.reset();
  ChildError e{};
  ssize_t n;
  do {
    n = ::read(reader.get(), &e, sizeof e);
  } while (n < 0 && errno == EINTR);
  if (n == static_cast<ssize_t>(sizeof e)) {
    wait_for(pid);
    return fail(e.error == ENOENT ? Errc::not_found : Errc::internal,
                fmt::format("{}: {} failed: {}", o.argv[0], kSteps[e.step], std::strerror(e.error)));
  }
  return pid;
}

int exit_code(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

int wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return exit_code(status);
}

Result<Output> run_blocking(SpawnOptions o, const std::string& input) {
  int in[2], out[2];
  if (::pipe2(in, O_CLOEXEC) != 0) return fail(errno_error("pipe", errno));
  Fd in_read(in[0]), in_write(in[1]);
  if (::pipe2(out, O_CLOEXEC) != 0) return fail(errno_error("pipe", errno));
  Fd out_read(out[0]), out_write(out[1]);
  o.in = in_read.get();
  o.out = o.err = out_write.get();
  const auto pid = spawn(o);
  if (!pid) return fail(pid.error());
  in_read.reset();
  out_write.reset();
  // Both directions at once: a program may answer before it has read everything.
  Output result;
  std::size_t sent = 0;
  if (input.empty()) in_write.reset();
  char buffer[8192];
  for (;;) {
    pollfd fds[2] = {{out_read.get(), POLLIN, 0}, {in_write.get(), POLLOUT, 0}};
    if (::poll(fds, in_write ? 2 : 1, -1) < 0) continue;
    if (in_write && fds[1].revents != 0) {
      const auto n = ::write(in_write.get(), input.data() + sent, std::min<std::size_t>(input.size() - sent, 4096));
      if (n > 0) sent += static_cast<std::size_t>(n);
      if (n < 0 || sent == input.size()) in_write.reset();
    }
    if (fds[0].revents != 0) {
      const auto n = ::read(out_read.get(), buffer, sizeof buffer);
      if (n == 0 || (n < 0 && errno != EINTR)) break;
      if (n > 0) result.out.append(buffer, static_cast<std::size_t>(n));
    }
  }
  result.code = wait_for(*pid);
  return result;
}

std::optional<ProcessId> identify(pid_t pid) {
  if (pid <= 0) return std::nullopt;
  // A process that is reaped between opening and reading is ESRCH: gone, like one without the file.
  const std::string text = read_file(fmt::format("/proc/{}/stat", pid)).value_or("");
  // The name in parentheses may hold anything; the fields begin behind its last parenthesis.
  const auto close = text.rfind(')');
  if (close == std::string::npos || close + 2 >= text.size()) return std::nullopt;
  if (text[close + 2] == 'Z' || text[close + 2] == 'X') return std::nullopt;
  std::size_t at = close + 2;
  for (int field = 3; field < 22; ++field) {
    at = text.find(' ', at);
    if (at == std::string::npos) return std::nullopt;
    ++at;
  }
  return ProcessId{pid, std::strtoull(text.c_str() + at, nullptr, 10)};
}

Result<Fd> open_process(const ProcessId& p) {
  Fd fd(static_cast<int>(::syscall(SYS_pidfd_open, p.pid, 0)));
  if (!fd) return fail(errno_error(fmt::format("process {}", p.pid), errno));
  if (!alive(p)) return fail(Errc::not_found, fmt::format("process {}: has ended", p.pid));
  return fd;
}

std::string program_folder() {
  std::error_code ec;
  return std::filesystem::read_symlink("/proc/self/exe", ec).parent_path().string();
}

}  // namespace weft::lab
