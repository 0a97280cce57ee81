#include "routing/reverse_path.h"

namespace weft::routing {

namespace {

std::string key_of(const std::string& device) { return "net/ipv4/conf/" + device + "/rp_filter"; }

// 0: off, 1: strict (in by the way back), 2: loose (some way back). Unreadable counts as off.
int filter_of(netlink::Kernel& k, const std::string& device) {
  const auto value = k.sysctl(key_of(device));
  return value && (*value == "1" || *value == "2") ? *value->c_str() - '0' : 0;
}

Result<> raise(netlink::Kernel& k, const std::string& device, int least) {
  if (filter_of(k, device) >= least) return {};
  return k.set_sysctl(key_of(device), std::to_string(least));
}

Result<> loosen(netlink::Kernel& k, const std::string& tunnel, const std::string& underlay) {
  if (filter_of(k, tunnel) != 0) WEFT_TRY(k.set_sysctl(key_of(tunnel), "0"));
  const int all = filter_of(k, "all");
  if (all != 0) {
    auto links = k.links();
    if (!links) return fail(std::move(links).error());
    // "default" first: writing it also changes devices whose own value nobody has set yet.
    WEFT_TRY(raise(k, "default", all));
    for (const auto& l : *links) {
      const bool ours = l.name.starts_with("weft_") || l.alias.starts_with("weft:");  // devices of pods carry the alias
      if (!ours) WEFT_TRY(raise(k, l.name, all));
    }
    WEFT_TRY(k.set_sysctl(key_of(tunnel), "0"));
    WEFT_TRY(k.set_sysctl(key_of("all"), "0"));
  }
  if (filter_of(k, underlay) == 1) WEFT_TRY(k.set_sysctl(key_of(underlay), "2"));
  return {};
}

}  // namespace

Result<> loosen_reverse_path(netlink::Kernel& k, const std::string& tunnel, const std::string& underlay) {
  auto r = loosen(k, tunnel, underlay);
  if (r) return r;
  r.error().message +=
      "; packets from other nodes' own addresses are dropped: set net.ipv4.conf.all.rp_filter = 0, net.ipv4.conf." +
      tunnel + ".rp_filter = 0 and net.ipv4.conf." + underlay + ".rp_filter = 2";
  return r;
}

}  // namespace weft::routing
