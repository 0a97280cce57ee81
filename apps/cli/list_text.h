// The agent's answers (src/api/views.h) as tables, and below them a line for each row that is not as it should be, with
// the agent's reason. Pure; what is missing in an answer shows as "-".
#pragma once

#include <boost/json/fwd.hpp>

#include <string>

namespace weft::cli {

namespace json = boost::json;

struct ServiceListOptions {
  bool global_only = false;  // --clustermesh: global services, with cluster and choice of each backend
  bool choice = false;       // with "(preferred)", or why not
};

std::string services_text(const json::value& services, const ServiceListOptions& options);
std::string nodes_text(const json::value& nodes);
std::string identities_text(const json::value& identities);
std::string endpoints_text(const json::value& endpoints);
std::string lb_text(const json::value& entries);
/// A ConfigMap's data, sorted by key.
std::string config_text(const json::object& config_map);
/// Only those with global: true.
json::value global_services(const json::value& services);

}  // namespace weft::cli
