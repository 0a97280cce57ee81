#include "datapath/attach.h"

#include <bpf/bpf.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <sstream>

#include "base/file.h"
#include "base/log.h"

namespace weft {

Result<std::string> find_cgroup2(const std::string& mounts) {
  std::istringstream lines(mounts);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string source, target, type;
    if (words >> source >> target >> type && type == "cgroup2") return target;
  }
  return fail(Errc::unsupported,
              "/proc/mounts: no cgroup2 file system; mount one (mount -t cgroup2 none /sys/fs/cgroup) or boot with "
              "systemd.unified_cgroup_hierarchy=1");
}

Result<std::string> find_cgroup2() {
  const auto mounts = read_file("/proc/mounts");
  if (!mounts) return fail(mounts.error());
  return find_cgroup2(*mounts);
}

Result<> check_bpffs(const std::string& path) {
  struct statfs fs;
  if (statfs(path.c_str(), &fs) != 0) return fail(errno_error("bpffs " + path, errno));
  if (static_cast<unsigned long>(fs.f_type) != BPF_FS_MAGIC)
    return fail(Errc::invalid, path + ": not a BPF file system; mount one there (mount -t bpf bpf " + path + ")");
  return {};
}

Result<> pin_object(int fd, const std::string& path) {
  const std::string fresh = path + "_new";  // bpffs allows no dots in names
  unlink(fresh.c_str());
  if (bpf_obj_pin(fd, fresh.c_str()) != 0) return fail(errno_error("pinning " + path, errno));
  if (rename(fresh.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(fresh.c_str());
    return fail(errno_error("pinning " + path, error));
  }
  return {};
}

Result<> attach_to_cgroup(int program, int attach_type, const std::string& cgroup_path, const std::string& pin) {
  const Fd cgroup(open(cgroup_path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat st;
  if (!cgroup || fstat(cgroup.get(), &st) != 0) return fail(errno_error("cgroup " + cgroup_path, errno));

  const Fd old(bpf_obj_get(pin.c_str()));
  if (old) {
    bpf_link_info info{};
    std::uint32_t length = sizeof info;
    if (bpf_obj_get_info_by_fd(old.get(), &info, &length) == 0 && info.type == BPF_LINK_TYPE_CGROUP &&
        info.cgroup.cgroup_id == st.st_ino && info.cgroup.attach_type == static_cast<std::uint32_t>(attach_type)) {
      LIBBPF_OPTS(bpf_link_update_opts, opts);
      if (bpf_link_update(old.get(), program, &opts) == 0) return {};
      log::warn("cannot change the program of a pinned link; making a new one",
                {{"link", pin}, {"error", errno_error("bpf_link_update", errno).message}});
    }
  }
  LIBBPF_OPTS(bpf_link_create_opts, opts);
  const Fd link(bpf_link_create(program, cgroup.get(), static_cast<bpf_attach_type>(attach_type), &opts));
  if (!link) return fail(errno_error("attaching to cgroup " + cgroup_path, errno));
  WEFT_TRY(pin_object(link.get(), pin));
  if (old) bpf_link_detach(old.get());  // without this it would go on for a while, see SockLb::unload
  return {};
}

}  // namespace weft
