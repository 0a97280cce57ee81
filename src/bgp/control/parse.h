// JSON of the API server → the values of objects.h, with every range, enum and cross-field rule of cilium-compat
// sections 4.2 to 4.7 checked again: the schema of the CRDs does so too, but objects may be older than it. Pure.
#pragma once

#include <boost/json/fwd.hpp>

#include <map>
#include <string>

#include "bgp/control/good_states.h"
#include "bgp/control/objects.h"

namespace weft::bgp::control {

namespace json = boost::json;

inline constexpr const char* kPolicyKind = "CiliumBGPPeeringPolicy";
inline constexpr const char* kClusterConfigKind = "CiliumBGPClusterConfig";
inline constexpr const char* kPeerConfigKind = "CiliumBGPPeerConfig";
inline constexpr const char* kAdvertisementKind = "CiliumBGPAdvertisement";
inline constexpr const char* kOverrideKind = "CiliumBGPNodeConfigOverride";
inline constexpr const char* kNodeConfigKind = "CiliumBGPNodeConfig";
inline constexpr const char* kPoolKind = "CiliumLoadBalancerIPPool";

/// The specification may be used when no finding is an error.
template <class Spec>
struct Parsed {
  Spec spec;
  Findings findings;
};
Parsed<PeeringPolicySpec> parse_peering_policy(const json::object&);
Parsed<ClusterConfigSpec> parse_cluster_config(const json::object&);
Parsed<PeerConfigSpec> parse_peer_config(const json::object&);
Parsed<AdvertisementSpec> parse_advertisement(const json::object&);
Parsed<NodeConfigOverrideSpec> parse_node_override(const json::object&);
Parsed<NodeConfigSpec> parse_node_config(const json::object&);
Parsed<PoolSpec> parse_pool(const json::object&);

Meta meta_of(const json::object&);

/// Makes rows of objects and remembers of each the last specification that could be used, so that a bad update leaves
/// what runs alone; with `states` also over a restart. An object deleted and made anew begins anew (its uid differs).
/// Fits kube::Reflector's Parse.
template <class Spec>
class Keeper {
 public:
  using Parse = Parsed<Spec> (*)(const json::object&);
  /// `states`, when given, outlives the keeper and has its objects under `kind`.
  explicit Keeper(Parse parse, std::string kind = {}, GoodStates* states = nullptr)
      : parse_(parse), kind_(std::move(kind)), states_(states) {}

  Object<Spec> operator()(const json::object& object) {
    Parsed<Spec> parsed = parse_(object);
    Object<Spec> row{.meta = meta_of(object), .good = nullptr, .findings = std::move(parsed.findings)};
    Last& last = last_[row.meta.name];
    if (last.uid != row.meta.uid) last = {row.meta.uid, nullptr};
    if (!has_errors(row.findings)) {
      if (!last.good || *last.good != parsed.spec) last.good = std::make_shared<const Spec>(std::move(parsed.spec));
      if (states_ != nullptr) states_->keep(kind_, object);
    } else if (!last.good) {
      last.good = of_earlier_run(row.meta);
    }
    row.good = last.good;
    return row;
  }

 private:
  struct Last {
    std::string uid;
    std::shared_ptr<const Spec> good;
  };
  std::shared_ptr<const Spec> of_earlier_run(const Meta& meta) const {
    const json::object* kept = states_ != nullptr ? states_->find(kind_, meta.name, meta.uid) : nullptr;
    if (kept == nullptr) return nullptr;
    Parsed<Spec> parsed = parse_(*kept);
    // A newer version of us may see it with other eyes.
    return has_errors(parsed.findings) ? nullptr : std::make_shared<const Spec>(std::move(parsed.spec));
  }

  Parse parse_;
  std::string kind_;
  GoodStates* states_;
  std::map<std::string, Last> last_;
};

}  // namespace weft::bgp::control
