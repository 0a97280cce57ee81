// The HTTP proxy on the way to an API server: named by a kubeconfig's proxy-url or by the environment.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace weft::kube {

struct Proxy {
  std::string host;  // without brackets
  std::string port = "80";
  std::string authorization;  // the value of Proxy-Authorization; empty: none
  std::string shown;          // "http://host:port", for people: without the password
  bool operator==(const Proxy&) const = default;
};

/// "http://[user:password@]host[:port]". Proxies that are spoken to over TLS or SOCKS are Errc::unsupported.
Result<Proxy> parse_proxy(std::string_view url);

/// The value of an environment variable, empty when it is not set.
using Environment = std::function<std::string(const char* name)>;

/// The URL of the proxy that the environment names for `server`, by the rules of Go's net/http, which kubectl and Helm
/// go by: $HTTPS_PROXY (of an http:// server $HTTP_PROXY), unless the server is this machine or stands in $NO_PROXY;
/// each name also in lower case. Empty: none. Errors name the variable.
Result<std::string> proxy_of_environment(std::string_view server, const Environment& variable);

/// Does a list as in $NO_PROXY name this host? Its entries, separated by commas: "*", an address, a CIDR, a domain
/// (with those below it; only these when it begins with "." or "*."); an address or a domain may have a port. `host` is
/// without brackets.
bool listed_in_no_proxy(std::string_view list, std::string_view host, std::string_view port);

}  // namespace weft::kube
