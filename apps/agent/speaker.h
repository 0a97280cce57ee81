// The speaker that speaks: bgp::Speaker with its routes in this node's kernel and its peers watched by weft-bfd.
#pragma once

#include <memory>
#include <string>

#include "bgp/control/speaker_edge.h"
#include "netlink/kernel.h"

namespace weft::agent {

/// `kernel` outlives the speaker. `bfd_socket` is asked for sessions when a peer wants some.
std::unique_ptr<bgp::control::SpeakerEdge> make_real_speaker(asio::io_context& io, netlink::Kernel& kernel,
                                                             const std::string& bfd_socket, const std::string& node,
                                                             bool restarting);

}  // namespace weft::agent
