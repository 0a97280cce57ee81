// Refusals as the API knows them: an HTTP code, a reason and a message, sent as a Status object.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "lab/apiserver/json.h"

namespace weft::lab::api {

/// One wrong field of an object.
struct FieldError {
  std::string reason;   // FieldValueRequired, FieldValueInvalid, FieldValueNotSupported, FieldValueForbidden,
                        // FieldValueDuplicate
  std::string field;    // spec.ports[0].port
  std::string message;  // without the field
  static FieldError required(std::string field, std::string detail = {});
  static FieldError invalid(std::string field, const json::value& value, std::string detail);
  static FieldError not_supported(std::string field, const json::value& value,
                                  const std::vector<std::string>& supported);
  static FieldError forbidden(std::string field, std::string detail);
  static FieldError duplicate(std::string field, const json::value& value);
  static FieldError immutable(std::string field, const json::value& value) {
    return invalid(std::move(field), value, "field is immutable");
  }
};
using FieldErrors = std::vector<FieldError>;

struct ApiError {
  int code = 500;
  std::string reason = "InternalError";
  std::string message;
  json::object details;

  /// The Status object.
  json::object status() const;

  static ApiError not_found(const std::string& group, const std::string& plural, const std::string& name);
  static ApiError no_such_path();
  static ApiError exists(const std::string& group, const std::string& plural, const std::string& name);
  static ApiError conflict(const std::string& group, const std::string& plural, const std::string& name,
                           const std::string& why);
  static ApiError bad_request(std::string message);
  static ApiError forbidden(const std::string& group, const std::string& plural, const std::string& name,
                            const std::string& why);
  static ApiError invalid(const std::string& group, const std::string& kind, const std::string& name,
                          const FieldErrors& errors);
  static ApiError method_not_allowed();
  static ApiError not_acceptable(const std::string& offered);
  static ApiError unsupported_media(const std::string& offered);
  static ApiError unauthorized();
  static ApiError expired(std::string message);
  static ApiError not_offered(std::string what);  // 501
  static ApiError unavailable(std::string message);
  static ApiError internal(std::string message);
};

template <class T = void>
using Answer = std::expected<T, ApiError>;

inline std::unexpected<ApiError> refuse(ApiError e) { return std::unexpected<ApiError>(std::move(e)); }

/// "deployments.apps", "pods".
std::string qualified(const std::string& group, const std::string& plural);

}  // namespace weft::lab::api

#define API_TRY(expr)                                                                           \
  do {                                                                                          \
    if (auto api_try_ = (expr); !api_try_) return std::unexpected(std::move(api_try_).error()); \
  } while (false)
#define API_CO_TRY(expr)                                                                           \
  do {                                                                                             \
    if (auto api_try_ = (expr); !api_try_) co_return std::unexpected(std::move(api_try_).error()); \
  } while (false)
