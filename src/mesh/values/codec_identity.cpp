#include <algorithm>

#include "base/encoding.h"
#include "mesh/values/codec.h"
#include "mesh/values/go_json.h"
#include "mesh/values/json_read.h"

namespace weft::mesh {

// ---- IPIdentityPair

std::string ip_key(const Prefix& prefix) {
  return prefix.is_host() ? prefix.address().to_string() : prefix.to_string();
}

std::string encode_ip(const IpIdentity& row) {
  GoJson w;
  w.open('{');
  w.field("IP", row.prefix.address().to_string());
  w.key("Mask");
  row.prefix.is_host() ? w.null() : w.string(base64_encode(row.prefix.mask_bytes()));
  w.field("HostIP", row.host.is_unspecified() ? std::string() : row.host.to_string());
  w.field("ID", row.id);
  w.field("Key", row.encryption_key);
  w.field("Metadata", "");
  if (!row.ns.empty()) w.field("K8sNamespace", row.ns);
  if (!row.pod.empty()) w.field("K8sPodName", row.pod);
  if (!row.service_account.empty()) w.field("K8sServiceAccount", row.service_account);
  w.close('}');
  return w.take();
}

Result<IpIdentity> decode_ip(std::string_view value) {
  Document document;
  WEFT_READ(o, Document::parse(value, document));
  IpIdentity row;
  WEFT_READ(ip, get_address(*o, "IP"));
  if (!ip) return fail(Errc::invalid, "field IP is empty");
  WEFT_READ(mask, get_text(*o, "Mask"));
  unsigned length = ip->bits();
  if (!mask.empty()) {
    WEFT_READ(n, mask_length(mask, ip->family()));
    length = n;
  }
  row.prefix = Prefix(*ip, length);
  WEFT_READ(host, get_address(*o, "HostIP"));
  if (host) row.host = *host;
  WEFT_READ(id, get_number(*o, "ID", UINT32_MAX));
  WEFT_READ(key, get_number(*o, "Key", UINT8_MAX));
  WEFT_READ(ns, get_text(*o, "K8sNamespace"));
  WEFT_READ(pod, get_text(*o, "K8sPodName"));
  WEFT_READ(account, get_text(*o, "K8sServiceAccount"));
  row.id = static_cast<NumericIdentity>(id);
  row.encryption_key = static_cast<std::uint8_t>(key);
  row.ns = std::move(ns);
  row.pod = std::move(pod);
  row.service_account = std::move(account);
  return row;
}

// ---- identity labels

std::string encode_identity(const Labels& labels) {
  struct Entry {
    std::string_view key, source, value;
  };
  std::vector<Entry> entries;
  for (const auto& [name, value] : labels) {
    const auto colon = name.find(':');
    const std::string_view whole = name;
    if (colon == std::string::npos) {
      entries.push_back({whole, "unspec", value});
    } else {
      entries.push_back({whole.substr(colon + 1), whole.substr(0, colon), value});
    }
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.key < b.key; });
  std::string out;
  for (const auto& e : entries) out += fmt::format("{}:{}={};", e.source, e.key, e.value);
  return out;
}

Result<Labels> decode_identity(std::string_view value) {
  Labels out;
  while (!value.empty()) {
    const auto end = value.find(';');
    std::string_view label = value.substr(0, end);
    value = end == std::string_view::npos ? std::string_view() : value.substr(end + 1);
    if (label.empty()) continue;
    const auto equals = label.find('=');
    const std::string_view name = label.substr(0, equals);
    const auto colon = name.find(':');
    if (colon == std::string_view::npos || colon == 0 || colon + 1 == name.size())
      return fail(Errc::invalid, fmt::format("label \"{}\" is not of the form source:key=value", label));
    out[std::string(name)] = equals == std::string_view::npos ? std::string() : std::string(label.substr(equals + 1));
  }
  if (out.empty()) return fail(Errc::invalid, "an identity without labels");
  return out;
}

// ---- cluster configuration

std::string encode_cluster_config(const ClusterConfig& c) {
  GoJson w;
  w.open('{');
  if (c.id != 0) w.field("id", c.id);
  w.key("capabilities");
  w.open('{');
  if (c.synced_canaries) w.flag("syncedCanaries", true);
  if (c.cached) w.flag("cached", true);
  if (c.max_connected_clusters != 0) w.field("maxConnectedClusters", c.max_connected_clusters);
  if (c.service_exports_enabled) w.flag("serviceExportsEnabled", *c.service_exports_enabled);
  w.close('}');
  w.close('}');
  return w.take();
}

Result<ClusterConfig> decode_cluster_config(std::string_view value) {
  Document document;
  WEFT_READ(o, Document::parse(value, document));
  ClusterConfig c;
  WEFT_READ(id, get_number(*o, "id", UINT32_MAX));
  c.id = static_cast<ClusterId>(id);
  WEFT_READ(capabilities, get_object(*o, "capabilities"));
  if (!capabilities) return c;
  WEFT_READ(canaries, get_flag(*capabilities, "syncedCanaries", false));
  WEFT_READ(cached, get_flag(*capabilities, "cached", false));
  WEFT_READ(max, get_number(*capabilities, "maxConnectedClusters", UINT32_MAX));
  c.synced_canaries = canaries;
  c.cached = cached;
  c.max_connected_clusters = static_cast<ClusterId>(max);
  if (find(*capabilities, "serviceExportsEnabled")) {
    WEFT_READ(exports, get_flag(*capabilities, "serviceExportsEnabled", false));
    c.service_exports_enabled = exports;
  }
  return c;
}

}  // namespace weft::mesh
