#include "bench/lab/lab.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/file.h"

namespace weft::bench {
namespace {

std::string quoted(const std::string& arg) {
  std::string out = "'";
  for (const char c : arg) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

}  // namespace

Lab::Lab(std::string existing)
    : name_(std::move(existing)),
      bin_(std::filesystem::read_symlink("/proc/self/exe").parent_path()),
      ours_(name_.empty()) {
  if (ours_) name_ = fmt::format("bench-{}", ::getpid());
  std::string folder = "/tmp/weft-bench-XXXXXX";
  if (::mkdtemp(folder.data())) scratch_ = folder;
  const char* path = std::getenv("PATH");
  ::setenv("PATH", (bin_ + ":" WEFT_TOOLS_DIR ":" + (path ? path : "/usr/bin:/bin") + ":/usr/sbin:/sbin").c_str(), 1);
  // Helm's and kubectl's state is ours alone.
  for (const char* name : {"HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME", "KUBECACHEDIR"})
    ::setenv(name, (scratch_ + "/" + name).c_str(), 1);
  ::setenv("WEFT_LAB", name_.c_str(), 1);
}

void Lab::down() {
  if (guardian_ < 0) return;
  if (const auto r = weft({"lab", "down", "--name", name_}); r) {
    if (::write(guardian_, "k", 1) != 1) std::fputs("bench: the guardian is gone\n", stderr);
  } else {
    std::fprintf(stderr, "bench: the lab did not go down: %s\n", r.error().message.c_str());
  }
  ::close(guardian_);
  guardian_ = -1;
}

Lab::~Lab() {
  down();
  std::error_code ignored;
  if (!scratch_.empty()) std::filesystem::remove_all(scratch_, ignored);
}

// A process outside our group and session that takes the lab down when we are killed: it waits for the end of a pipe
// that we hold. A byte through the pipe says that everything is in order.
void Lab::guard() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC)) std::abort();
  const pid_t middle = ::fork();
  if (middle == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    ::close(ends[1]);
    const int null = ::open("/dev/null", O_RDWR);
    for (const int fd : {0, 1, 2}) ::dup2(null, fd);
    char byte = 0;
    ssize_t n = 0;
    do n = ::read(ends[0], &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1) ::_exit(0);
    std::error_code ignored;
    std::filesystem::remove_all(scratch_, ignored);
    ::execl((bin_ + "/weft").c_str(), "weft", "lab", "down", "--name", name_.c_str(), nullptr);
    ::_exit(1);
  }
  ::waitpid(middle, nullptr, 0);
  ::close(ends[0]);
  guardian_ = ends[1];
}

Result<> Lab::up(const std::vector<std::string>& up_args) {
  if (scratch_.empty()) return fail(errno_error("making a folder in /tmp", errno));
  const auto say = [](const char* what) { std::fprintf(stderr, "bench: %s\n", what); };
  if (ours_) {
    guard();
    say("bringing a lab up");
    std::vector<std::string> args{"lab", "up", "--name", name_};
    args.insert(args.end(), up_args.begin(), up_args.end());
    WEFT_TRY(weft(args));
  }
  const auto path = weft({"lab", "kubeconfig", "--name", name_, "--path"});
  if (!path) return fail(path.error());
  kubeconfig_ = path->substr(0, path->find('\n'));
  ::setenv("KUBECONFIG", kubeconfig_.c_str(), 1);
  return {};
}

Result<std::string> Lab::weft(const std::vector<std::string>& args, const std::string& input_file) {
  std::string command = "timeout -k 10 300 " + quoted(bin_ + "/weft");
  for (const auto& a : args) command += " " + quoted(a);
  const std::string errors = fmt::format("{}/stderr{}", scratch_, ++runs_);
  const std::string redirected =
      fmt::format("{} <{} 2>{}", command, quoted(input_file.empty() ? "/dev/null" : input_file), quoted(errors));
  FILE* pipe = ::popen(redirected.c_str(), "r");
  if (!pipe) return fail(errno_error("running " + command, errno));
  std::string out;
  char buffer[4096];
  for (std::size_t n = 0; (n = std::fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.append(buffer, n);
  const int status = ::pclose(pipe);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return out;
  return fail(Errc::internal,
              fmt::format("{} ended with {}: {}{}", command, WIFEXITED(status) ? WEXITSTATUS(status) : -1, out,
                          read_file(errors).value_or("")));
}

}  // namespace weft::bench
