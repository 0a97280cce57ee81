// How this folder awaits Asio's operations: errors are values, since most of them are answers here.
#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "async/task.h"

namespace weft::lab {

inline constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

}  // namespace weft::lab
