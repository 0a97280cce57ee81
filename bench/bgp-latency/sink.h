// A router that takes every route and notes when it came. It lives on a thread of its own, as a router is a machine of
// its own, and reads nothing but sockets: what the agent does meanwhile does not delay its clock.
#pragma once

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "base/net.h"
#include "bgp/packet/message.h"

namespace weft::bench {

class Sink {
 public:
  /// What one read of a socket brought.
  struct Arrival {
    Steady::time_point when;  // the read returned
    bool ping = false;        // not BGP: the bare connection
    std::size_t bytes = 0;    // of the UPDATE, or of the ping
    std::vector<Prefix> announced, withdrawn;
  };
  /// Listens on `address`, port 179, and gives each UPDATE to `told` on `io`. Throws std::runtime_error when it cannot.
  Sink(boost::asio::io_context& io, const std::string& address, bgp::Asn asn, std::function<void(Arrival)> told);
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;

  /// Sends so many octets over a bare TCP connection to the same thread; it arrives as a ping.
  void ping(std::size_t bytes);
  /// Why the session ended, if it did; for messages.
  std::string trouble() const;

 private:
  struct Thread;
  Fd ping_;
  std::shared_ptr<Thread> state_;
  std::thread thread_;
};

}  // namespace weft::bench
