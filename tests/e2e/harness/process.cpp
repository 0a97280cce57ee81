#include "tests/e2e/harness/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace weft::e2e {
namespace {

using Clock = std::chrono::steady_clock;

std::string shown(const Argv& argv) {
  std::string out;
  for (const auto& a : argv) {
    if (!out.empty()) out += ' ';
    out += a.find_first_of(" \t\n\"'$&|;<>(){}*?") == std::string::npos && !a.empty() ? a : "'" + a + "'";
  }
  return out;
}

struct Child {
  pid_t pid = -1;
  int in = -1, out = -1, err = -1;
};

Child start(const Argv& argv, const Env& env) {
  int in[2], out[2], err[2];
  if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC)) std::abort();
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid < 0) std::abort();
  if (pid == 0) {
    setpgid(0, 0);
    // A test that is killed takes what it started along.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);
    dup2(in[0], 0);
    dup2(out[1], 1);
    dup2(err[1], 2);
    // A lab's daemons live on: they must not hold what this process was started with (a lock, a pipe).
    close_range(3, ~0U, 0);
    for (const auto& [k, v] : env) setenv(k.c_str(), v.c_str(), 1);
    std::vector<char*> args;
    for (const auto& a : argv) args.push_back(const_cast<char*>(a.c_str()));
    args.push_back(nullptr);
    execvp(args[0], args.data());
    dprintf(2, "%s: %s\n", args[0], std::strerror(errno));
    _exit(127);
  }
  setpgid(pid, pid);
  close(in[0]);
  close(out[1]);
  close(err[1]);
  for (const int fd : {in[1], out[0], err[0]}) fcntl(fd, F_SETFL, O_NONBLOCK);
  return {pid, in[1], out[0], err[0]};
}

// False at the end of the stream.
bool drain(int& fd, std::string& to) {
  char buffer[65536];
  for (;;) {
    const ssize_t n = read(fd, buffer, sizeof buffer);
    if (n > 0) {
      to.append(buffer, static_cast<std::size_t>(n));
    } else if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      return true;
    } else {
      close(fd);
      fd = -1;
      return false;
    }
  }
}

int decode(int status) { return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status); }

}  // namespace

std::string Output::describe() const {
  std::string s = fmt::format("$ {}\n{}", command,
                              timed_out ? "ran out of time and was killed" : fmt::format("exit code {}", code));
  const auto tail = [](const std::string& t) { return t.size() <= 6000 ? t : "[...]" + t.substr(t.size() - 6000); };
  if (!out.empty()) s += "\n--- stdout\n" + tail(out);
  if (!err.empty()) s += "\n--- stderr\n" + tail(err);
  return s;
}

Output run(const Argv& argv, const RunOptions& options) {
  Output result;
  result.command = shown(argv);
  signal(SIGPIPE, SIG_IGN);
  Child child = start(argv, options.env);
  const auto deadline = Clock::now() + options.limit;
  std::size_t written = 0;
  // A daemon that the command left behind may hold the pipes open: the command's own end counts.
  bool ended = false;
  int status = 0;
  while (child.out >= 0 || child.err >= 0) {
    if (!ended && waitpid(child.pid, &status, WNOHANG) == child.pid) ended = true;
    if (!ended && Clock::now() >= deadline) {
      result.timed_out = true;
      break;
    }
    pollfd fds[3] = {{child.out, POLLIN, 0}, {child.err, POLLIN, 0}, {child.in, POLLOUT, 0}};
    const int ready = poll(fds, 3, ended ? 20 : 100);
    if (child.in >= 0 && (fds[2].revents || written >= options.input.size())) {
      if (written < options.input.size()) {
        const ssize_t n = write(child.in, options.input.data() + written, options.input.size() - written);
        if (n > 0) written += static_cast<std::size_t>(n);
        if (n < 0 && errno != EAGAIN) written = options.input.size();
      }
      if (written >= options.input.size()) {
        close(child.in);
        child.in = -1;
      }
    }
    if (child.out >= 0) drain(child.out, result.out);
    if (child.err >= 0) drain(child.err, result.err);
    if (ended && ready == 0) break;
  }
  while (!ended && !result.timed_out) {
    if (waitpid(child.pid, &status, WNOHANG) == child.pid) {
      ended = true;
    } else if (Clock::now() >= deadline) {
      result.timed_out = true;
    } else {
      poll(nullptr, 0, 10);
    }
  }
  if (!ended) {
    kill(-child.pid, SIGKILL);
    waitpid(child.pid, &status, 0);
  }
  for (const int fd : {child.in, child.out, child.err})
    if (fd >= 0) close(fd);
  result.code = decode(status);
  return result;
}

Background::Background(const Argv& argv, const Env& env) {
  result_.command = shown(argv);
  signal(SIGPIPE, SIG_IGN);
  Child child = start(argv, env);
  close(child.in);
  pid_ = child.pid;
  out_ = child.out;
  err_ = child.err;
}

Background::~Background() {
  if (!ended_) stop(SIGKILL);
}

void Background::read_some(int timeout_ms) {
  pollfd fds[2] = {{out_, POLLIN, 0}, {err_, POLLIN, 0}};
  poll(fds, 2, timeout_ms);
  if (out_ >= 0) drain(out_, result_.out);
  if (err_ >= 0) drain(err_, result_.err);
}

bool Background::running() {
  if (ended_) return false;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) {
    read_some(0);
    ended_ = true;
    result_.code = decode(status);
  }
  return !ended_;
}

const std::string& Background::so_far() {
  if (!ended_) read_some(0);
  return result_.out;
}

Output Background::wait(std::chrono::seconds limit) {
  const auto deadline = Clock::now() + limit;
  bool termed = false;
  while (running()) {
    const auto now = Clock::now();
    if (now >= deadline && !termed) {
      result_.timed_out = termed = true;
      kill(-pid_, SIGTERM);
    }
    if (now >= deadline + std::chrono::seconds(5)) kill(-pid_, SIGKILL);
    read_some(50);
  }
  return result_;
}

Output Background::stop(int signal, std::chrono::seconds limit) {
  if (running()) kill(-pid_, signal ? signal : SIGTERM);
  return wait(limit);
}

}  // namespace weft::e2e
