// The connections of a peer: opened, accepted, read.
#include <fmt/format.h>
#include <net/if.h>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "bgp/speaker/peer.h"

namespace weft::bgp {

namespace {

constexpr std::size_t kMaxClosing = 4;

}  // namespace

struct Peer::Attempt {
  Attempt(asio::io_context& io, Fd fd, Endpoint to) : socket(io), remote(std::move(to)) { socket.assign(fd.release()); }
  asio::posix::stream_descriptor socket;
  Endpoint remote;
};

std::optional<Address> Peer::address() const {
  if (config_.address) return config_.address;
  if (discovery_ && discovery_->router()) return discovery_->router()->address;
  return std::nullopt;
}

unsigned Peer::ifindex() const {
  if (discovery_ && discovery_->router()) return discovery_->router()->ifindex;
  return config_.interface.empty() ? 0 : ::if_nametoindex(config_.interface.c_str());
}

bool Peer::is_from(const Endpoint& remote) const {
  if (is_unnumbered(config_))
    // Whoever is on the link: the address may be newer than its last advertisement. But not beside a session that is
    // up: a connection of another router would look like a restart of this one.
    return (!session_.established() || remote.address == address()) && remote.address.is_v6() &&
           remote.address.is_link_local() && remote.scope != 0 &&
           remote.scope == ::if_nametoindex(config_.interface.c_str());
  if (config_.address != remote.address) return false;
  return !remote.address.is_link_local() || remote.scope == ifindex();
}

std::optional<Address> Peer::wanted_local(const Address& remote) const {
  if (config_.local_address || config_.source_interface.empty()) return config_.local_address;
  return interface_address(config_.source_interface, remote.family());
}

void Peer::connect() {
  using Kind = DownReason::Kind;
  const auto failed = [&](Kind kind, std::string words) { on(fsm::event::ConnectFailed{kind, std::move(words)}); };
  const auto remote = address();
  if (!remote) return failed(Kind::no_address, discovery_ ? discovery_->why_not() : "no address is known");
  ConnectSpec spec;
  const bool link_local = remote->is_v6() && remote->is_link_local();
  spec.remote = {*remote, config_.port, link_local ? ifindex() : 0};
  if (link_local) {
    if (spec.remote.scope == 0)
      return failed(Kind::no_address, fmt::format("interface {} does not exist on this node", config_.interface));
    spec.device = config_.interface;
  }
  const auto local = wanted_local(*remote);
  if (!local && !config_.source_interface.empty())
    note(log::Level::warn, "BGP connects from the address that routes give",
         fmt::format("interface {} has no {} address", config_.source_interface, to_string(remote->family())));
  if (local) spec.local = Endpoint{*local, 0, local->is_v6() && local->is_link_local() ? ifindex() : 0};
  spec.options = tcp_options(instance_.config(), config_);
  auto fd = start_connect(spec);
  if (!fd) return failed(Kind::connect_failed, fd.error().message);
  attempt_ = std::make_shared<Attempt>(shared_.io, std::move(*fd), spec.remote);
  watch_attempt();
}

void Peer::watch_attempt() {
  // Weakly: who abandons the attempt closes its socket, or the kernel would go on calling the peer for minutes.
  attempt_->socket.async_wait(
      asio::posix::stream_descriptor::wait_write,
      [weak = weak_from_this(), mine = std::weak_ptr(attempt_)](const boost::system::error_code& ec) {
        const auto self = weak.lock();
        const auto attempt = mine.lock();
        if (!ec && self && attempt) self->attempt_done(attempt);
      });
}

void Peer::attempt_done(const std::shared_ptr<Attempt>& attempt) {
  if (attempt_ != attempt || stopped_) return;
  if (connecting(attempt->socket.native_handle())) return watch_attempt();
  attempt_.reset();
  if (auto r = connect_result(attempt->socket.native_handle(), attempt->remote); !r) {
    std::string words = r.error().message;
    if (config_.password) words += " (a TCP MD5 password that differs or is missing on one side looks like this)";
    if (const std::size_t others = discovery_ ? discovery_->others() : 0; others > 0)
      words +=
          fmt::format(" ({} more advertise themselves as routers on {}, which is for links with one; they are next)",
                      others, config_.interface);
    on(fsm::event::ConnectFailed{DownReason::Kind::connect_failed, std::move(words)});
    return;
  }
  adopt(Fd(attempt->socket.release()), true);
}

void Peer::act(fsm::action::AbandonConnect&) { attempt_.reset(); }

void Peer::accept(Fd socket) {
  if (stopped_) return;
  if (auto r = tune_accepted(socket.get(), tcp_options(instance_.config(), config_)); !r) {
    note(log::Level::warn, "BGP connection refused", r.error().message);
    return;
  }
  if (session_.held_by_bfd()) {
    // Both ends learn that the path is back, never at once: whoever connects first waits for the other's BFD instead of
    // being turned away.
    waiting_ = std::move(socket);
    return;
  }
  adopt(std::move(socket), false);
}

void Peer::take_waiting() {
  if (!waiting_ || stopped_ || session_.held_by_bfd()) return;
  // The peer may have given up waiting. A connection that ends before it began counts as a session that failed, which
  // the peer's next one would have to wait for.
  if (closed_by_peer(waiting_.get()))
    waiting_.reset();
  else
    adopt(std::move(waiting_), false);
}

void Peer::adopt(Fd socket, bool outgoing) {
  const ConnectionId id = next_connection_++;
  const auto connection = Connection::make(shared_.io, std::move(socket), shared_.buffer);
  ++shared_.open_connections;
  connection->gone = [shared = shared_.shared_from_this()] {
    --shared->open_connections;
    shared->closed.notify();
  };
  links_[id] = {connection, Context{}};
  const auto weak = weak_from_this();
  connection->start({.bytes =
                         [weak, id](std::span<const std::uint8_t> bytes) {
                           const auto self = weak.lock();
                           return self ? self->take(id, bytes) : bytes.size();
                         },
                     .closed =
                         [weak, id](std::string words) {
                           const auto self = weak.lock();
                           if (!self) return;
                           self->links_.erase(id);
                           std::erase_if(self->timers_, [&](const auto& t) { return t.first.connection == id; });
                           self->on(fsm::event::Closed{id, std::move(words)});
                         },
                     .next = [weak, id]() -> Chunk {
                       const auto self = weak.lock();
                       return self && self->session_.established() == id ? self->next_chunk() : Chunk{};
                     }});
  on(fsm::event::Connected{id, outgoing});
}

// Each connection takes a moment to hear our last words, and whoever connects in a loop would have thousands of them.
void Peer::let_go(const std::shared_ptr<Connection>& connection) {
  connection->close();
  std::erase_if(closing_, [](const auto& weak) {
    const auto c = weak.lock();
    return !c || c->is_closed();
  });
  if (connection->is_closed()) return;
  closing_.push_back(connection);
  if (closing_.size() <= kMaxClosing) return;
  const auto oldest = closing_.front().lock();
  closing_.pop_front();
  oldest->drop();
}

std::size_t Peer::take(ConnectionId id, std::span<const std::uint8_t> bytes) {
  std::size_t used = 0;
  while (bytes.size() - used >= kHeaderSize) {
    const auto link = links_.find(id);
    if (link == links_.end() || stopped_) return bytes.size();
    const Context& context = link->second.receive;
    const auto rest = bytes.subspan(used);
    const auto length = message_length(rest, context);
    if (!length) {
      on(fsm::event::ReceiveError{id, length.error()});
      return bytes.size();
    }
    if (rest.size() < *length) break;
    auto decoded = decode(rest.first(*length), context);
    if (!decoded) {
      on(fsm::event::ReceiveError{id, std::move(decoded).error()});
      return bytes.size();
    }
    used += *length;
    ++counters_.messages_in;
    for (const AttributeFault& fault : decoded->faults) {
      ++counters_.faults;
      last_fault_ = fmt::format(
          "attribute {}: {}; {}", fault.type, fault.why,
          fault.action == AttributeFault::Action::withdraw ? "its routes count as withdrawn" : "it was ignored");
      note(log::Level::warn, "malformed BGP attribute", last_fault_);
    }
    on(fsm::event::Received{id, std::move(decoded->message)});
  }
  return used;
}

void Peer::look_before_hold(ConnectionId id) {
  // What this process was too slow to read is not the peer's silence: look before saying that it is dead. One sign of
  // life is enough, the rest has its turns as ever.
  const auto link = links_.find(id);
  if (link == links_.end()) return;
  const auto connection = link->second.connection;
  const auto before = session_.heard(id);
  connection->read_arrived([&] { return stopped_ || session_.heard(id) != before; });
}

}  // namespace weft::bgp
