#include "identity/pod_labels.h"

namespace weft::identity {

Labels identity_labels(const PodFacts& pod, const std::string& cluster, const LabelsFilter& filter) {
  Labels all;
  for (const auto& [key, value] : pod.labels) {
    if (key == kClusterLabel || key == kServiceAccountLabel || key == kNamespaceLabel ||
        key.starts_with(kNamespaceMetaPrefix))
      continue;
    all[key] = value;
  }
  for (const auto& [key, value] : pod.namespace_labels) all[kNamespaceMetaPrefix + key] = value;
  all[kNamespaceLabel] = pod.ns;
  all[kClusterLabel] = cluster;
  if (!pod.service_account.empty()) all[kServiceAccountLabel] = pod.service_account;
  Labels out;
  for (auto& [key, value] : all)
    if (filter.keeps("k8s", key)) out.emplace("k8s:" + key, std::move(value));
  return out;
}

std::string label_set_text(const Labels& labels) {
  std::string out;
  for (const auto& [key, value] : labels) {
    out += key;
    out += '=';
    out += value;
    out += ';';
  }
  return out;
}

std::vector<std::string> label_list(const Labels& labels) {
  std::vector<std::string> out;
  for (const auto& [key, value] : labels) out.push_back(key + "=" + value);
  return out;
}

}  // namespace weft::identity
