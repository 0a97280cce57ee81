// Result<T>: what a function that can fail returns. A recoverable error is a value with context;
// a broken invariant stops the process (see WEFT_CHECK in log.h).
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace weft {

/// What kind of failure it was, where callers act on the difference.
enum class Errc {
  invalid,       // input that cannot be right whatever we do
  not_found,     // the thing named does not exist
  exists,        // it exists already
  conflict,      // somebody else changed it meanwhile (HTTP 409, failed etcd compare)
  unauthorized,  // credentials missing or refused
  unavailable,   // the other side cannot be reached now: retry later
  timeout,       // no answer in time
  expired,       // the revision asked for is gone (HTTP 410, etcd compaction)
  exhausted,     // a pool, table or map is full
  unsupported,   // the kernel or the peer does not offer it
  internal,      // anything else
};

std::string_view to_string(Errc);

/// An error names the object, the field, the value and the mend, in that order, in one sentence.
struct Error {
  Errc code = Errc::internal;
  std::string message;

  /// The same error seen from one level up: "reading x: <message>".
  [[nodiscard]] Error in(std::string_view context) const { return {code, std::string(context) + ": " + message}; }
  bool operator==(const Error&) const = default;
};

template <class T = void>
using Result = std::expected<T, Error>;

/// `return fail(Errc::invalid, "…");`
inline std::unexpected<Error> fail(Errc code, std::string message) {
  return std::unexpected<Error>(Error{code, std::move(message)});
}
inline std::unexpected<Error> fail(Error error) { return std::unexpected<Error>(std::move(error)); }

/// An Error from errno: "<what>: No such file or directory".
Error errno_error(std::string_view what, int err);

}  // namespace weft

/// Propagates the error of an expression that is a Result; the value is dropped. For coroutines use WEFT_CO_TRY.
#define WEFT_TRY(expr)                                                                             \
  do {                                                                                             \
    if (auto weft_try_ = (expr); !weft_try_) return std::unexpected(std::move(weft_try_).error()); \
  } while (false)
#define WEFT_CO_TRY(expr)                                                                             \
  do {                                                                                                \
    if (auto weft_try_ = (expr); !weft_try_) co_return std::unexpected(std::move(weft_try_).error()); \
  } while (false)
