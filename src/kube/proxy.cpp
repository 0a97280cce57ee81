#include "kube/proxy.h"

#include <boost/url/parse.hpp>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "base/encoding.h"
#include "base/net.h"

namespace weft::kube {

namespace {

// Asked for in this order, as everywhere.
struct Variable {
  std::string name, value;
};
Variable either(const Environment& variable, const char* upper, const char* lower) {
  if (auto v = variable(upper); !v.empty()) return {upper, std::move(v)};
  return {lower, variable(lower)};
}

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// "host:port", "[address]:port" into both; without a port the whole is the host, also a bare IPv6 address.
std::pair<std::string, std::string> split_port(const std::string& entry) {
  const auto colon = entry.rfind(':');
  const bool bracketed = entry.starts_with('[');
  if (bracketed) {
    const auto end = entry.find(']');
    if (end == std::string::npos) return {entry, ""};
    return {entry.substr(1, end - 1), end + 1 < entry.size() && entry[end + 1] == ':' ? entry.substr(end + 2) : ""};
  }
  if (colon == std::string::npos || entry.find(':') != colon) return {entry, ""};
  return {entry.substr(0, colon), entry.substr(colon + 1)};
}

// Digits are all that a URL's grammar asks of a port.
bool good_port(std::string_view text) {
  unsigned n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  return ec == std::errc{} && end == text.data() + text.size() && n > 0 && n <= 65535;
}

bool entry_names(const std::string& entry, const std::string& host, const Result<Address>& address,
                 std::string_view port) {
  if (entry == "*") return true;
  if (entry.find('/') != std::string::npos) {
    const auto prefix = Prefix::parse(entry);
    return prefix && address && prefix->contains(*address);
  }
  auto [name, of_port] = split_port(entry);
  if (!of_port.empty() && of_port != port) return false;
  if (const auto one = Address::parse(name)) return address && *one == *address;
  if (name.starts_with("*.")) name.erase(0, 1);
  if (name.empty() || name == ".") return false;
  if (name.starts_with('.')) return host.ends_with(name);
  return host == name || host.ends_with("." + name);
}

}  // namespace

Result<Proxy> parse_proxy(std::string_view text) {
  const auto url = boost::urls::parse_uri(text);
  if (!url || url->host_address().empty() || (!url->port().empty() && !good_port(url->port())))
    return fail(Errc::invalid, "not the URL of a proxy: write http://host:port");
  if (const auto scheme = lower_case(url->scheme()); scheme != "http")
    return fail(Errc::unsupported, "a proxy of scheme " + scheme +
                                       " is not offered: name one that is spoken to by http://, or reach the server "
                                       "without a proxy");
  Proxy p;
  p.host = url->host_address();
  if (!url->port().empty()) p.port = std::string(url->port());
  if (url->has_userinfo()) p.authorization = "Basic " + base64_encode(url->user() + ":" + url->password());
  p.shown = "http://" + std::string(url->encoded_host()) + ":" + p.port;
  return p;
}

bool listed_in_no_proxy(std::string_view list, std::string_view host, std::string_view port) {
  const std::string wanted = lower_case(host);
  const auto address = Address::parse(wanted);
  for (std::size_t at = 0; at <= list.size();) {
    const auto end = std::min(list.find(',', at), list.size());
    std::string entry = lower_case(list.substr(at, end - at));
    at = end + 1;
    std::erase_if(entry, [](unsigned char c) { return std::isspace(c); });
    if (!entry.empty() && entry_names(entry, wanted, address, port)) return true;
  }
  return false;
}

Result<std::string> proxy_of_environment(std::string_view server, const Environment& variable) {
  const std::string with_scheme =
      server.find("://") == std::string_view::npos ? "https://" + std::string(server) : std::string(server);
  const auto url = boost::urls::parse_uri(with_scheme);
  if (!url) return std::string();  // whoever connects says so
  const bool tls = url->scheme() == "https";
  auto named = tls ? either(variable, "HTTPS_PROXY", "https_proxy") : either(variable, "HTTP_PROXY", "http_proxy");
  if (named.value.empty()) return std::string();
  const std::string host = url->host_address();
  const auto address = Address::parse(host);
  if (host == "localhost" || (address && address->is_loopback())) return std::string();
  const std::string port = url->port().empty() ? (tls ? "443" : "80") : std::string(url->port());
  if (listed_in_no_proxy(either(variable, "NO_PROXY", "no_proxy").value, host, port)) return std::string();
  if (named.value.find("://") == std::string::npos) named.value.insert(0, "http://");
  if (const auto proxy = parse_proxy(named.value); !proxy)
    return fail(proxy.error().in("$" + named.name + ", on the way to " + std::string(server) +
                                 " (list its host in $NO_PROXY to go there without it)"));
  return named.value;
}

}  // namespace weft::kube
