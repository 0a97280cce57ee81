#include "bgp/speaker/connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "bgp/packet/message.h"

namespace weft::bgp {

namespace {

constexpr std::size_t kReadTurn = 64 * 1024;  // bytes before the others get their turn
constexpr std::size_t kWriteTurn = 1024 * 1024;
constexpr std::size_t kQueueTarget = 256 * 1024;  // `next` is asked while less than this is queued
constexpr std::size_t kVectors = 32;

}  // namespace

ReadBuffer::ReadBuffer() : bytes_(kReadTurn + kMaxExtendedMessage) {}

std::shared_ptr<Connection> Connection::make(asio::io_context& io, Fd socket, std::shared_ptr<ReadBuffer> buffer) {
  return std::shared_ptr<Connection>(new Connection(io, std::move(socket), std::move(buffer)));
}

Connection::Connection(asio::io_context& io, Fd socket, std::shared_ptr<ReadBuffer> buffer)
    : io_(io),
      socket_(io),
      deadline_(io),
      buffer_(std::move(buffer)),
      local_(local_end(socket.get())),
      remote_(remote_end(socket.get())) {
  socket_.assign(socket.release());
}

Connection::~Connection() = default;

void Connection::start(Handler handler) {
  handler_ = std::make_shared<const Handler>(std::move(handler));
  started_ = true;
  schedule_read();
  schedule_write();
}

void Connection::send(std::vector<std::uint8_t> message) {
  if (stage_ != Stage::open) return;
  queued_ += message.size();
  const auto owner = std::make_shared<const std::vector<std::uint8_t>>(std::move(message));
  queue_.push_back({Chunk{owner, *owner}, 0, true});
  schedule_write();
}

void Connection::wake() {
  if (stage_ == Stage::open) schedule_write();
}

// ---- reading

void Connection::wait_readable() {
  if (read_pending_ || stage_ == Stage::closed) return;
  read_pending_ = true;
  socket_.async_wait(asio::posix::stream_descriptor::wait_read,
                     [self = shared_from_this()](const boost::system::error_code& ec) {
                       self->read_pending_ = false;
                       if (!ec) self->read_event();
                     });
}

void Connection::schedule_read() {
  if (read_pending_ || stage_ == Stage::closed) return;
  read_pending_ = true;
  asio::post(io_, [self = shared_from_this()] {
    self->read_pending_ = false;
    self->read_event();
  });
}

void Connection::read_event() {
  if (read_turn() && !drained_)
    schedule_read();  // behind the others that have something to read
  else
    wait_readable();
}

std::size_t Connection::turns_arrived() const {
  int bytes = 0;
  auto& socket = const_cast<asio::posix::stream_descriptor&>(socket_);
  if (stage_ == Stage::closed || ::ioctl(socket.native_handle(), FIONREAD, &bytes) != 0) bytes = 0;
  return static_cast<std::size_t>(bytes) / kReadTurn + 1;  // the end of the connection is no byte
}

void Connection::read_arrived(const std::function<bool()>& enough) {
  if (stage_ != Stage::open || !started_) return;
  const auto self = shared_from_this();
  for (std::size_t turns = turns_arrived(); turns > 0 && !enough(); --turns)
    if (stage_ != Stage::open || !read_turn()) return;
}

bool Connection::read_turn() {
  if (stage_ == Stage::closed) return false;
  const auto all = buffer_->bytes();
  std::copy(rest_.begin(), rest_.end(), all.begin());
  const auto n = ::recv(socket_.native_handle(), all.data() + rest_.size(), kReadTurn, MSG_DONTWAIT);
  drained_ = n < static_cast<ssize_t>(kReadTurn);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return false;
  if (stage_ == Stage::closing) {
    // What the peer still says is thrown away, so that closing does not reset the connection under our last words.
    if (n <= 0) drop();
    return n > 0;
  }
  if (n <= 0) {
    lost(n == 0 ? "the peer closed the connection" : std::string(std::strerror(errno)));
    return false;
  }
  const std::size_t size = rest_.size() + static_cast<std::size_t>(n);
  const auto self = shared_from_this();  // the handler may let go of us
  const auto handler = handler_;
  const std::size_t used = handler->bytes(all.first(size));
  if (stage_ != Stage::open) {
    rest_.clear();
    return stage_ == Stage::closing;
  }
  rest_.assign(all.begin() + static_cast<std::ptrdiff_t>(used), all.begin() + static_cast<std::ptrdiff_t>(size));
  return true;
}

// ---- writing

void Connection::schedule_write() {
  if (write_scheduled_ || write_waits_ || !started_ || stage_ == Stage::closed) return;
  write_scheduled_ = true;
  asio::post(io_, [self = shared_from_this()] {
    self->write_scheduled_ = false;
    self->write_turn();
  });
}

void Connection::fill() {
  const auto handler = handler_;
  while (stage_ == Stage::open && queued_ < kQueueTarget) {
    Chunk chunk = handler->next();
    if (chunk.bytes.empty()) return;
    queued_ += chunk.bytes.size();
    queue_.push_back({std::move(chunk), 0, false});
  }
}

void Connection::write_turn() {
  if (stage_ == Stage::closed || write_waits_) return;
  const auto self = shared_from_this();
  std::size_t budget = kWriteTurn;
  for (;;) {
    fill();
    if (stage_ == Stage::closed) return;
    if (queue_.empty()) {
      if (stage_ == Stage::closing) finish_closing();
      return;
    }
    if (budget == 0) return schedule_write();
    if (!write_some(budget)) return;
  }
}

bool Connection::write_some(std::size_t& budget) {
  std::array<iovec, kVectors> vectors;
  std::size_t count = 0, size = 0;
  for (const Pending& p : queue_) {
    if (count == kVectors || size >= budget) break;
    auto* begin = const_cast<std::uint8_t*>(p.chunk.bytes.data()) + p.sent;  // sendmsg reads only
    vectors[count++] = {begin, p.chunk.bytes.size() - p.sent};
    size += p.chunk.bytes.size() - p.sent;
  }
  msghdr m{};
  m.msg_iov = vectors.data();
  m.msg_iovlen = count;
  const auto n = ::sendmsg(socket_.native_handle(), &m, MSG_DONTWAIT | MSG_NOSIGNAL);
  if (n < 0 && errno == EINTR) return true;
  if (n < 0 && (errno == EAGAIN || errno == ENOBUFS)) {
    write_waits_ = true;
    socket_.async_wait(asio::posix::stream_descriptor::wait_write,
                       [self = shared_from_this()](const boost::system::error_code& ec) {
                         self->write_waits_ = false;
                         if (!ec) self->write_turn();
                       });
    return false;
  }
  if (n < 0) {
    const std::string words = std::strerror(errno);
    // A peer that sent a NOTIFICATION and closed is heard before its silence is.
    for (std::size_t turns = turns_arrived(); turns > 0 && read_turn(); --turns) continue;
    if (stage_ == Stage::open) lost(words);
    if (stage_ == Stage::closing) drop();
    return false;
  }
  spoken_ = true;
  auto left = static_cast<std::size_t>(n);
  queued_ -= left;
  budget -= std::min(budget, left);
  while (left > 0) {
    Pending& p = queue_.front();
    const std::size_t part = std::min(left, p.chunk.bytes.size() - p.sent);
    p.sent += part;
    left -= part;
    if (p.sent == p.chunk.bytes.size()) queue_.pop_front();
  }
  return true;
}

// ---- the end

void Connection::lost(std::string words) {
  const auto handler = handler_;
  drop();
  if (handler) handler->closed(std::move(words));
}

void Connection::close(std::chrono::milliseconds limit) {
  if (stage_ != Stage::open) return;
  stage_ = Stage::closing;
  handler_.reset();
  rest_.clear();
  for (std::size_t i = 0; i < queue_.size();) {
    const bool begun = queue_[i].sent > 0;  // must be finished, or the peer would read our last words as part of it
    if (begun || queue_[i].message) {
      ++i;
      continue;
    }
    queued_ -= queue_[i].chunk.bytes.size();
    queue_.erase(queue_.begin() + static_cast<std::ptrdiff_t>(i));
  }
  if (queue_.empty() && !spoken_) return drop();  // refused before a word was said
  deadline_.expires_after(limit);
  deadline_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
    if (!ec) self->drop();
  });
  schedule_write();
}

void Connection::finish_closing() {
  if (shut_) return;
  shut_ = true;
  ::shutdown(socket_.native_handle(), SHUT_WR);
  schedule_read();  // until the peer has closed too
}

void Connection::drop() {
  if (stage_ == Stage::closed) return;
  stage_ = Stage::closed;
  handler_.reset();
  queue_.clear();
  queued_ = 0;
  deadline_.cancel();
  boost::system::error_code ignored;
  socket_.close(ignored);
  if (const auto told = std::move(gone)) told();
}

std::size_t Connection::in_kernel() const {
  int n = 0;
  auto& socket = const_cast<asio::posix::stream_descriptor&>(socket_);
  return stage_ != Stage::closed && ::ioctl(socket.native_handle(), SIOCOUTQ, &n) == 0 ? static_cast<std::size_t>(n)
                                                                                       : 0;
}

}  // namespace weft::bgp
