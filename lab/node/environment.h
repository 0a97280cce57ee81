// A container's environment: values from the pod, ConfigMaps and Secrets, and $(VAR) in between. Pure.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lab/node/pod.h"

namespace weft::lab {

/// $(NAME) becomes the variable's value, $$(NAME) the text $(NAME); an unknown variable stays as it is written
/// (k8s.io/kubernetes/third_party/forked/golang/expansion).
std::string expand(const std::string& text, const std::map<std::string, std::string>& variables);

/// What the downward API says: "metadata.name", "metadata.labels['x']", "spec.nodeName", "status.podIP", …
/// `status` has what is known of the status before it is in the API object. The error names the path.
struct DownwardStatus {
  std::vector<std::string> pod_ips;
  std::vector<std::string> host_ips;
};
Result<std::string> downward_field(const Pod& pod, const DownwardStatus& status, const std::string& path);

/// Data of a ConfigMap or Secret by key; nothing: it does not exist.
using RefData = std::function<std::optional<std::map<std::string, std::string>>(bool secret, const std::string& name)>;

/// The variables of a container in their order, on top of `base`. The error names variable, object and key.
Result<std::map<std::string, std::string>> environment(const Pod& pod, const ContainerSpec& container,
                                                       const DownwardStatus& status, const RefData& refs,
                                                       std::map<std::string, std::string> base);

/// Names of ConfigMaps and Secrets that the environment needs.
struct Ref {
  bool secret = false;
  std::string name;
  auto operator<=>(const Ref&) const = default;
};
std::vector<Ref> environment_refs(const ContainerSpec& container);

}  // namespace weft::lab
