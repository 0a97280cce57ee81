// The JSON file of bgp-speaker, read into what the speaker is given.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp {

/// See README.md for the form. Errors name the place in the file, the value and the mend; a key that is not known is
/// one too, so that a test never tests nothing.
Result<Wanted> parse_config(std::string_view json);

}  // namespace weft::bgp
