#include "lab/sys/cgroup.h"

#include <fmt/format.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/clock.h"

namespace weft::lab {
namespace fs = std::filesystem;
namespace {

std::vector<fs::path> children(const fs::path& dir) {
  std::vector<fs::path> out;
  std::error_code ec;
  for (fs::directory_iterator it(dir, ec), end; !ec && it != end; it.increment(ec))
    if (it->is_directory(ec)) out.push_back(it->path());
  return out;
}

void collect(const fs::path& dir, std::vector<int>& out) {
  std::ifstream in(dir / "cgroup.procs");
  for (int pid; in >> pid;) out.push_back(pid);
  for (const auto& child : children(dir)) collect(child, out);
}

}  // namespace

Result<std::string> cgroup2_mount() {
  std::ifstream in("/proc/mounts");
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, where, type;
    fields >> device >> where >> type;
    if (type == "cgroup2") return where;
  }
  return fail(Errc::unsupported,
              "/proc/mounts: cgroup2 is not mounted on this machine; mount it: mkdir -p /sys/fs/cgroup/unified && "
              "mount -t cgroup2 none /sys/fs/cgroup/unified");
}

Result<> make_cgroup(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec) return fail(Errc::internal, fmt::format("cgroup {}: cannot be created: {}", path, ec.message()));
  return {};
}

std::vector<int> cgroup_processes(const std::string& path) {
  std::vector<int> out;
  collect(path, out);
  return out;
}

Result<> kill_cgroup(const std::string& path, std::chrono::milliseconds limit) {
  if (!fs::exists(path)) return {};
  const auto deadline = Steady::now() + limit;
  for (;;) {
    {
      std::ofstream kill_file(path + "/cgroup.kill");
      if (kill_file) kill_file << "1" << std::flush;
      if (!kill_file)
        for (const int pid : cgroup_processes(path)) ::kill(pid, SIGKILL);
    }
    const auto left = cgroup_processes(path);
    if (left.empty()) return {};
    if (Steady::now() > deadline)
      return fail(Errc::timeout, fmt::format("cgroup {}: process {} does not die; look at /proc/{}/stack", path,
                                             left.front(), left.front()));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

Result<> remove_cgroup(const std::string& path) {
  std::error_code ec;
  if (!fs::exists(path, ec)) return {};
  for (const auto& child : children(path)) WEFT_TRY(remove_cgroup(child.string()));
  // A cgroup whose last process was just reaped can be busy for a moment.
  for (int attempt = 0;; ++attempt) {
    if (::rmdir(path.c_str()) == 0 || errno == ENOENT) return {};
    if (errno != EBUSY || attempt > 200)
      return fail(errno_error(fmt::format("cgroup {}: cannot be removed", path), errno));
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace weft::lab
