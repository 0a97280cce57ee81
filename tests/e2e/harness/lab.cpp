#include "tests/e2e/harness/lab.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <set>

namespace weft::e2e {
namespace {

std::string topology;
int guardian_pipe = -1;

std::string env_or(const char* name, const std::string& otherwise) {
  const char* v = std::getenv(name);
  return v && *v ? v : otherwise;
}

}  // namespace

class LabEnvironment final : public ::testing::Environment {
 public:
  explicit LabEnvironment(Lab& lab) : lab_(lab) {}
  void TearDown() override { lab_.down(); }

 private:
  Lab& lab_;
};

std::string source_path(const std::string& relative) { return std::string(WEFT_SOURCE_DIR) + "/" + relative; }
std::string bin_folder() { return env_or("WEFT_E2E_BIN", WEFT_BIN_DIR); }
std::string program(const std::string& name) { return bin_folder() + "/" + name; }
std::string tool(const std::string& name) {
  const std::string path = source_path(".cache/tools/bin/" + name);
  return access(path.c_str(), X_OK) == 0 ? path : name;
}

void Lab::use_topology(const std::string& path) { topology = path; }

Lab& Lab::get() {
  // On purpose never destroyed: TearDown does what there is to do.
  static Lab* lab = [] {
    auto* l = new Lab();
    ::testing::AddGlobalTestEnvironment(new LabEnvironment(*l));
    return l;
  }();
  return *lab;
}

Lab::Lab() {
  const std::string existing = env_or("WEFT_E2E_LAB", "");
  ours_ = existing.empty();
  name_ = ours_ ? fmt::format("e2e-{}", getpid()) : existing;
  if (ours_) {
    guard();
    Argv up{program("weft"), "lab", "up", "--name", name_};
    if (!topology.empty()) up.push_back(topology);
    if (const auto real = env_or("WEFT_E2E_KUBE_APISERVER", ""); !real.empty()) {
      up.push_back("--kube-apiserver");
      up.push_back(real);
    }
    std::cout << "[ lab      ] bringing up " << name_ << std::endl;
    const auto result = run(up, {.limit = std::chrono::seconds(180)});
    if (!result.ok()) {
      std::cerr << "the lab did not come up\n" << result.describe() << std::endl;
      down();
      std::exit(1);
    }
  }
  const auto path = run({program("weft"), "lab", "kubeconfig", "--name", name_, "--path"});
  if (!path.ok()) {
    std::cerr << "the lab has no kubeconfig\n" << path.describe() << std::endl;
    down();
    std::exit(1);
  }
  kubeconfig_ = path.out.substr(0, path.out.find('\n'));
}

// A process outside our group and session that outlives us only to clean up after a crash or a kill: it waits for
// the end of a pipe that we hold. A byte through the pipe says that everything is in order.
void Lab::guard() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC)) std::abort();
  const pid_t middle = fork();
  if (middle == 0) {
    setsid();
    // A child of init, so that a runner which kills the test with all its descendants does not find it.
    if (fork() != 0) _exit(0);
    // Whoever waits for our output must not wait for the guardian.
    const int null = open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) dup2(null, fd);
    dup2(ends[0], 3);
    close_range(4, ~0U, 0);
    char byte = 0;
    ssize_t n = 0;
    do n = read(3, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1) _exit(0);
    std::error_code ignored;
    std::filesystem::remove_all("/tmp/weft-" + name_, ignored);
    const std::string weft = program("weft");
    // A build may just be replacing the program.
    for (int i = 0; i < 60; ++i) {
      execl(weft.c_str(), weft.c_str(), "lab", "down", "--name", name_.c_str(), nullptr);
      sleep(1);
    }
    _exit(1);
  }
  waitpid(middle, nullptr, 0);
  close(ends[0]);
  guardian_pipe = ends[1];
}

std::vector<std::string> Lab::forbidden() const {
  std::set<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator("/run/weft-lab/" + name_ + "/log")) {
    if (entry.path().filename() != "apiserver.log") continue;
    std::ifstream log(entry.path());
    for (std::string line; std::getline(log, line);) {
      const auto who = line.find("User ");
      if (who == std::string::npos || line.find("forbidden") == std::string::npos) continue;
      if (line.find("system:serviceaccount:kube-system:") != std::string::npos) out.insert(line.substr(who));
    }
  }
  return {out.begin(), out.end()};
}

std::vector<std::string> Lab::broken() const {
  const std::filesystem::path run = "/run/weft-lab/" + name_;
  std::vector<std::filesystem::path> folders{run / "log"};
  std::error_code none;
  for (const auto& sandbox : std::filesystem::directory_iterator(run / "sandboxes", none))
    folders.push_back(sandbox.path() / "state/logs");
  std::vector<std::string> out;
  for (const auto& folder : folders)
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder, none)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream log(entry.path());
      std::string before;
      for (std::string line; std::getline(log, line); before = line)
        if (line.find("broken invariant: ") != std::string::npos)
          out.push_back(entry.path().lexically_relative(run).string() + ": " + before + "\n" + line);
    }
  return out;
}

void Lab::down() {
  if (!ours_) return;
  EXPECT_THAT(broken(), ::testing::IsEmpty());
  const auto result = run({program("weft"), "lab", "down", "--name", name_}, {.limit = std::chrono::seconds(120)});
  if (result.ok()) {
    if (guardian_pipe >= 0 && write(guardian_pipe, "k", 1) != 1) std::cerr << "the guardian is gone\n";
  } else {
    ADD_FAILURE() << "the lab did not go down\n" << result.describe();
  }
  if (guardian_pipe >= 0) close(guardian_pipe);
  guardian_pipe = -1;
  std::filesystem::remove_all("/tmp/weft-" + name_);
}

Env Lab::env() const {
  return {{"KUBECONFIG", kubeconfig_},
          {"WEFT_LAB", name_},
          {"PATH", bin_folder() + ":" + source_path(".cache/tools/bin") + ":" + env_or("PATH", "/usr/bin:/bin") +
                       ":/usr/sbin:/sbin"},
          // Helm's state of ours only: nothing is read from or left in the user's home.
          {"HELM_CACHE_HOME", "/tmp/weft-" + name_ + "/helm/cache"},
          {"HELM_CONFIG_HOME", "/tmp/weft-" + name_ + "/helm/config"},
          {"HELM_DATA_HOME", "/tmp/weft-" + name_ + "/helm/data"},
          {"KUBECACHEDIR", "/tmp/weft-" + name_ + "/kube"}};
}

Output Lab::weft(const Argv& args, std::chrono::seconds limit) const {
  Argv argv{program("weft")};
  argv.insert(argv.end(), args.begin(), args.end());
  return run(argv, {.limit = limit, .env = env()});
}

Argv Lab::kubectl_argv(const std::string& cluster, const Argv& args) const {
  Argv argv{tool("kubectl"), "--context", cluster};
  argv.insert(argv.end(), args.begin(), args.end());
  return argv;
}

Output Lab::kubectl(const std::string& cluster, const Argv& args, const std::string& input,
                    std::chrono::seconds limit) const {
  return run(kubectl_argv(cluster, args), {.limit = limit, .input = input, .env = env()});
}

Output Lab::helm(const std::string& cluster, const Argv& args, std::chrono::seconds limit) const {
  Argv argv{tool("helm"), "--kube-context", cluster};
  argv.insert(argv.end(), args.begin(), args.end());
  return run(argv, {.limit = limit, .env = env()});
}

Argv Lab::exec_argv(const std::string& target, const Argv& command, const std::string& ns) const {
  Argv argv{program("weft"), "lab", "exec", "--name", name_, "-n", ns, target, "--"};
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

Output Lab::exec(const std::string& target, const Argv& command, std::chrono::seconds limit,
                 const std::string& ns) const {
  return run(exec_argv(target, command, ns), {.limit = limit, .env = env()});
}

::testing::AssertionResult Lab::apply(const std::string& cluster, const std::string& yaml) const {
  const auto r = kubectl(cluster, {"apply", "-f", "-"}, yaml);
  if (r.ok()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << r.describe();
}

json::value Lab::get_json(const std::string& cluster, const Argv& args) const {
  Argv all{"get"};
  all.insert(all.end(), args.begin(), args.end());
  all.insert(all.end(), {"-o", "json"});
  const auto r = kubectl(cluster, all);
  if (!r.ok()) return nullptr;
  boost::system::error_code ec;
  auto v = json::parse(r.out, ec);
  return ec ? json::value(nullptr) : v;
}

}  // namespace weft::e2e
