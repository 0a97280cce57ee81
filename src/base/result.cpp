#include "base/result.h"

#include <cerrno>
#include <system_error>

namespace weft {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid: return "invalid";
    case Errc::not_found: return "not-found";
    case Errc::exists: return "exists";
    case Errc::conflict: return "conflict";
    case Errc::unauthorized: return "unauthorized";
    case Errc::unavailable: return "unavailable";
    case Errc::timeout: return "timeout";
    case Errc::expired: return "expired";
    case Errc::exhausted: return "exhausted";
    case Errc::unsupported: return "unsupported";
    case Errc::internal: return "internal";
  }
  return "internal";
}

Error errno_error(std::string_view what, int err) {
  Errc code = Errc::internal;
  switch (err) {
    case ENOENT:
    case ESRCH:
    case ENODEV:
    case EADDRNOTAVAIL: code = Errc::not_found; break;
    case EEXIST: code = Errc::exists; break;
    case EPERM:
    case EACCES: code = Errc::unauthorized; break;
    case EINVAL: code = Errc::invalid; break;
    case EOPNOTSUPP:
    case ENOSYS:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT: code = Errc::unsupported; break;
    case ETIMEDOUT: code = Errc::timeout; break;
    case ENOSPC:
    case E2BIG:
    case ENOMEM:
    case EMFILE:
    case ENFILE: code = Errc::exhausted; break;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH: code = Errc::unavailable; break;
    default: break;
  }
  return {code, std::string(what) + ": " + std::generic_category().message(err)};
}

}  // namespace weft
