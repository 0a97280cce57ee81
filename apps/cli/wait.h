// Looking again until it is so.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "base/result.h"

namespace weft::cli {

/// Calls `look` once a second until it says nothing is missing (an empty text) or `limit` has passed; the text is shown
/// as progress. An unreachable API server is waited for too; other errors end the wait. Errc::timeout says what was
/// still missing.
Result<> wait_until(std::chrono::seconds limit, const std::function<Result<std::string>()>& look);

}  // namespace weft::cli
