// The CNI protocol as values (https://www.cni.dev/docs/spec/, versions 0.3.1 to 1.1.0): what a runtime asks,
// what it is told. Between weft-cni and the agent the request travels as one JSON object:
//   {"command":"ADD","containerId":"…","netns":"/run/netns/x","ifname":"eth0","args":{"K8S_POD_NAME":"…"},
//    "config":{…the network configuration from stdin, prevResult included…}}
#pragma once

#include <boost/json.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/net.h"

namespace weft::pods {

namespace json = boost::json;

/// Error codes of the specification, section "Error".
enum class CniCode : unsigned {
  incompatible_version = 1,
  unsupported_field = 2,
  unknown_container = 3,
  invalid_environment = 4,
  io_failure = 5,
  decode_failure = 6,
  invalid_config = 7,
  try_again_later = 11,
  unavailable = 50,  // STATUS: cannot serve ADD now
  internal = 100,    // 100 and above are the plugin's own
};

struct CniError {
  CniCode code = CniCode::internal;
  std::string message;
  std::string details;
};

enum class CniCommand { add, del, check, gc, status, version };

struct CniRequest {
  CniCommand command = CniCommand::add;
  std::string cni_version = "1.0.0";
  std::string container_id;
  std::string netns;
  std::string ifname;
  std::string pod_namespace, pod_name, pod_uid;
  /// ips of prevResult, for CHECK.
  std::optional<std::vector<Address>> previous_ips;
  /// GC: what still lives, as (container id, ifname).
  std::vector<std::pair<std::string, std::string>> valid_attachments;
};

/// Says what is missing or wrong in the request's own terms (CNI_NETNS, cniVersion …).
std::expected<CniRequest, CniError> parse_cni_request(const json::value& body);

/// What ADD gives back.
struct CniResult {
  struct Interface {
    std::string name;
    Mac mac;
    std::string sandbox;  // empty: on the host
    unsigned mtu = 0;
  };
  std::vector<Interface> interfaces;
  std::size_t pod_interface = 0;  // index of the one with the addresses
  struct Ip {
    Address address;
    Address gateway;
  };
  std::vector<Ip> ips;
};

/// Written in the shape of `cni_version`: 0.x name the family of an address, 1.1.0 knows MTUs.
json::object to_json(const CniResult&, const std::string& cni_version);
json::object to_json(const CniError&, const std::string& cni_version);
/// True if this answer is an error object.
bool is_cni_error(const json::value& answer);

}  // namespace weft::pods
