// Who is meant: label selectors, node selectors and affinity, taints and tolerations. Pure.
#pragma once

#include "lab/controllers/object.h"

namespace weft::lab {

/// A metav1.LabelSelector (matchLabels, matchExpressions); an empty one selects everything.
bool selects(const json::object& selector, const Labels& labels);
/// A plain map, as a Service has it. Empty selects nothing here, since such a Service has no selector.
bool selects_all_of(const Labels& wanted, const Labels& labels);

/// spec.nodeSelector and spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution of a pod spec.
bool node_matches(const json::object& pod_spec, const json::object& node);

/// The first taint of the node with effect NoSchedule or NoExecute that the pod spec does not tolerate, as
/// "key=value:Effect"; nothing when all are. A cordoned node counts as tainted, as upstream does it.
std::optional<std::string> untolerated_taint(const json::object& pod_spec, const json::object& node);
/// Whether the pod spec tolerates one taint.
bool tolerates(const json::object& pod_spec, const json::object& taint);

}  // namespace weft::lab
