// TCP sockets as BGP wants them: bound, protected and timed before the first packet leaves. Plain functions over file
// descriptors; everything is non-blocking.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "base/fd.h"
#include "base/net.h"
#include "base/result.h"

namespace weft::bgp {

/// One end of a connection. `scope` is the interface's index of an IPv6 link-local address, 0 otherwise.
struct Endpoint {
  Address address;
  Port port = 0;
  unsigned scope = 0;
  std::string to_string() const;
  auto operator<=>(const Endpoint&) const = default;
};

/// What a session asks of its connection.
struct TcpOptions {
  std::optional<std::string> password;        // RFC 2385; at most kMaxPassword bytes
  std::uint8_t ttl = 255;                     // of what we send
  std::optional<std::uint8_t> min_ttl;        // RFC 5082: the kernel drops what arrives with less
  std::chrono::milliseconds user_timeout{0};  // unacknowledged for so long: the connection is gone; 0: kernel's default
  bool operator==(const TcpOptions&) const = default;
};

inline constexpr std::size_t kMaxPassword = 80;  // TCP_MD5SIG_MAXKEYLEN

struct ConnectSpec {
  Endpoint remote;
  std::optional<Endpoint> local;  // port 0: any
  std::string device;             // not empty: packets leave and arrive through this interface only
  TcpOptions options;
};

/// A socket on which connect() has been started; it becomes writable when connected or failed, see connect_result().
/// The error names the peer, what failed and, where we know it, the mend.
Result<Fd> start_connect(const ConnectSpec& spec);
/// Whether it is neither connected nor failed yet. Asio may end a wait for a descriptor with an event of one that was
/// closed before: whoever was told that it is writable asks.
bool connecting(int fd);
/// What became of it; success means connected.
Result<> connect_result(int fd, const Endpoint& remote);

/// A listening socket. An address that the node does not have yet is accepted (IP_FREEBIND); the wildcard of IPv6 does
/// not take IPv4 along. Sends with TTL 255, so that a peer with TTL security answers to our SYN-ACK.
Result<Fd> open_listener(const Address& address, Port port);
/// Sets, replaces or (nullopt) removes the MD5 password that segments of `peer` must be signed with.
Result<> set_listener_password(int fd, const Address& peer, const std::optional<std::string>& password);

/// Options of a connection that a listener accepted. From then on nothing passes that is not signed with the password.
/// Fails with words when its SYN came with less than `min_ttl`.
Result<> tune_accepted(int fd, const TcpOptions& options);

/// Whether the other end has closed the connection, or it broke, also when there is something left to read.
bool closed_by_peer(int fd);

Endpoint local_end(int fd);
Endpoint remote_end(int fd);

/// Our address towards `remote`, as routes have it now; none when there is no way.
std::optional<Address> source_towards(const Address& remote);

}  // namespace weft::bgp
