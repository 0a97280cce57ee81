#include "lab/dns/records.h"

#include <fmt/format.h>

namespace weft::lab {

Records records(const std::vector<std::shared_ptr<const Service>>& services,
                const std::vector<std::shared_ptr<const EndpointSlice>>& slices, const std::string& domain) {
  Records out;
  std::map<ObjectName, const Service*> headless;
  for (const auto& s : services) {
    if (s->headless) {
      headless[s->name] = s.get();
      continue;
    }
    for (const Address& a : s->cluster_ips)
      out[fmt::format("{}.{}.svc.{}", s->name.name, s->name.ns, domain)].insert(a);
  }
  for (const auto& slice : slices) {
    const auto it = headless.find({slice->name.ns, slice->service});
    if (it == headless.end()) continue;
    const std::string base = fmt::format("{}.{}.svc.{}", slice->service, slice->name.ns, domain);
    for (const SliceEndpoint& e : slice->endpoints) {
      if (!e.ready && !it->second->publish_not_ready_addresses) continue;
      for (const Address& a : e.addresses) {
        out[base].insert(a);
        if (!e.hostname.empty()) out[e.hostname + "." + base].insert(a);
      }
    }
  }
  return out;
}

std::string hosts_text(const Records& records) {
  std::string out;
  for (const auto& [name, addresses] : records)
    for (const Address& a : addresses) out += fmt::format("{} {}\n", a.to_string(), name);
  return out;
}

}  // namespace weft::lab
