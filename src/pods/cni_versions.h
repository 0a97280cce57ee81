// The CNI specification versions that the agent and weft-cni speak, oldest first.
#pragma once

#include <array>
#include <string_view>

namespace weft::pods {

inline constexpr std::array<std::string_view, 4> kCniVersions{"0.3.1", "0.4.0", "1.0.0", "1.1.0"};

}  // namespace weft::pods
