// What the server fills in and refuses of pods and of the templates that make them. Pure.
#pragma once

#include "lab/apiserver/kinds.h"

namespace weft::lab::api {

void prepare_pod(json::value& pod, const json::value* old);
void check_pod_spec(const json::value& spec, const std::string& path, FieldErrors& errors);
void check_pod_update(const json::value& pod, const json::value& old, FieldErrors& errors);

/// Deployments, daemon sets, replica sets.
void prepare_workload(const Kind& kind, json::value& object);
void check_workload(const Kind& kind, const json::value& object, const json::value* old, FieldErrors& errors);

/// What the ServiceAccount admission plugin adds: the token, the cluster's CA and the namespace, where every client
/// library looks for them. A pod that mounts something there itself keeps what it has.
void mount_account_token(json::object& spec);

}  // namespace weft::lab::api
