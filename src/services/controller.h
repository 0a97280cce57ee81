// Keeps Table<Frontend> equal to the merge of Services, EndpointSlices and remote clusters' feeds.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "async/task.h"
#include "services/merge.h"
#include "state/table.h"

namespace weft::services {

/// Recomputes the services that a change touches and no others. Frontends become initialized once all three
/// tables are: a restart prunes no remote backend before the remotes have had their say.
///
/// Nothing is written before Services and EndpointSlices are both listed: a Service without its slices would look like
/// one without backends, and what an earlier run left in the maps would be cut off. For the same reason a global
/// service that was served before (`served_before`) waits for the remotes; one that nobody served starts with what
/// there is.
class ServiceController {
 public:
  using ServedBefore = std::function<bool(const FrontendKey&)>;
  ServiceController(Site site, Table<Service>& services, Table<EndpointSlice>& slices, Table<ClusterService>& remotes,
                    Table<Frontend>& frontends, ServedBefore served_before = {});

  Task<> run();
  /// The node moved to another zone: every service is computed anew. run() must run.
  void set_zone(std::string zone);
  /// Addresses that a service asks for and another has, by address. A ClusterIP is its service's: an external IP
  /// never takes it, whoever came first. Between two external IPs the first service by name has the address.
  std::vector<Unserved> unserved() const;
  /// One pass over what changed so far; run() calls it on every change. For tests and benchmarks.
  void step();

 private:
  void note_slice(const Change<EndpointSlice>& change, std::set<ObjectName>& dirty);
  bool must_wait(const ObjectName& name) const;
  void recompute(const ObjectName& name);
  /// Who has the address, out of those that claim it.
  using Claims = std::map<ObjectName, Frontend>;
  static Claims::const_iterator holder(const Claims& claims);
  void tell_losers(const FrontendKey& key, const Claims& claims);

  Site site_;
  ServedBefore served_before_;
  std::set<ObjectName> dirty_;  // services to compute anew
  Table<Service>& services_;
  Table<EndpointSlice>& slices_;
  Table<ClusterService>& remotes_;
  Table<Frontend>& frontends_;
  Table<Service>::Stream service_changes_;
  Table<EndpointSlice>::Stream slice_changes_;
  Table<ClusterService>::Stream remote_changes_;

  std::map<ObjectName, std::set<ObjectName>> slices_of_;  // service → its slices
  std::map<ObjectName, ObjectName> service_of_;           // slice → its service, to see it leave
  // An address can be claimed by several services (externalIPs): the holder has it until it lets go.
  std::map<FrontendKey, Claims> claims_;
  std::map<ObjectName, std::set<FrontendKey>> claimed_by_;
  std::map<FrontendKey, std::set<ObjectName>> contested_;  // claimed by more than one service → who was told so
  bool announced_ = false;
  Notifier woken_;
};

}  // namespace weft::services
