#include "apps/agent/farewell.h"

namespace weft::agent {
namespace {

bool all_withdrawn(const bgp::control::Plan& plan) {
  for (const auto& [name, instance] : plan.instances)
    for (const auto& peer : instance.config.peers)
      if (!instance.withdrawn.contains(peer.name)) return false;
  return true;
}

}  // namespace

Farewell farewell(const kube::CoreNode* node, bool draining, const bgp::control::Plan& plan) {
  if (draining && all_withdrawn(plan)) return Farewell::drained;
  return node != nullptr && node->shutting_down ? Farewell::shutdown : Farewell::restart;
}

}  // namespace weft::agent
