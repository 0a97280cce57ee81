// setsockopt with an error that names the option.
#pragma once

#include <sys/socket.h>

#include <cerrno>
#include <string_view>

#include "base/result.h"

namespace weft::bgp {

template <class T>
Result<> set_option(int fd, int level, int name, const T& value, std::string_view what) {
  if (::setsockopt(fd, level, name, &value, sizeof value) == 0) return {};
  return fail(errno_error(what, errno));
}

}  // namespace weft::bgp
