#include "netlink/linux_kernel.h"

#include <fcntl.h>

#include <cerrno>
#include <memory>

#include "base/file.h"

namespace weft::netlink {

namespace {

// /proc/sys has no atomic replace: the value is written in place.
Result<> write_sysctl(const std::string& key, const std::string& value) {
  const std::string path = "/proc/sys/" + key;
  const Fd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (!fd) return fail(errno_error("sysctl " + key, errno));
  if (::write(fd.get(), value.data(), value.size()) < 0)
    return fail(errno_error("sysctl " + key + " = " + value, errno));
  return {};
}

}  // namespace

Result<std::unique_ptr<Kernel>> make_linux_kernel() {
  auto socket = Socket::open();
  if (!socket) return fail(std::move(socket).error());
  return std::make_unique<LinuxKernel>(std::move(*socket), Fd());
}

Result<std::unique_ptr<Kernel>> LinuxKernel::open(const std::string& netns) {
  auto fd = open_netns(netns);
  if (!fd) return fail(std::move(fd).error());
  std::optional<Socket> inside;  // a netlink socket keeps the namespace it was opened in
  auto r = run_in_netns(fd->get(), [&]() -> Result<> {
    auto socket = Socket::open();
    if (!socket) return fail(std::move(socket).error());
    inside.emplace(std::move(*socket));
    return {};
  });
  if (!r) return fail(std::move(r).error());
  return std::make_unique<LinuxKernel>(std::move(*inside), std::move(*fd));
}

Result<std::uint64_t> LinuxKernel::netns_id(const std::string& netns) {
  auto fd = open_netns(netns);
  if (!fd) return fail(std::move(fd).error());
  return netns_inode(fd->get());
}

Result<std::string> LinuxKernel::sysctl(const std::string& key) {
  std::string value;
  auto r = run_in_netns(netns_.get(), [&]() -> Result<> {
    auto text = read_file("/proc/sys/" + key);
    if (!text) return fail(std::move(text).error());
    value = std::move(*text);
    return {};
  });
  if (!r) return fail(std::move(r).error());
  while (!value.empty() && value.back() == '\n') value.pop_back();
  return value;
}

Result<> LinuxKernel::set_sysctl(const std::string& key, const std::string& value) {
  return run_in_netns(netns_.get(), [&] { return write_sysctl(key, value); });
}

}  // namespace weft::netlink
