#include "tests/netns/namespaces.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

namespace weft::testing_netns {

namespace fs = std::filesystem;

bool enter_sandbox() {
  static const bool inside = [] {
    if (::geteuid() != 0) return false;
    if (::unshare(CLONE_NEWNS | CLONE_NEWNET) != 0) return false;
    return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
  }();
  return inside;
}

Outcome shell(const std::string& command) {
  Outcome o;
  FILE* p = ::popen(("(" + command + ") 2>&1").c_str(), "r");
  if (p == nullptr) return {127, "popen failed"};
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, p)) > 0;) o.out.append(buffer, n);
  const int status = ::pclose(p);
  o.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128;
  return o;
}

Namespaces::Namespaces(const std::string& label) {
  dir_ = "/tmp/weft-" + label + "-XXXXXX";
  if (::mkdtemp(dir_.data()) == nullptr) throw std::runtime_error(dir_ + ": " + std::strerror(errno));
}

Namespaces::~Namespaces() {
  for (const auto& path : mounted_) ::umount2(path.c_str(), MNT_DETACH);
  std::error_code ec;
  fs::remove_all(dir_, ec);
}

void Namespaces::add_netns(const std::string& name) {
  const std::string path = netns(name);
  std::ofstream(path).close();
  std::string why;
  std::thread([&] {
    if (::unshare(CLONE_NEWNET) != 0 ||
        ::mount("/proc/thread-self/ns/net", path.c_str(), nullptr, MS_BIND, nullptr) != 0)
      why = std::strerror(errno);
  }).join();
  if (!why.empty()) throw std::runtime_error("namespace " + name + ": " + why);
  mounted_.push_back(path);
  run(name, "ip link set lo up");
}

void Namespaces::remove_netns(const std::string& name) {
  ::umount2(netns(name).c_str(), MNT_DETACH);
  ::unlink(netns(name).c_str());
}

std::string Namespaces::run(const std::string& name, const std::string& command) const {
  const auto o = shell("nsenter --net=" + netns(name) + " sh -ec '" + command + "'");
  if (o.code != 0) throw std::runtime_error(name + ": " + command + ": " + o.out);
  return o.out;
}

bool Namespaces::succeeds(const std::string& name, const std::string& command) const {
  return shell("nsenter --net=" + netns(name) + " sh -ec '" + command + "'").code == 0;
}

}  // namespace weft::testing_netns
