// A BGP peer made by hand: a TCP connection from a host, messages in and out as bytes. It sends what it is told and
// nothing else, right or wrong.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "base/fd.h"
#include "tests/interop/harness/host.h"
#include "tests/interop/harness/packet.h"

namespace weft::interop {

struct RawMessage {
  unsigned type = 0;
  std::string body;
  /// "NOTIFICATION 6/2", "KEEPALIVE", …
  std::string to_string() const;
  bool is_notification(unsigned code, unsigned subcode) const;
};

class RawPeer {
 public:
  /// Connects from `host`; tries again while nobody listens. Throws at the end of the time.
  RawPeer(const Host& host, const std::string& from, const std::string& to,
          std::chrono::milliseconds limit = std::chrono::seconds(60));

  void send(const std::string& bytes);
  /// The next message; nothing when the connection ends or the time is over.
  std::optional<RawMessage> receive(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// Waits for the other side's OPEN and leaves it to be received: false when something else comes, or nothing.
  bool greeted(std::chrono::milliseconds limit = std::chrono::seconds(10));
  /// The next NOTIFICATION, whatever comes before it.
  std::optional<RawMessage> notification(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// Reads until the other side closes; false when it has not within the time.
  bool closed(std::chrono::milliseconds limit = std::chrono::seconds(30));
  /// OPEN and KEEPALIVE both ways, with the usual capabilities. Throws when the other side answers otherwise.
  RawMessage handshake(const packet::Open& open);

 private:
  Fd fd_;
  std::string buffer_;
  bool ended_ = false;
};

}  // namespace weft::interop
