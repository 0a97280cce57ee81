#include "lab/apiserver/apply.h"

namespace weft::lab::api {
Answer<json::value> apply_configuration(const Schema&, const json::value*, const json::value&, const std::string&, const std::string&, bool) {
  return refuse(ApiError::unsupported_media("application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"));
}
void track_update(const Schema&, const json::value&, json::value&, const std::string&, const std::string&) {}
}  // namespace weft::lab::api
