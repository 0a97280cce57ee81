#include "bgp/control/sources.h"

#include "base/encoding.h"
#include "bgp/control/router_annotation.h"

namespace weft::bgp::control {

Result<std::optional<Password>> parse_password(const json::object& secret) {
  const auto text = kube::text_at(kube::object_at(secret, "data"), "password");
  if (text.empty()) return std::optional<Password>();
  auto value = base64_decode(text);
  if (!value) return fail(value.error().in("data.password"));
  return Password{kube::name_of(secret).name, std::move(*value)};
}

Result<std::optional<NodeRow>> parse_node_row(const json::object& node) {
  NodeRow row{kube::name_of(node).name, kube::labels_at(kube::metadata(node), "labels"),
              kube::labels_at(kube::metadata(node), "annotations")};
  std::erase_if(row.annotations, [](const auto& a) { return !a.first.starts_with(kRouterAnnotationPrefix); });
  return row;
}

}  // namespace weft::bgp::control
