#include "netlink/netns.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/nsfs.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include <cerrno>
#include <thread>

#ifndef NS_GET_NSTYPE
#define NS_GET_NSTYPE _IO(0xb7, 0x3)
#endif

namespace weft::netlink {

Result<Fd> open_netns(const std::string& path) {
  Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(errno_error("network namespace " + path, errno));
  if (::ioctl(fd.get(), NS_GET_NSTYPE) != CLONE_NEWNET)
    return fail(Errc::not_found, "network namespace " + path + ": the file is there but is not a network namespace");
  return fd;
}

Result<std::uint64_t> netns_inode(int fd) {
  struct stat st{};
  if (::fstat(fd, &st) != 0) return fail(errno_error("network namespace", errno));
  return st.st_ino;
}

Result<> run_in_netns(int fd, const std::function<Result<>()>& fn) {
  if (fd < 0) return fn();
  Result<> out;
  std::thread([&] {
    if (::setns(fd, CLONE_NEWNET) != 0) {
      out = fail(errno_error("entering a network namespace", errno));
      return;
    }
    out = fn();
  }).join();
  return out;
}

}  // namespace weft::netlink
