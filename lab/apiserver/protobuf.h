// Objects in the API's protobuf form, as some kubectl commands send them (kubectl create namespace): to JSON.
// A body is "k8s\0" and an envelope that names kind and version; field names and numbers come from
// types/protobuf.table. Answers are always JSON, which every client that sends protobuf also accepts.
#pragma once

#include <string_view>

#include "lab/apiserver/json.h"

namespace weft::lab::api {

/// Errors: invalid (broken bytes), unsupported (a kind that the table does not have).
Result<json::value> decode_protobuf(std::string_view body);

}  // namespace weft::lab::api
