// Frontend: one address:port that the datapath answers for, with the backends to choose from.
// Derived by src/services from Service, EndpointSlice and ClusterService; applied to BPF maps.
#pragma once

#include <compare>
#include <map>
#include <string>
#include <vector>

#include "base/net.h"
#include "model/names.h"
#include "model/service.h"

namespace weft {

enum class FrontendKind { cluster_ip, external_ip, load_balancer, node_port };

/// Which backends take new connections is decided before the maps: `active` ones do; a `terminating` one only
/// keeps what it has (and takes new connections only when the frontend has no active backend at all).
enum class BackendState { active, terminating };

struct Backend {
  SocketAddress address;
  BackendState state = BackendState::active;
  ClusterId cluster_id = 0;  // 0: this cluster
  std::string cluster;       // empty: this cluster
  std::string node;          // known for local ones
  std::string zone;
  bool preferred = true;  // false: held back by affinity, listed for people, not in the maps
  std::string held_back;  // why not preferred, in words
  bool operator==(const Backend&) const = default;
};

struct FrontendKey {
  SocketAddress address;
  Protocol protocol = Protocol::tcp;
  std::string to_string() const { return address.to_string() + "/" + std::string(weft::to_string(protocol)); }
  auto operator<=>(const FrontendKey&) const = default;
};

/// A backend of another cluster that an earlier run of the agent left in the maps.
struct InheritedBackend {
  SocketAddress address;
  BackendState state = BackendState::active;
  ClusterTag cluster = 0;
  bool operator==(const InheritedBackend&) const = default;
};
using InheritedBackends = std::map<FrontendKey, std::vector<InheritedBackend>>;

struct Frontend {
  using Key = FrontendKey;
  FrontendKey address;
  FrontendKind kind = FrontendKind::cluster_ip;
  ObjectName service;
  std::string port_name;
  std::vector<Backend> backends;               // sorted by address
  std::uint32_t session_affinity_seconds = 0;  // 0: none
  LbAlgorithm algorithm = LbAlgorithm::random;
  ServiceAffinity affinity = ServiceAffinity::none;
  bool global = false;
  Key key() const { return address; }
  bool operator==(const Frontend&) const = default;
};

/// A frontend that a service asks for and nobody answers for on its behalf.
struct Unserved {
  Frontend frontend;
  std::string why;  // with the mend; the service is not named in it
  bool operator==(const Unserved&) const = default;
};

}  // namespace weft
