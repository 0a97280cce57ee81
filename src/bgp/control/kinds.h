// The kinds of BGP as the API server addresses them.
#pragma once

#include <map>
#include <string>

#include "kube/resources.h"

namespace weft::bgp::control {

inline const kube::Resource kPeeringPolicies{"cilium.io", "v2alpha1", "ciliumbgppeeringpolicies",
                                             "CiliumBGPPeeringPolicy", false};
inline const kube::Resource kClusterConfigs{"cilium.io", "v2", "ciliumbgpclusterconfigs", "CiliumBGPClusterConfig",
                                            false};
inline const kube::Resource kPeerConfigs{"cilium.io", "v2", "ciliumbgppeerconfigs", "CiliumBGPPeerConfig", false};
inline const kube::Resource kAdvertisements{"cilium.io", "v2", "ciliumbgpadvertisements", "CiliumBGPAdvertisement",
                                            false};
inline const kube::Resource kOverrides{"cilium.io", "v2", "ciliumbgpnodeconfigoverrides", "CiliumBGPNodeConfigOverride",
                                       false};
inline const kube::Resource kNodeConfigs{"cilium.io", "v2", "ciliumbgpnodeconfigs", "CiliumBGPNodeConfig", false};
inline const kube::Resource kLoadBalancerPools{"cilium.io", "v2", "ciliumloadbalancerippools",
                                               "CiliumLoadBalancerIPPool", false};

/// Kinds of ours that the API server does not serve: the names of their CRDs, each with the version that is missing.
using AbsentKinds = std::map<std::string, std::string>;

/// What mends that a CRD of another lacks something of ours.
inline constexpr const char* kCrdMend =
    "where no Cilium that still runs owns the definition, run `weft upgrade`, which brings Weft's";

}  // namespace weft::bgp::control
