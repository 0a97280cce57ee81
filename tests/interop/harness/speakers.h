// The implementations of Speaker, one file each. Tests use make_speaker.
#pragma once

#include <memory>

#include "tests/interop/harness/speaker.h"

namespace weft::interop {

std::unique_ptr<Speaker> make_frr(Host& host, SpeakerSpec spec);
std::unique_ptr<Speaker> make_bird(Host& host, SpeakerSpec spec);
std::unique_ptr<Speaker> make_gobgp(Host& host, SpeakerSpec spec);
std::unique_ptr<Speaker> make_openbgpd(Host& host, SpeakerSpec spec);
std::unique_ptr<Speaker> make_exabgp(Host& host, SpeakerSpec spec);
/// Our own: the program bgp-speaker beside the test program, or $WEFT_BGP_SPEAKER.
std::unique_ptr<Speaker> make_weft(Host& host, SpeakerSpec spec);

}  // namespace weft::interop
