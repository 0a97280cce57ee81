// What controllers ask about pods, and pods made from templates. Pure.
#pragma once

#include "lab/controllers/object.h"

namespace weft::lab {

/// Neither finished (Succeeded, Failed) nor being deleted.
bool pod_active(const json::object& pod);
bool pod_finished(const json::object& pod);
bool pod_ready(const json::object& pod);
/// Ready for at least `min_ready_seconds`.
bool pod_available(const json::object& pod, std::int64_t min_ready_seconds, Wall::time_point now);
std::string pod_node(const json::object& pod);

/// A pod of `owner`'s spec.template, to be named "<owner's name>-<random>" by the server. The owner's kind is
/// given because objects of a list do not carry it.
json::object pod_from_template(const json::object& owner, std::string_view api_version, std::string_view kind);

/// The order in which a ReplicaSet gives up pods: first those whose loss costs least (not scheduled, not running,
/// not ready, low deletion cost, doubled on a node, youngest). Returns the first `count` of `pods`.
std::vector<ObjectPtr> pods_to_delete(std::vector<ObjectPtr> pods, std::size_t count);

}  // namespace weft::lab
