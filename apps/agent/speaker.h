// The speaker that speaks: bgp::Speaker with its routes in this node's kernel.
#pragma once

#include <memory>

#include "bgp/control/speaker_edge.h"
#include "bgp/speaker/edges.h"
#include "netlink/kernel.h"

namespace weft::agent {

/// `bfd` may be null: peers that want BFD then wait for it for ever. `kernel` and `bfd` outlive the speaker.
std::unique_ptr<bgp::control::SpeakerEdge> make_real_speaker(asio::io_context& io, netlink::Kernel& kernel,
                                                             bgp::BfdEdge* bfd, const std::string& node,
                                                             bool restarting);

}  // namespace weft::agent
