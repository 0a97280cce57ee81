// Doing something in another network namespace without the calling thread ever leaving its own.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "base/result.h"

namespace weft::netlink {

/// Opens a namespace by path. not_found when nothing is there; invalid when it is not a network namespace
/// (a name under /run/netns whose mount is gone is a plain empty file).
Result<Fd> open_netns(const std::string& path);
/// The inode, which tells namespaces apart while they live.
Result<std::uint64_t> netns_inode(int fd);
/// Runs `fn` on a fresh thread inside the namespace and waits for it. With fd < 0: on this thread, here.
Result<> run_in_netns(int fd, const std::function<Result<>()>& fn);

}  // namespace weft::netlink
