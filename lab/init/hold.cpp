#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "lab/init/init.h"
#include "lab/init/json.h"
#include "lab/sys/cgroup.h"

namespace weft::lab {
namespace {

Result<> join_cgroup(const std::string& path) {
  WEFT_TRY(make_cgroup(path));
  std::ofstream out(path + "/cgroup.procs");
  out << "0" << std::flush;
  if (!out) return fail(Errc::internal, "cgroup " + path + ": cannot be joined");
  return {};
}

Result<> become(const boost::json::object& config) {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWCGROUP) != 0)
    return fail(errno_error("making namespaces", errno));
  const std::string hostname = text(config, "hostname");
  if (::sethostname(hostname.data(), hostname.size()) != 0) return fail(errno_error("hostname " + hostname, errno));
  // The sandbox's root cgroup stays free of processes, so that controllers could be enabled in it.
  WEFT_TRY(join_cgroup(text(config, "cgroup") + "/init"));
  RootSpec root;
  root.scratch = text(config, "scratch");
  root.shared = texts(config, "shared");
  root.bpffs = true;
  root.lower_inside = text(config, "lower_inside");
  root.empty_folders = texts(config, "folders");
  root.binds = binds(config);
  WEFT_TRY(enter_root(root));
  for (const auto& kv : config.at("files").as_object()) {
    const std::string path(kv.key());
    std::error_code ec;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ec);
    std::filesystem::remove(path, ec);  // it may be a link out of the machine's own arrangement
    std::ofstream out(path);
    out << std::string_view(kv.value().as_string()) << std::flush;
    if (!out) return fail(Errc::internal, "file " + path + ": cannot be written");
  }
  for (const auto& kv : config.at("sysctls").as_object()) {
    const std::string path = "/proc/sys/" + std::string(kv.key());
    std::ofstream out(path);
    out << std::string_view(kv.value().as_string()) << std::flush;
    if (!out) return fail(Errc::unsupported, "sysctl " + path + ": cannot be set; is the module for it loaded?");
  }
  return {};
}

}  // namespace

int hold(const boost::json::object& config) {
  if (const auto r = become(config); !r) {
    std::printf("%s\n", r.error().message.c_str());
    return 1;
  }
  std::printf("ready\n");
  std::fflush(stdout);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int fd = 0; fd <= 2; ++fd) ::dup2(null, fd);
  ::signal(SIGCHLD, SIG_IGN);
  for (;;) ::pause();
}

}  // namespace weft::lab
