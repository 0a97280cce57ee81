// Statuses and routes as JSON, for tests and benchmarks.
#pragma once

#include <boost/json/value.hpp>

#include "bgp/speaker/status.h"

namespace weft::bgp {

boost::json::value to_json(const PeerStatus& status);
boost::json::value to_json(const RouteView& route);
boost::json::value to_json(const PrefixAnswer& answer);
boost::json::value to_json(const ListenerStatus& listener);

}  // namespace weft::bgp
