#include "lab/node/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace weft::lab {
namespace {

struct Resolver {
  std::vector<std::string> servers, searches, options;
};

Resolver parse_resolv_conf(const std::string& text) {
  Resolver r;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string key, word;
    words >> key;
    auto* into = key == "nameserver" ? &r.servers
                 : key == "search"   ? &r.searches
                 : key == "options"  ? &r.options
                                     : nullptr;
    if (key == "search") r.searches.clear();
    while (into != nullptr && words >> word) into->push_back(word);
  }
  return r;
}

void add(std::vector<std::string>& list, std::string item) {
  if (!item.empty() && std::ranges::find(list, item) == list.end()) list.push_back(std::move(item));
}

}  // namespace

std::string hosts_file(const Pod& pod, const std::vector<std::string>& ips, const std::string& node_hosts,
                       const std::string& domain) {
  std::string out;
  if (pod.host_network) {
    out = node_hosts;
  } else {
    out = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    for (const auto& ip : ips) {
      if (pod.subdomain.empty()) {
        out += fmt::format("{}\t{}\n", ip, pod.hostname);
      } else {
        out += fmt::format("{}\t{}.{}.{}.svc.{}\t{}\n", ip, pod.hostname, pod.subdomain, pod.name.ns, domain,
                           pod.hostname);
      }
    }
  }
  for (const auto& item : list(pod.object, "/spec/hostAliases")) {
    if (!item.is_object()) continue;
    const auto& alias = item.get_object();
    out += fmt::format("{}\t{}\n", str(alias, "/ip"), fmt::join(strings(alias, "/hostnames"), "\t"));
  }
  return out;
}

std::string resolv_conf(const Pod& pod, const std::vector<std::string>& cluster_dns, const std::string& domain,
                        const std::string& node_conf) {
  const bool cluster_first =
      pod.dns_policy == "ClusterFirstWithHostNet" || (pod.dns_policy == "ClusterFirst" && !pod.host_network);
  Resolver r;
  if (cluster_first) {
    r.servers = cluster_dns;
    r.searches = {pod.name.ns + ".svc." + domain, "svc." + domain, domain};
    r.options = {"ndots:5"};
    for (const auto& s : parse_resolv_conf(node_conf).searches) add(r.searches, s);
  } else if (pod.dns_policy != "None") {
    r = parse_resolv_conf(node_conf);
  }
  for (const auto& s : strings(pod.object, "/spec/dnsConfig/nameservers")) add(r.servers, s);
  for (const auto& s : strings(pod.object, "/spec/dnsConfig/searches")) add(r.searches, s);
  for (const auto& item : list(pod.object, "/spec/dnsConfig/options")) {
    if (!item.is_object()) continue;
    const std::string name = str(item.get_object(), "/name"), value = str(item.get_object(), "/value");
    // The pod's word on an option replaces the one that is there.
    std::erase_if(r.options, [&](const std::string& o) { return o == name || o.starts_with(name + ":"); });
    add(r.options, value.empty() ? name : name + ":" + value);
  }
  std::string out;
  if (!r.searches.empty()) out += fmt::format("search {}\n", fmt::join(r.searches, " "));
  for (const auto& s : r.servers) out += fmt::format("nameserver {}\n", s);
  if (!r.options.empty()) out += fmt::format("options {}\n", fmt::join(r.options, " "));
  return out;
}

}  // namespace weft::lab
