// RemoteStatus: how this process stands with one remote cluster. Written by src/mesh, read by api and status.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "model/names.h"

namespace weft {

struct RemoteStatus {
  using Key = std::string;
  std::string name;
  bool ready = false;    // connected, configuration accepted, every kind listed and followed
  bool refused = false;  // will not connect until somebody mends what `why` says
  std::string why;       // empty when ready; one sentence that names both sides and the mend
  ClusterId cluster_id = 0;
  std::uint64_t nodes = 0;
  std::uint64_t services = 0;
  std::uint64_t endpoints = 0;  // ip → identity entries
  std::uint64_t identities = 0;
  Wall::time_point last_sync{};  // last event or answered check; epoch: never
  double rtt_ms = -1;            // round trip to the remote's etcd; negative: not measured yet
  std::uint64_t reconnections = 0;
  std::uint64_t failures = 0;           // connections refused, impossible or given up, since the process started
  Wall::time_point last_failure{};      // epoch: never
  std::uint64_t cache_revocations = 0;  // how often its services were dropped for staying away too long
  std::vector<std::string> urls;
  // The remote's cluster configuration as read (cilium-compat section 1.9).
  bool config_retrieved = false;
  bool synced_canaries = false;
  bool cached = false;
  ClusterId max_connected_clusters = 0;
  std::optional<bool> service_exports;
  // Kinds whose first list is complete.
  bool synced_nodes = false;
  bool synced_services = false;
  bool synced_endpoints = false;
  bool synced_identities = false;
  // Values that were not taken (what was there before stays), and the reason for one of them.
  std::uint64_t rejected = 0;
  std::string rejected_example;
  std::vector<std::string> warnings;  // what holds now and may not for long, each with its mend

  Key key() const { return name; }
  bool operator==(const RemoteStatus&) const = default;
};

}  // namespace weft
