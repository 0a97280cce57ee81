// The labels that make a pod's identity: its own, its namespace's, its service account and its cluster
// (cilium-compat section 2.3). Pure.
#pragma once

#include <string>
#include <vector>

#include "identity/labels_filter.h"
#include "model/names.h"

namespace weft::identity {

inline constexpr const char* kClusterLabel = "io.cilium.k8s.policy.cluster";
inline constexpr const char* kServiceAccountLabel = "io.cilium.k8s.policy.serviceaccount";
inline constexpr const char* kNamespaceLabel = "io.kubernetes.pod.namespace";
inline constexpr const char* kNamespaceMetaPrefix = "io.cilium.k8s.namespace.labels.";

struct PodFacts {
  std::string ns;
  std::string service_account;
  Labels labels;            // of the pod
  Labels namespace_labels;  // of its Namespace
};

/// "k8s:<key>" → value. A pod cannot pretend to another namespace, cluster or account: labels of its own with those
/// keys count for nothing.
Labels identity_labels(const PodFacts& pod, const std::string& cluster, const LabelsFilter& filter);

/// One text for one label set: "k8s:a=1;k8s:b=2;". Equal sets give equal texts.
std::string label_set_text(const Labels& labels);
/// "k8s:a=1", "k8s:b=2": as CiliumEndpoint.status.identity.labels has them.
std::vector<std::string> label_list(const Labels& labels);

}  // namespace weft::identity
