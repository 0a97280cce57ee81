// Addresses as the tests write them down.
#pragma once

#include "base/net.h"

namespace weft::services {

inline Address addr(const char* text) { return Address::parse(text).value(); }

}  // namespace weft::services
