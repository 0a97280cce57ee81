#include "lab/sys/rootfs.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace weft::lab {
namespace fs = std::filesystem;
namespace {

Result<> do_mount(const std::string& source, const std::string& target, const char* type, unsigned long flags,
                  const std::string& data = {}) {
  if (::mount(source.c_str(), target.c_str(), type, flags, data.empty() ? nullptr : data.c_str()) == 0) return {};
  return fail(errno_error(fmt::format("mounting {} at {}", type ? type : source.c_str(), target), errno));
}

Result<> folder(const std::string& path) {
  std::error_code ec;
  fs::create_directories(path, ec);
  if (ec && !fs::is_directory(path)) return fail(Errc::internal, fmt::format("folder {}: {}", path, ec.message()));
  return {};
}

// A mount point of the same sort as the source: a folder, or an empty file.
Result<> mount_point(const std::string& target, bool is_folder) {
  if (is_folder) return folder(target);
  WEFT_TRY(folder(fs::path(target).parent_path().string()));
  const Fd fd(::open(target.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0644));
  if (!fd) return fail(errno_error("file " + target, errno));
  return {};
}

struct Opened {
  BindMount bind;
  Fd fd;
  bool is_folder = true;
};

Result<Opened> open_source(const BindMount& b) {
  Opened o{b, Fd(::open(b.source.c_str(), O_PATH | O_CLOEXEC)), true};
  if (!o.fd) return fail(errno_error(fmt::format("mount {} (for {})", b.source, b.target), errno));
  struct stat st{};
  ::fstat(o.fd.get(), &st);
  o.is_folder = S_ISDIR(st.st_mode);
  return o;
}

Result<> bind_opened(const Opened& o) {
  WEFT_TRY(mount_point(o.bind.target, o.is_folder));
  if (const auto r = do_mount(fmt::format("/proc/self/fd/{}", o.fd.get()), o.bind.target, nullptr, MS_BIND | MS_REC);
      !r)
    return fail(r.error().in(o.bind.source));
  if (o.bind.read_only) return do_mount("none", o.bind.target, nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY);
  return {};
}

}  // namespace

std::vector<std::string> machine_volumes() {
  static const std::set<std::string> files = {"ext2", "ext3", "ext4",    "xfs",      "btrfs",
                                              "zfs",  "f2fs", "overlay", "9p",       "virtiofs",
                                              "nfs",  "nfs4", "fuse",    "bcachefs", "vfat"};
  std::vector<std::string> out;
  std::ifstream in("/proc/mounts");
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string device, where, type;
    fields >> device >> where >> type;
    if (where == "/" || where.find('\\') != std::string::npos || !files.contains(type)) continue;
    const auto below = [&](std::string_view top) { return where == top || where.starts_with(std::string(top) + "/"); };
    if (below("/proc") || below("/sys") || below("/dev") || below("/run") || below("/etc")) continue;
    std::error_code ec;
    if (fs::is_directory(where, ec)) out.push_back(where);
  }
  return out;
}

Result<> enter_root(const RootSpec& spec) {
  WEFT_TRY(do_mount("none", "/", nullptr, MS_REC | (spec.follow_mounts ? MS_SLAVE : MS_PRIVATE)));
  // Sources are opened while their paths still mean what the caller meant.
  std::vector<Opened> opened;
  for (const std::string& path : spec.shared) {
    auto o = open_source({path, path});
    if (!o) return fail(o.error());
    opened.push_back(std::move(*o));
  }
  for (const BindMount& b : spec.binds) {
    auto o = open_source(b);
    if (!o) return fail(o.error());
    opened.push_back(std::move(*o));
  }
  WEFT_TRY(do_mount("tmpfs", spec.scratch, "tmpfs", 0, "mode=755"));
  const std::string root = spec.scratch + "/root";
  for (const char* d : {"/root", "/upper", "/work"}) WEFT_TRY(folder(spec.scratch + d));
  WEFT_TRY(
      do_mount("overlay", root, "overlay", 0,
               fmt::format("lowerdir={},upperdir={}/upper,workdir={}/work", spec.lower, spec.scratch, spec.scratch)));
  for (const char* d : {"/proc", "/sys", "/dev", "/run", "/tmp"}) WEFT_TRY(folder(root + d));
  WEFT_TRY(do_mount("proc", root + "/proc", "proc", 0));
  WEFT_TRY(do_mount("/dev", root + "/dev", nullptr, MS_BIND | MS_REC));
  WEFT_TRY(do_mount("tmpfs", root + "/dev/shm", "tmpfs", 0, "mode=1777"));
  WEFT_TRY(do_mount("tmpfs", root + "/run", "tmpfs", 0, "mode=755"));
  WEFT_TRY(do_mount("tmpfs", root + "/tmp", "tmpfs", 0, "mode=1777"));
  if (spec.own_sysfs) {
    WEFT_TRY(do_mount("sysfs", root + "/sys", "sysfs", 0));
  } else {
    WEFT_TRY(do_mount("/sys", root + "/sys", nullptr, MS_BIND));
  }
  // On a machine with cgroup v1 /sys/fs/cgroup is an empty folder of sysfs: a fine place for v2.
  if (spec.own_cgroupfs) {
    WEFT_TRY(do_mount("cgroup2", root + "/sys/fs/cgroup", "cgroup2", 0));
  } else {
    WEFT_TRY(do_mount("/sys/fs/cgroup", root + "/sys/fs/cgroup", nullptr, MS_BIND));
  }
  if (spec.bpffs) WEFT_TRY(do_mount("bpf", root + "/sys/fs/bpf", "bpf", 0));
  if (!spec.lower_inside.empty()) {
    WEFT_TRY(folder(root + spec.lower_inside));
    WEFT_TRY(do_mount(spec.lower, root + spec.lower_inside, nullptr, MS_BIND));
  }
  for (const std::string& d : spec.empty_folders) {
    WEFT_TRY(folder(root + d));
    WEFT_TRY(do_mount("tmpfs", root + d, "tmpfs", 0, "mode=755"));
  }
  const std::string old = root + "/run/.old";
  WEFT_TRY(folder(old));
  if (::syscall(SYS_pivot_root, root.c_str(), old.c_str()) != 0) return fail(errno_error("pivot_root " + root, errno));
  if (::chdir("/") != 0) return fail(errno_error("chdir /", errno));
  // Targets are resolved inside now: /var/run/x follows the link to /run/x of the new root.
  for (const Opened& o : opened) WEFT_TRY(bind_opened(o));
  opened.clear();
  if (::umount2("/run/.old", MNT_DETACH) != 0) return fail(errno_error("leaving the old root", errno));
  ::rmdir("/run/.old");
  return {};
}

}  // namespace weft::lab
