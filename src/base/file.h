// Whole files: read, and replace atomically (write beside, fsync, rename).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace weft {

Result<std::string> read_file(const std::string& path);
Result<> write_file(const std::string& path, std::string_view content, unsigned mode = 0644);

}  // namespace weft
