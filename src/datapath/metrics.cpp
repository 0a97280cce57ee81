#include "datapath/metrics.h"

#include <algorithm>

#include "base/log.h"

namespace weft {
namespace {

std::size_t members(const LbState& state) {
  std::size_t n = 0;
  for (const auto& [frontend, service] : state.services())
    for (const LbHeld& held : service.held) n += held.member != 0 ? 1 : 0;
  return n;
}

}  // namespace

void collect_metrics(metrics::Samples& out, const LbState& state, const LbMaps& maps) {
  const LbSizes& sizes = maps.sizes();
  const auto pressure = [&](const char* map, std::size_t used, std::uint32_t size) {
    out.gauge("cilium_bpf_map_pressure", "How full a BPF map is: entries used of those it has room for, 0 to 1.",
              {{"map_name", map}}, size == 0 ? 0 : static_cast<double>(used) / size);
  };
  pressure("lb_frontends", state.services().size(), sizes.frontends);
  pressure("lb_backends", state.backends(), sizes.backends);
  pressure("lb_slots", state.slots_used(), sizes.slots);
  pressure("lb_members", members(state), sizes.members);
  const auto counted = maps.metrics();
  if (!counted) {
    log::debug("the counters of sock_lb cannot be read", {{"error", counted.error().message}});
    return;
  }
  const auto count = [&](const char* outcome, std::uint64_t n) {
    out.counter(
        "weft_service_translations_total",
        "Socket calls to a service: a backend was chosen, the client's earlier one was taken again (sticky), the "
        "call was refused for want of one (no_backend), or the service was deleted at that moment (stale).",
        {{"outcome", outcome}}, static_cast<double>(n));
  };
  count("chosen", counted->translated - std::min(counted->sticky, counted->translated));
  count("sticky", counted->sticky);
  count("no_backend", counted->no_backend);
  count("stale", counted->stale);
}

}  // namespace weft
