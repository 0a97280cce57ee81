// The custom resource definitions that Weft needs: brought with the binary, installed and upgraded by the leader.
#pragma once

#include <boost/json.hpp>

#include <string>
#include <vector>

#include "kube/client.h"

namespace weft::op {

namespace json = boost::json;

/// Marks what we installed: which version of Weft wrote the definition, and the digest of its spec.
inline constexpr const char* kCrdVersionAnnotation = "weft.io/crd-version";
inline constexpr const char* kCrdDigestAnnotation = "weft.io/crd-digest";

/// The manifests of charts/weft/crds as they were when this was built.
Result<std::vector<json::object>> built_in_crds();
/// Every *.yaml of a directory.
Result<std::vector<json::object>> crds_from(const std::string& dir);

enum class CrdMove { create, update, leave };
struct CrdDecision {
  CrdMove move = CrdMove::leave;
  std::string why;
  /// What Weft needs of a definition of Cilium's and does not find in it: "a served v2", "subresource status of
  /// v2alpha1", "spec.bfd and 3 other fields of v2". Empty: nothing.
  std::string lacks{};
};
/// Pure. `existing` is null when there is none. A definition written by a newer Weft, or by Cilium itself (label
/// io.cilium.k8s.crd.schema.version), is left as it is: a Cilium that still runs could not put its own back once
/// objects are stored in a version that only ours has (status.storedVersions). `weft upgrade` replaces it, since
/// whoever runs that knows.
CrdDecision decide_crd(const json::object* existing, const json::object& wanted, const std::string& our_version);

/// Condition Established, and NamesAccepted not refused. Pure.
bool crd_established(const json::object& crd);

/// Installs or upgrades all and waits until all are established, at most `limit`. Errc::timeout names those that are
/// not.
Task<Result<>> install_crds(kube::Client& client, const std::vector<json::object>& crds, std::chrono::seconds limit);

}  // namespace weft::op
