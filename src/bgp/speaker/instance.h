// Instance: one speaker of ours with an ASN and a router id: its route sets, what its peers told it, and the groups of
// sessions that get the same bytes. Owns no socket.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bgp/rib/in_rib.h"
#include "bgp/rib/local_rib.h"
#include "bgp/rib/out_group.h"
#include "bgp/speaker/shared.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp {

class Instance {
 public:
  Instance(Shared& shared, InstanceConfig config);

  const std::string& name() const { return config_.name; }
  const InstanceConfig& config() const { return config_; }
  void set_config(InstanceConfig config) { config_ = std::move(config); }

  /// The route sets as they shall be. True when any of them changed; then sessions have something to send.
  bool set_routes(const std::map<std::string, RouteSet>& sets, bool complete);
  const LocalRib* routes(const std::string& set) const;
  const std::map<std::string, LocalRib>& sets() const { return sets_; }
  bool ours(const Prefix& prefix) const;

  /// The group of sessions that are sent `set` by these rules; kept as long as somebody holds it.
  std::shared_ptr<OutGroup> group(const std::string& set, const ExportRules& rules);

  InRib& in() { return in_; }
  const InRib& in() const { return in_; }
  bool complete() const { return complete_; }

 private:
  struct Group {
    std::string set;
    std::weak_ptr<OutGroup> group;
  };
  void update(OutGroup& group, const std::string& set) const;

  Shared& shared_;
  InstanceConfig config_;
  InRib in_;
  std::map<std::string, LocalRib> sets_;
  std::vector<Group> groups_;
  bool complete_ = false;
};

}  // namespace weft::bgp
