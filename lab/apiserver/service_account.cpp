#include "lab/apiserver/workload.h"

#include <algorithm>

#include "lab/apiserver/fields.h"
#include "lab/apiserver/metadata.h"

namespace weft::lab::api {

void mount_account_token(json::object& spec) {
  constexpr const char* kWhere = "/var/run/secrets/kubernetes.io/serviceaccount";
  if (!flag(json::value(spec), {"automountServiceAccountToken"}, true)) return;
  const std::string volume = "kube-api-access-" + random_suffix();
  bool used = false;
  for (const char* key : {"initContainers", "containers"}) {
    auto* all = items(spec, key);
    if (all == nullptr) continue;
    for (auto& c : *all) {
      if (!c.is_object()) continue;
      auto& mounts = c.get_object()["volumeMounts"];
      if (!mounts.is_array()) mounts.emplace_array();
      const bool there = std::any_of(mounts.get_array().begin(), mounts.get_array().end(),
                                     [&](const json::value& m) { return text(m, {"mountPath"}) == kWhere; });
      if (there) continue;
      mounts.get_array().push_back(json::object{{"name", volume}, {"readOnly", true}, {"mountPath", kWhere}});
      used = true;
    }
  }
  if (!used) return;
  auto& volumes = spec["volumes"];
  if (!volumes.is_array()) volumes.emplace_array();
  const json::array sources{
      json::object{{"serviceAccountToken", json::object{{"expirationSeconds", 3607}, {"path", "token"}}}},
      json::object{
          {"configMap", json::object{{"name", "kube-root-ca.crt"},
                                     {"items", json::array{json::object{{"key", "ca.crt"}, {"path", "ca.crt"}}}}}}},
      json::object{{"downwardAPI",
                    json::object{{"items", json::array{json::object{
                                               {"path", "namespace"},
                                               {"fieldRef", json::object{{"apiVersion", "v1"},
                                                                         {"fieldPath", "metadata.namespace"}}}}}}}}}};
  volumes.get_array().push_back(
      json::object{{"name", volume}, {"projected", json::object{{"sources", sources}, {"defaultMode", 420}}}});
}

}  // namespace weft::lab::api
