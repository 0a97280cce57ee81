// Services: families, ClusterIPs, node ports, as the registry of a real API server gives them.
#pragma once

#include <functional>
#include <vector>

#include "lab/apiserver/allocator.h"
#include "lab/apiserver/status.h"

namespace weft::lab::api {

class ServiceAllocator {
 public:
  ServiceAllocator(std::vector<Prefix> ranges, Port first_node_port, Port last_node_port, Random random);

  /// What was taken for one write. If the write does not happen, give it back with release().
  struct Taken {
    std::vector<Address> addresses;
    std::vector<Port> ports;
  };

  /// Fills in type-dependent defaults, families, addresses and node ports; `old` is null for a create.
  /// On errors nothing stays taken.
  FieldErrors prepare(json::value& service, const json::value* old, Taken& taken);
  void release(const Taken& taken);

  /// Follows what is stored: `before` and `now` may be null. Frees what is no longer used.
  void observe(const json::value* before, const json::value* now);
  const std::vector<IpAllocator>& ranges() const { return ranges_; }

 private:
  void families(json::value& service, const json::value* old, FieldErrors& errors);
  void addresses(json::value& service, const json::value* old, Taken& taken, FieldErrors& errors);
  void node_ports(json::value& service, const json::value* old, Taken& taken, FieldErrors& errors);
  IpAllocator* range_of(const std::string& family);

  std::vector<IpAllocator> ranges_;
  PortAllocator ports_;
  Random random_;
};

/// Defaults that need no allocation; also for what is read back.
void default_service(json::value& service);
void check_service(const json::value& service, const json::value* old, FieldErrors& errors);

}  // namespace weft::lab::api
