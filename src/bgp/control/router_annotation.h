// The Node's annotation for a virtual router of a CiliumBGPPeeringPolicy (cilium-compat section 4.2):
// cilium.io/bgp-virtual-router.<localASN>: "router-id=192.0.2.1,local-port=1790".
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bgp/control/finding.h"
#include "bgp/control/good_states.h"
#include "bgp/control/selector.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp::control {

inline constexpr std::string_view kRouterAnnotationPrefix = "cilium.io/bgp-virtual-router.";
/// Its key.
std::string router_annotation(Asn asn);

struct RouterAnnotation {
  std::optional<RouterId> router_id;
  std::optional<Port> local_port;
  bool operator==(const RouterAnnotation&) const = default;
};
/// What `text` says; parts that say nothing usable are findings about the node.
RouterAnnotation read_router_annotation(const std::string& node, Asn asn, std::string_view text, Findings& findings);

/// Of the node's annotations those of virtual routers, each as it was last without a fault; `states` remembers them,
/// for as long as the annotation is there and the node is the same one.
Labels good_router_annotations(GoodStates& states, const std::string& node, const std::string& uid,
                               const Labels& annotations);

}  // namespace weft::bgp::control
