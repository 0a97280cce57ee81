// A real etcd and an API server on it, on fresh ports of the loopback, gone with the object. Or, with
// WEFT_TEST_KUBECONFIG set, whatever that kubeconfig points to (a real kube-apiserver): then tests that need to stop
// the server or to compact etcd are skipped.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/file.h"
#include "base/tests/free_port.h"
#include "kube/config.h"

namespace weft::testing {

class Child {
 public:
  Child() = default;
  Child(std::vector<std::string> argv, const std::string& log) {
    pid_ = ::fork();
    if (pid_ != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
    ::dup2(out, 1);
    ::dup2(out, 2);
    std::vector<char*> args;
    for (auto& a : argv) args.push_back(a.data());
    args.push_back(nullptr);
    ::execvp(args[0], args.data());
    ::_exit(127);
  }
  Child(const Child&) = delete;
  Child(Child&& o) noexcept : pid_(std::exchange(o.pid_, 0)) {}
  Child& operator=(Child&& o) noexcept {
    stop();
    pid_ = std::exchange(o.pid_, 0);
    return *this;
  }
  ~Child() { stop(); }
  /// Waits for the end; SIGKILL after five seconds.
  int stop(int signal = SIGKILL) {
    if (pid_ <= 0) return 0;
    ::kill(pid_, signal);
    int status = 0;
    const auto end = Steady::now() + std::chrono::seconds(5);
    while (::waitpid(pid_, &status, WNOHANG) == 0) {
      if (Steady::now() > end) ::kill(pid_, SIGKILL);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    pid_ = 0;
    return status;
  }
  bool running() const { return pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == 0; }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = 0;
    return status;
  }

 private:
  pid_t pid_ = 0;
};

inline bool listens(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_port = htons(port);
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const bool ok = ::connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a) == 0;
  ::close(fd);
  return ok;
}

class LabServer {
 public:
  LabServer() {
    std::string t = "/tmp/weft-apiserver-XXXXXX";
    dir_ = ::mkdtemp(t.data());
    if (const char* given = std::getenv("WEFT_TEST_KUBECONFIG")) {
      kubeconfig_ = given;
      return;
    }
    etcd_port_ = free_port();
    peer_port_ = free_port();
    port_ = free_port();
    kubeconfig_ = dir_ + "/kubeconfig";
    Child pki({WEFT_BIN_DIR "/weft-lab-pki", "--dir", dir_ + "/pki", "--server", "apiserver=localhost,127.0.0.1",
               "--client", "admin=admin:system:masters", "--signing-key", "sa", "--kubeconfig", kubeconfig_,
               "--context", "lab", "--url", "https://127.0.0.1:" + std::to_string(port_)},
              dir_ + "/pki.log");
    pki.wait();
    const auto url = "http://127.0.0.1:" + std::to_string(etcd_port_),
               peer = "http://127.0.0.1:" + std::to_string(peer_port_);
    etcd_ = Child({"etcd", "--data-dir", dir_ + "/etcd", "--listen-client-urls", url, "--advertise-client-urls", url,
                   "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
                   "default=" + peer, "--log-level", "error", "--unsafe-no-fsync"},
                  dir_ + "/etcd.log");
    wait_for(etcd_port_, "etcd");
    start_server();
  }
  ~LabServer() {
    server_.stop();
    etcd_.stop();
    if (!::testing::Test::HasFailure()) std::filesystem::remove_all(dir_);
  }
  LabServer(const LabServer&) = delete;

  bool external() const { return port_ == 0; }
  const std::string& dir() const { return dir_; }
  const std::string& kubeconfig() const { return kubeconfig_; }
  kube::Config config() const {
    auto c = kube::load_kubeconfig(kubeconfig_);
    if (!c) {
      ADD_FAILURE() << c.error().message;
      return {};
    }
    c->qps = 0;
    return *c;
  }
  void kill_server() { server_.stop(SIGKILL); }
  void start_server() {
    server_ =
        Child({WEFT_BIN_DIR "/weft-lab-apiserver", "--etcd-servers", "http://127.0.0.1:" + std::to_string(etcd_port_),
               "--listen", "127.0.0.1:" + std::to_string(port_), "--tls-cert-file", dir_ + "/pki/apiserver.crt",
               "--tls-private-key-file", dir_ + "/pki/apiserver.key", "--client-ca-file", dir_ + "/pki/ca.crt",
               "--service-account-key-file", dir_ + "/pki/sa.key", "--default-watch-cache-size", "50"},
              dir_ + "/apiserver.log");
    wait_for(port_, "weft-lab-apiserver");
  }
  std::string log() const { return read_file(dir_ + "/apiserver.log").value_or("no log"); }

 private:
  void wait_for(std::uint16_t port, const char* what) {
    const auto end = Steady::now() + std::chrono::seconds(15);
    while (!listens(port)) {
      if (Steady::now() > end) {
        ADD_FAILURE() << what << " does not listen on " << port << "; see " << dir_;
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }

  std::string dir_, kubeconfig_;
  std::uint16_t etcd_port_ = 0, peer_port_ = 0, port_ = 0;
  Child etcd_, server_;
};

}  // namespace weft::testing
