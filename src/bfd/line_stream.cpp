#include "bfd/line_stream.h"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

namespace weft::bfd {

void LineStream::send(std::string line) {
  if (!is_open() || finishing_) return;
  queued_bytes_ += line.size();
  if (queued_bytes_ > kMaxBacklog) return close();
  queue_.push_back(std::move(line));
  wake_.notify();
}

void LineStream::finish() {
  finishing_ = true;
  wake_.notify();
}

void LineStream::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
  wake_.notify();
}

Task<Result<std::string>> LineStream::read_line(std::size_t limit) {
  auto [ec, n] = co_await asio::async_read_until(socket_, asio::dynamic_buffer(input_, limit), '\n',
                                                 asio::as_tuple(asio::use_awaitable));
  if (ec == asio::error::not_found) co_return fail(Errc::invalid, "a line is too long");
  if (ec) co_return fail(Errc::unavailable, ec.message());
  std::string line = input_.substr(0, n - 1);
  input_.erase(0, n);
  co_return line;
}

Task<> LineStream::write_all(std::shared_ptr<LineStream> stream) {
  while (stream->is_open()) {
    const auto seen = stream->wake_.version();
    if (stream->queue_.empty()) {
      if (stream->finishing_) {
        stream->close();
        co_return;
      }
      co_await stream->wake_.changed_since(seen);
      continue;
    }
    const std::string line = std::move(stream->queue_.front());
    stream->queue_.pop_front();
    stream->queued_bytes_ -= line.size();
    const auto buffer = asio::buffer(line);
    auto [ec, n] = co_await asio::async_write(stream->socket_, buffer, asio::as_tuple(asio::use_awaitable));
    if (ec) stream->close();
  }
}

}  // namespace weft::bfd
