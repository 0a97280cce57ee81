// The speaker that speaks: bgp::Speaker with its routes in this node's kernel and its peers watched by weft-bfd.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "bgp/control/speaker_edge.h"
#include "bgp/speaker/wanted.h"
#include "netlink/kernel.h"

namespace weft::agent {

/// How long weft-bfd keeps our sessions while the agent is away: longer than any peer that BFD watches keeps our routes
/// (RFC 4724), so that a node that dies meanwhile is noticed. Never less than a restart of the agent takes.
std::chrono::seconds bfd_linger(const bgp::Wanted& wanted);

/// `kernel` outlives the speaker. `bfd_socket` is asked for sessions when a peer wants some.
std::unique_ptr<bgp::control::SpeakerEdge> make_real_speaker(asio::io_context& io, netlink::Kernel& kernel,
                                                             const std::string& bfd_socket, const std::string& node,
                                                             bool restarting);

}  // namespace weft::agent
