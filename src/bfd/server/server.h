// The socket of weft-bfd: takes wishes from its clients, gives the loop one merged set, tells everybody what happens.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "async/scope.h"
#include "async/task.h"
#include "base/result.h"
#include "bfd/line_stream.h"
#include "bfd/loop/loop.h"
#include "bfd/protocol.h"
#include "bfd/server/registry.h"

namespace weft::bfd {

/// Lives on an io_context of its own thread; the loop has another.
class Server {
 public:
  /// `loop` outlives this.
  Server(asio::io_context& io, Loop& loop, DaemonInfo info, std::string socket);
  ~Server();

  /// Binds, for the owner only. A socket file nobody listens on is replaced; one that answers is an error.
  Result<> listen();
  /// Serves until cancelled, then closes every connection and removes the socket file. The sessions are left to
  /// Loop::stop().
  Task<> run();

 private:
  struct Client {
    std::shared_ptr<LineStream> stream;  // null: gone, its sessions linger
    std::chrono::milliseconds linger{0};
    std::uint64_t connection = 0;  // the number of its latest connection
  };
  Task<> serve(std::shared_ptr<LineStream> stream, std::uint64_t number);
  Task<> converse(std::shared_ptr<LineStream> stream, std::uint64_t number, std::string& name);
  Task<> pump();
  Task<> forget_after(std::string name, std::uint64_t connection, std::chrono::milliseconds linger);
  void hello(const Hello& hello, const std::shared_ptr<LineStream>& stream, std::uint64_t number);
  void gone(const std::string& name, std::uint64_t number, bool bye);
  void forget(const std::string& name);
  void apply();
  void learn(const SessionStatus& status);
  std::string statuses_of(const std::string& name) const;
  std::string overview();

  asio::io_context& io_;
  Loop& loop_;
  DaemonInfo info_;
  std::string path_;
  Local::acceptor acceptor_;
  Scope connections_;
  std::uint64_t next_connection_ = 1;
  Registry registry_;
  std::map<std::string, Client> clients_;
  std::map<SessionKey, SessionStatus> rows_;  // by merged key
};

}  // namespace weft::bfd
