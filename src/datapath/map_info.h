// What the kernel says of a map. Internal to this folder.
#pragma once

#include <bpf/bpf.h>

#include <cerrno>

#include "base/result.h"

namespace weft {

inline Result<bpf_map_info> map_info(int fd) {
  bpf_map_info info{};
  std::uint32_t length = sizeof info;
  if (bpf_obj_get_info_by_fd(fd, &info, &length) != 0) return fail(errno_error("reading about a BPF map", errno));
  return info;
}

}  // namespace weft
