// One end of the Unix socket: lines go out in the order they were given and come in one by one.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>

#include <deque>
#include <memory>
#include <string>

#include "async/signal.h"
#include "async/task.h"
#include "base/result.h"

namespace weft::bfd {

using Local = asio::local::stream_protocol;

/// Shared by a reader and a writer coroutine: spawn write_all(stream) and call read_line() from another.
class LineStream {
 public:
  LineStream(asio::io_context& io, Local::socket socket) : socket_(std::move(socket)), wake_(io) {}

  /// Queues a line that ends with a newline. Who reads so slowly that kMaxBacklog bytes wait is cut off.
  void send(std::string line);
  /// Without its newline. Errc::unavailable: the other side is gone; Errc::invalid: the line is longer than `limit`.
  Task<Result<std::string>> read_line(std::size_t limit);
  /// Writes what is queued until the stream is closed.
  static Task<> write_all(std::shared_ptr<LineStream> stream);
  /// Closes once everything queued is written.
  void finish();
  void close();
  bool is_open() const { return socket_.is_open(); }

 private:
  static constexpr std::size_t kMaxBacklog = 64u << 20;
  Local::socket socket_;
  Notifier wake_;
  std::deque<std::string> queue_;
  std::size_t queued_bytes_ = 0;
  bool finishing_ = false;
  std::string input_;
};

}  // namespace weft::bfd
