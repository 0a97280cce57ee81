// The control socket of bgp-speaker: one JSON line asks, one answers.
#pragma once

#include <functional>
#include <string>

#include "async/scope.h"
#include "bgp/speaker/speaker.h"

namespace weft::bgp {

/// Answers until cancelled. `shutdown` is called with the text of {"command":"shutdown","message":"…"}.
Task<> serve_control(std::string path, Scope& scope, Speaker& speaker,
                     std::function<void(std::string text, bool graceful)> shutdown);

}  // namespace weft::bgp
