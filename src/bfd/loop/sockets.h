// BFD's UDP sockets on Linux: listeners that know TTL, destination and link of every packet, and one sender a session
// with a source port of its own (RFC 5881 §4, §5; RFC 5883 §5).
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <vector>

#include "base/fd.h"
#include "base/net.h"
#include "base/result.h"
#include "bfd/loop/engine.h"

namespace weft::bfd {

inline constexpr Port kSingleHopPort = 3784;
inline constexpr Port kMultihopPort = 4784;

/// Receives for all sessions of one family and one port.
class Listener {
 public:
  static Result<Listener> open(Family family, Hops hops);

  int fd() const { return fd_.get(); }
  /// Hands over what has arrived, `limit` packets at most. True if there may be more.
  bool receive(std::size_t limit, const std::function<void(const Arrival&)>& handle);

 private:
  Listener(Fd fd, Family family, Hops hops) : fd_(std::move(fd)), family_(family), hops_(hops) {}
  Fd fd_;
  Family family_;
  Hops hops_;
};

class SenderSockets final : public Transport {
 public:
  explicit SenderSockets(std::uint64_t seed) : random_(seed) {}
  Result<Path> open(std::uint32_t id, const SessionKey& key) override;
  void close(std::uint32_t id) override { sockets_.erase(id); }
  void release(std::uint32_t id) override;
  Result<> send(std::uint32_t id, std::span<const std::uint8_t> datagram) override;

 private:
  struct Socket {
    Fd fd;
    SessionKey key;
  };
  Result<Port> bind_port(int fd, std::uint32_t id, const SessionKey& key, unsigned scope);

  std::mt19937_64 random_;
  std::map<std::uint32_t, Socket> sockets_;
  std::map<std::uint32_t, Port> ports_;  // kept while the session lives: its port stays the same when reopened
  std::set<Port> used_ports_;
};

}  // namespace weft::bfd
