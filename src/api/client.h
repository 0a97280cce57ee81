// Blocking client of an api::Server, for programs that ask one thing and exit: the CLI, the CNI plugin, probes.
#pragma once

#include <boost/json/fwd.hpp>

#include <chrono>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::api {

inline constexpr const char* kDefaultSocket = "/var/run/weft/weft.sock";

struct Answer {
  unsigned status = 0;
  std::string content_type;
  std::string body;
};

/// One exchange. An answer of any status is an Answer; no answer is an error: Errc::unavailable names the socket and
/// what to look at when nobody listens, Errc::timeout when `limit` passed.
Result<Answer> exchange(const std::string& socket, std::string_view method, std::string_view target,
                        std::string_view body = {}, std::chrono::milliseconds limit = std::chrono::seconds(30));

/// The body of a successful answer; the error of the other side (Response::of(Error)) otherwise.
Result<boost::json::value> get(const std::string& socket, std::string_view target,
                               std::chrono::milliseconds limit = std::chrono::seconds(30));
Result<boost::json::value> post(const std::string& socket, std::string_view target, const boost::json::value& body,
                                std::chrono::milliseconds limit = std::chrono::seconds(30));

}  // namespace weft::api
