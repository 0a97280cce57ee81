#include "tests/interop/harness/sandbox.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <thread>

namespace weft::interop {
namespace {

using Clock = std::chrono::steady_clock;

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "sandbox: %s: %s (it needs root and namespaces)\n", what, std::strerror(errno));
  ::_exit(2);
}

// The sandbox's process 1: starts the body, buries orphans, and takes all down when the body has ended.
[[noreturn]] void init(const std::function<int()>& body) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) die("unshare");
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) die("making mounts private");
  if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) die("mounting /proc");
  // A new network namespace wants a new /sys to be seen in.
  if (::mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0) die("mounting /sys");
  if (::mount("tmpfs", "/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") != 0) die("mounting /run");
  for (const char* dir : {kScratch, "/run/frr", "/run/bird", "/run/openbgpd", "/run/exabgp"})
    if (::mkdir(dir, 0755) != 0) die(dir);
  const pid_t child = ::fork();
  if (child < 0) die("fork");
  if (child == 0) {
    const int code = body();
    std::fflush(nullptr);
    ::_exit(code);
  }
  for (;;) {
    int status = 0;
    const pid_t ended = ::waitpid(-1, &status, 0);
    if (ended == child) ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    if (ended < 0 && errno != EINTR) ::_exit(2);
  }
}

volatile sig_atomic_t told_to_stop = 0;

}  // namespace

int run_in_sandbox(const std::function<int()>& body, std::chrono::seconds limit) {
  if (::unshare(CLONE_NEWPID) != 0) {
    std::fprintf(stderr, "sandbox: a pid namespace: %s; run it as root\n", std::strerror(errno));
    return 2;
  }
  std::fflush(nullptr);
  for (const int sig : {SIGTERM, SIGINT, SIGHUP}) ::signal(sig, [](int) { told_to_stop = 1; });
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int sig : {SIGTERM, SIGINT, SIGHUP}) ::signal(sig, SIG_DFL);
    init(body);
  }
  int status = 0;
  const auto deadline = Clock::now() + limit;
  bool killed = false;
  while (::waitpid(child, &status, WNOHANG) == 0) {
    if (!killed && (told_to_stop || Clock::now() > deadline)) {
      if (!told_to_stop) std::fprintf(stderr, "sandbox: not finished in time\n");
      ::kill(child, SIGKILL);
      killed = true;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace weft::interop
