#include "kvstore/etcd_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>
#include <utility>

#include "base/fd.h"

namespace weft::kvstore {

EtcdProcess::~EtcdProcess() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
}
EtcdProcess::EtcdProcess(EtcdProcess&& o) noexcept : pid_(std::exchange(o.pid_, -1)) {}
EtcdProcess& EtcdProcess::operator=(EtcdProcess&& o) noexcept {
  std::swap(pid_, o.pid_);
  return *this;
}

Result<EtcdProcess> EtcdProcess::start(const std::string& program, const std::vector<std::string>& args,
                                       const std::string& log_file) {
  Fd log(::open(log_file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return std::unexpected(errno_error("opening " + log_file, errno));
  std::vector<char*> argv{const_cast<char*>(program.c_str())};
  for (const auto& a : args) argv.push_back(const_cast<char*>(a.c_str()));
  argv.push_back(nullptr);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(errno_error("starting " + program, errno));
  if (pid == 0) {
    // Only async-signal-safe calls: the parent has threads.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != parent) ::_exit(127);
    ::dup2(log.get(), STDOUT_FILENO);
    ::dup2(log.get(), STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::_exit(127);
  }
  EtcdProcess out;
  out.pid_ = pid;
  return out;
}

bool EtcdProcess::running() {
  if (pid_ <= 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

void EtcdProcess::signal(int number) {
  if (pid_ > 0) ::kill(pid_, number);
}

void EtcdProcess::stop(std::chrono::milliseconds grace) {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGCONT);
  ::kill(pid_, SIGTERM);
  const auto until = std::chrono::steady_clock::now() + grace;
  while (running()) {
    if (std::chrono::steady_clock::now() > until) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
      pid_ = -1;
      return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace weft::kvstore
