// The kinds of BGP as the API server addresses them.
#pragma once

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

}  // namespace weft::bgp::control
