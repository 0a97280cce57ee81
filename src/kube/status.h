// Writing status: a merge patch of the status subresource, and metav1.Condition lists.
#pragma once

#include <string>
#include <string_view>

#include "base/clock.h"
#include "kube/client.h"

namespace weft::kube {

/// Merges `status` into the object's status. `version`, when given, makes it fail with Errc::conflict if the object
/// was changed since.
Task<Result<json::object>> patch_status(Client& client, const Resource& resource, std::string_view ns,
                                        std::string_view name, const json::object& status,
                                        std::string_view version = {});

struct Condition {
  std::string type;
  bool holds = false;
  std::string reason;  // CamelCase, not empty
  std::string message;
  std::int64_t observed_generation = 0;
};
/// Sets one entry of a conditions list; lastTransitionTime changes only when the status does. True if anything
/// changed. Pure.
bool set_condition(json::array& conditions, const Condition& condition, Wall::time_point now);

}  // namespace weft::kube
