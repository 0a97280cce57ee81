// Keeps Table<Frontend> equal to the merge of Services, EndpointSlices and remote clusters' feeds.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "async/task.h"
#include "services/merge.h"
#include "state/table.h"

namespace weft::services {

/// Recomputes the services that a change touches and no others.
///
/// Nothing is written before Services and EndpointSlices are both listed: a Service without its slices would look like
/// one without backends, and what an earlier run left in the maps would be cut off. Remote clusters are not waited for,
/// since one may be away for long: the backends that an earlier run had from a cluster stay among those of a global
/// service until that cluster has delivered its first list, of this service or of all, or is not waited for any more.
/// Local endpoints are followed meanwhile as ever. So frontends are initialized without the remotes.
class ServiceController {
 public:
  struct Start {
    InheritedBackends inherited;  // what an earlier run had from other clusters
    /// Initialize frontends only with the remotes' first lists: for maps that start to serve when that is done, in
    /// place of others that have the remotes' backends.
    bool with_remotes = false;
  };
  ServiceController(Site site, Table<Service>& services, Table<EndpointSlice>& slices, Table<ClusterService>& remotes,
                    Table<Frontend>& frontends, Start start);
  ServiceController(Site site, Table<Service>& services, Table<EndpointSlice>& slices, Table<ClusterService>& remotes,
                    Table<Frontend>& frontends);

  Task<> run();
  /// The node moved to another zone: every service is computed anew. run() must run.
  void set_zone(std::string zone);
  /// Addresses that a service asks for and another has, by address; then ports of protocols that are not translated. A
  /// ClusterIP is its service's: an external IP never takes it, whoever came first. Between two external IPs the first
  /// service by name has the address.
  std::vector<Unserved> unserved() const;
  /// One pass over what changed so far; run() calls it on every change. For tests and benchmarks.
  void step();

 private:
  void note_slice(const Change<EndpointSlice>& change, std::set<ObjectName>& dirty);
  void note_who_is_silent();
  std::vector<Backend> last_known(const FrontendKey& key, const std::set<ClusterTag>& spoken) const;
  void recompute(const ObjectName& name);
  /// Who has the address, out of those that claim it.
  using Claims = std::map<ObjectName, Frontend>;
  static Claims::const_iterator holder(const Claims& claims);
  void tell_losers(const FrontendKey& key, const Claims& claims);
  void leave_out_untranslated(const ObjectName& name, std::vector<Frontend>& wanted);

  Site site_;
  Start start_;
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
  std::map<ObjectName, std::vector<Unserved>> untranslated_;
  // While `inherited` is not empty: who has still to speak.
  std::set<std::string> silent_;                // sources of the remotes' table
  std::map<ClusterTag, std::string> clusters_;  // the clusters among them
  bool nameless_ = false;                       // it is not known yet which clusters there are
  std::set<ObjectName> inheriting_;             // services with inherited backends
  bool announced_ = false;
  Notifier woken_;
};

}  // namespace weft::services
