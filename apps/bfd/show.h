// What a person asks of a running daemon.
#pragma once

#include <string>

#include "base/result.h"
#include "bfd/protocol.h"

namespace weft::bfd {

/// Asks the daemon at `socket`. An error says what to look at.
Result<Overview> ask_overview(const std::string& socket);
/// A table, one row a session, and how the thread keeps time.
std::string to_text(const Overview& overview);

}  // namespace weft::bfd
