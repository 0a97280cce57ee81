// What all peers of one speaker use together. Connections that are closing hold it too, hence a shared_ptr.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>

#include "async/signal.h"
#include "async/task.h"
#include "base/clock.h"
#include "bgp/rib/local_rib.h"
#include "bgp/speaker/connection.h"

namespace weft::bgp {

/// Octets of attributes that one peer may cost; a full table of the Internet takes some 150 MiB.
inline constexpr std::size_t kMostAttributeBytes = 256 << 20;

struct SpeakerOptions {
  /// A previous run of this process left sessions with graceful restart behind: the OPENs say so, and what is in the
  /// kernel from then is pruned only when the peers have said everything.
  bool restarting = false;
  std::string host_name;  // not empty: told to the peers (FQDN capability)
  /// How long a restarted speaker waits for the peers' End-of-RIB before it prunes imported routes (RFC 4724 §4.1).
  std::chrono::seconds selection_deferral{120};
  /// A peer whose attributes take more memory loses the session (Cease/8, Out of Resources).
  std::size_t most_attribute_bytes = kMostAttributeBytes;
  /// Of a series of attempts to connect; see fsm::SessionConfig.
  std::chrono::milliseconds first_retry{1000};
};

/// Lets `burst` lines pass, then one a second; counts what it held back.
class LineLimit {
 public:
  explicit LineLimit(double burst = 10) : burst_(burst), tokens_(burst) {}
  bool pass(Steady::time_point now) {
    tokens_ = std::min(burst_, tokens_ + std::chrono::duration<double>(now - last_).count());
    last_ = now;
    if (tokens_ < 1) {
      ++held_back_;
      return false;
    }
    tokens_ -= 1;
    return true;
  }
  /// Lines held back since this was last asked.
  std::uint64_t take_held_back() { return std::exchange(held_back_, 0); }

 private:
  double burst_;
  double tokens_;
  Steady::time_point last_{};
  std::uint64_t held_back_ = 0;
};

struct Shared : std::enable_shared_from_this<Shared> {
  Shared(asio::io_context& i, SpeakerOptions o) : io(i), options(std::move(o)), changes(i), closed(i) {}

  asio::io_context& io;
  SpeakerOptions options;
  std::shared_ptr<ReadBuffer> buffer = std::make_shared<ReadBuffer>();
  Notifier changes;  // something that a status shows is different
  Notifier closed;   // a connection is gone
  std::size_t open_connections = 0;
  std::mt19937_64 random{std::random_device{}()};
  Steady::time_point started = Steady::now();
  Wall::time_point started_wall = Wall::now();

  double random_unit() { return std::uniform_real_distribution<double>(0, 1)(random); }
  /// The clock of the ribs.
  Seconds seconds() const {
    return static_cast<Seconds>(std::chrono::duration_cast<std::chrono::seconds>(Steady::now() - started).count());
  }
  Wall::time_point wall(Seconds s) const { return started_wall + std::chrono::seconds(s); }
};

}  // namespace weft::bgp
