// lab/manifests, built in.
#pragma once

#include <string_view>

namespace weft::lab {

std::string_view dns_manifest();

}  // namespace weft::lab
