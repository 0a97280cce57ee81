// GlobalNamespaces: which namespaces tell other clusters of their services, endpoints and identities.
//
// Annotation clustermesh.cilium.io/global of the Namespace decides: "true" in any case of letters, or anything else,
// which means no. Without it the default does (clustermesh-default-global-namespace). A namespace that is not there,
// not yet or not any more, is not global. Source: cilium-compat sections 1.17 and 3.1.
#pragma once

#include <map>
#include <set>
#include <string>

#include "kube/types/core.h"
#include "model/identity.h"
#include "state/table.h"

namespace weft::mesh {

inline constexpr const char* kGlobalNamespaceAnnotation = "clustermesh.cilium.io/global";

bool is_global(const kube::Namespace& ns, bool by_default);

/// The namespace whose pods have this identity; empty when its labels do not say.
std::string namespace_of(const Identity& identity);

class GlobalNamespaces {
 public:
  GlobalNamespaces(Table<kube::Namespace>& table, bool by_default)
      : table_(table), changes_(table), by_default_(by_default) {}

  /// As of the last take(). What belongs to no namespace (an empty name) follows the default.
  bool global(const std::string& ns) const;
  /// The namespaces that have become global since the last call, or have ceased to be.
  std::set<std::string> take();
  /// Every namespace has been heard of.
  bool complete() const { return table_.initialized() && !changes_.pending(); }
  /// Until there is something to take, or the table is complete.
  Task<> changed() { co_await changes_.changed(); }

 private:
  Table<kube::Namespace>& table_;
  Table<kube::Namespace>::Stream changes_;
  std::set<std::string> global_;
  bool by_default_;
};

}  // namespace weft::mesh
