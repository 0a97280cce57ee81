// Reverse path filtering (sysctl rp_filter; ip-sysctl in the kernel's documentation) where the way out is not the way
// in.
#pragma once

#include <string>

#include "netlink/kernel.h"

namespace weft::routing {

/// Makes `tunnel` take packets whatever the way back to their source, and `underlay` whenever there is one at all:
/// what a far node sends from its own address comes through the tunnel while the way back to it is the underlay, and
/// the pod's answer comes over the underlay while the way to the pod is the tunnel. The kernel takes the stricter of
/// conf.all and the device's own, so `all` has to be 0; every other device, and those to come, get what `all` was.
/// Errors name the sysctl and the mend.
Result<> loosen_reverse_path(netlink::Kernel&, const std::string& tunnel, const std::string& underlay);

}  // namespace weft::routing
