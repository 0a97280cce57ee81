#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "base/fd.h"

namespace weft {

Result<std::string> read_file(const std::string& path) {
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return fail(errno_error(path, errno));
  std::string out;
  char buffer[65536];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return fail(errno_error(path, errno));
    if (n == 0) return out;
    out.append(buffer, static_cast<std::size_t>(n));
  }
}

Result<> write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string beside = path + ".tmp" + std::to_string(::getpid());
  {
    const Fd fd(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
    if (!fd) return fail(errno_error(beside, errno));
    while (!content.empty()) {
      const ssize_t n = ::write(fd.get(), content.data(), content.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return fail(errno_error(beside, errno));
      content.remove_prefix(static_cast<std::size_t>(n));
    }
    ::fchmod(fd.get(), mode);
    ::fsync(fd.get());
  }
  if (::rename(beside.c_str(), path.c_str()) != 0) {
    const int err = errno;
    ::unlink(beside.c_str());
    return fail(errno_error(path, err));
  }
  return {};
}

}  // namespace weft
