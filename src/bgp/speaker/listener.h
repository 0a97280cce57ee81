// Listener: one listening socket, shared by all instances that want it. Opens again by itself when it cannot at first
// (the port is taken by another speaker), and knows the passwords of the peers it listens for.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "async/task.h"
#include "base/fd.h"
#include "base/net.h"

namespace weft::bgp {

class Listener {
 public:
  /// `accepted` gets every connection; whose it is, and whether it is wanted, is the owner's question.
  Listener(asio::io_context& io, SocketAddress at, std::function<void(Fd)> accepted);
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  /// The MD5 passwords by peer, whole (RFC 2385). A peer that is not among them must come unsigned.
  void set_passwords(std::map<Address, std::string> passwords);
  /// Whether the kernel lets only segments of this peer pass that are signed with this password. False when it did not
  /// take it, or has that of another peer at the same address.
  bool protects(const Address& peer, const std::string& password) const;
  const SocketAddress& at() const;
  /// Empty when it listens.
  const std::string& problem() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace weft::bgp
