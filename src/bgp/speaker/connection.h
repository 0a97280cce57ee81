// Connection: one TCP connection of a session. Bytes come in fair turns, chunks of whole messages go out, and neither a
// flood nor a peer that stops reading costs the others more than a turn.
#pragma once

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/fd.h"
#include "bgp/speaker/tcp.h"

namespace weft::bgp {

/// Whole messages, shared by all peers that get the same; `owner` keeps `bytes` alive.
struct Chunk {
  std::shared_ptr<const void> owner;
  std::span<const std::uint8_t> bytes;
};

/// Where all connections of a thread read into; what is left of a message moves to the connection between turns.
class ReadBuffer {
 public:
  ReadBuffer();
  std::span<std::uint8_t> bytes() { return bytes_; }

 private:
  std::vector<std::uint8_t> bytes_;
};

/// Used from the io_context's thread. Keeps itself alive while an operation is under way.
class Connection : public std::enable_shared_from_this<Connection> {
 public:
  struct Handler {
    /// Takes whole messages from the front of `bytes` and returns how many bytes those were; the rest comes again with
    /// what follows. May close the connection.
    std::function<std::size_t(std::span<const std::uint8_t> bytes)> bytes;
    /// The peer or the network ended it; nothing is called afterwards.
    std::function<void(std::string words)> closed;
    /// The next chunk of what there is to send, empty when there is none now: see wake(). Called while the queue is
    /// short, so that what waits for a slow peer stays with whoever knows the newest state.
    std::function<Chunk()> next;
  };
  /// Called once when the socket is shut for good, also after close(). Nothing of the connection may be used in it.
  std::function<void()> gone;

  static std::shared_ptr<Connection> make(asio::io_context& io, Fd socket, std::shared_ptr<ReadBuffer> buffer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Begins to read and write.
  void start(Handler handler);
  /// Queues a message behind what is queued.
  void send(std::vector<std::uint8_t> message);
  /// `next` may have something.
  void wake();
  /// Reads what has arrived by now, instead of when the loop comes to it, until `enough` holds. What comes meanwhile is
  /// left to the loop, so that a peer that pours does not hold it.
  void read_arrived(const std::function<bool()>& enough);
  /// Hears nothing more; messages given to send() still go out, chunks of `next` that have not begun do not, then the
  /// connection is shut, at the latest after `limit`.
  void close(std::chrono::milliseconds limit = std::chrono::seconds(2));
  /// Closes at once and says nothing.
  void drop();

  bool is_closed() const { return stage_ == Stage::closed; }
  const Endpoint& local() const { return local_; }
  const Endpoint& remote() const { return remote_; }
  /// Bytes in the queue, not yet the kernel's.
  std::size_t queued() const { return queued_; }
  /// Bytes that the kernel has and the peer has not acknowledged.
  std::size_t in_kernel() const;

 private:
  struct Pending {
    Chunk chunk;
    std::size_t sent = 0;
    bool message = false;  // from send()
  };
  enum class Stage { open, closing, closed };

  Connection(asio::io_context& io, Fd socket, std::shared_ptr<ReadBuffer> buffer);
  void wait_readable();
  void schedule_read();
  void read_event();
  /// False when there was nothing to read or the connection is over.
  bool read_turn();
  /// Turns that what has arrived by now takes.
  std::size_t turns_arrived() const;
  void schedule_write();
  void write_turn();
  void fill();
  /// True when all is written.
  bool write_some(std::size_t& budget);
  void lost(std::string words);
  void finish_closing();

  asio::io_context& io_;
  asio::posix::stream_descriptor socket_;
  asio::steady_timer deadline_;
  std::shared_ptr<ReadBuffer> buffer_;
  std::shared_ptr<const Handler> handler_;  // null once we hear nothing more; a call keeps it alive
  Endpoint local_, remote_;
  std::vector<std::uint8_t> rest_;  // of a message that has not come whole
  std::deque<Pending> queue_;
  std::size_t queued_ = 0;
  Stage stage_ = Stage::open;
  bool started_ = false;
  bool write_scheduled_ = false;
  bool write_waits_ = false;
  bool read_pending_ = false;  // a turn is posted or waits for bytes
  bool drained_ = true;        // the last turn took all there was
  bool shut_ = false;
  bool spoken_ = false;  // something was written
};

}  // namespace weft::bgp
