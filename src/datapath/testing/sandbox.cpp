#include "datapath/testing/sandbox.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "base/clock.h"
#include "datapath/attach.h"

namespace weft::testing_bpf {

namespace fs = std::filesystem;

namespace {

std::string bpffs_path, cgroup_path;

[[noreturn]] void die(const std::string& what) {
  fprintf(stderr, "sandbox: %s: %s (it needs root, cgroup2 and a kernel with BPF)\n", what.c_str(), strerror(errno));
  _exit(2);
}

void in_child(const std::function<int()>& body) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::ofstream(cgroup_path + "/cgroup.procs") << getpid() << std::endl;
  if (unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) die("unshare");
  if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) die("mount --make-rprivate /");
  if (mount("bpf", bpffs_path.c_str(), "bpf", 0, nullptr) != 0) die("mounting bpffs");
  const int code = body();
  fflush(nullptr);
  _exit(code);
}

}  // namespace

const std::string& bpffs() { return bpffs_path; }
const std::string& cgroup() { return cgroup_path; }

int run_in_sandbox(const std::function<int()>& body, std::chrono::seconds limit) {
  const auto root = find_cgroup2();
  if (!root) die(root.error().message);
  for (const auto& old : fs::directory_iterator(*root)) {
    const std::string name = old.path().filename();
    if (name.starts_with("weft-sandbox-") && kill(std::stoi(name.substr(13)), 0) != 0) rmdir(old.path().c_str());
  }
  cgroup_path = *root + "/weft-sandbox-" + std::to_string(getpid());
  if (mkdir(cgroup_path.c_str(), 0755) != 0) die("mkdir " + cgroup_path);
  char dir[] = "/tmp/weft-sandbox-XXXXXX";
  bpffs_path = mkdtemp(dir);

  static volatile sig_atomic_t told_to_stop = 0;
  for (const int sig : {SIGTERM, SIGINT, SIGHUP}) signal(sig, [](int) { told_to_stop = 1; });
  const pid_t child = fork();
  if (child == 0) {
    for (const int sig : {SIGTERM, SIGINT, SIGHUP}) signal(sig, SIG_DFL);
    in_child(body);
  }
  int status = 0;
  const auto deadline = Steady::now() + limit;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (told_to_stop) kill(child, SIGKILL);
    if (Steady::now() > deadline) {
      fprintf(stderr, "sandbox: not finished in time\n");
      kill(child, SIGKILL);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  // The child may have left groups of its own below, and dying processes stay in them for a moment.
  const auto remove_groups = [] {
    std::error_code ignored;
    for (const auto& e : fs::directory_iterator(cgroup_path, ignored))
      if (e.is_directory()) rmdir(e.path().c_str());
    return rmdir(cgroup_path.c_str()) == 0;
  };
  for (int i = 0; i < 100 && !remove_groups(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  rmdir(bpffs_path.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

}  // namespace weft::testing_bpf
