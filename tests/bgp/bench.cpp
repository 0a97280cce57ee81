#include "bgp/bench.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>
#include <unistd.h>
#include <boost/asio/co_spawn.hpp>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <stdexcept>

namespace weft::bgp::test {

std::string shell(const std::string& command) {
  FILE* p = ::popen(("(" + command + ") 2>&1").c_str(), "r");
  if (p == nullptr) throw std::runtime_error("popen failed");
  std::string out;
  char buffer[4096];
  for (std::size_t n; (n = std::fread(buffer, 1, sizeof buffer, p)) > 0;) out.append(buffer, n);
  if (::pclose(p) != 0) throw std::runtime_error(command + ": " + out);
  return out;
}

bool enter_namespace() {
  static const bool inside = [] {
    if (::geteuid() != 0 || ::unshare(CLONE_NEWNET) != 0) return false;
    shell(
        "ip link set lo up; for i in 1 2 3 4 5 6 7 8 9; do ip addr add fd00::$i/128 dev lo nodad; ip addr add "
        "10.99.0.$i/32 dev lo; done");
    return true;
  }();
  return inside;
}

bool Loop::until(const std::string& what, const std::function<bool()>& fact, const std::function<std::string()>& seen,
                 std::chrono::milliseconds limit) {
  const auto deadline = Steady::now() + limit;
  while (!fact()) {
    if (Steady::now() > deadline) {
      ADD_FAILURE() << "waited for: " << what << "\nsaw: " << seen();
      return false;
    }
    io.restart();
    io.run_one_for(20ms);
    io.poll();
  }
  return true;
}

void Loop::turn(std::chrono::milliseconds how_long) {
  const auto deadline = Steady::now() + how_long;
  while (Steady::now() < deadline) {
    io.restart();
    io.run_one_for(10ms);
  }
}

void Loop::run(Task<> task) {
  bool done = false;
  asio::co_spawn(io, std::move(task), [&](const std::exception_ptr& e) {
    done = true;
    if (e) std::rethrow_exception(e);
  });
  until("a task to end", [&] { return done; }, [] { return std::string("it runs on"); });
}

PeerConfig peer(const std::string& name, const std::string& address, const std::string& local, Asn asn) {
  PeerConfig p;
  p.name = name;
  p.address = *Address::parse(address);
  p.local_address = *Address::parse(local);
  p.remote_as = {PeerAs::Kind::exact, asn};
  p.connect_retry = 1s;
  p.hold_time = 60s;
  p.keepalive = 20s;
  p.routes = {{kIpv4Unicast, "own"}, {kIpv6Unicast, "own"}};
  return p;
}

InstanceConfig instance(Asn asn, const std::string& address) {
  InstanceConfig i;
  i.local_as = asn;
  i.router_id = RouterId{static_cast<std::uint32_t>(asn)};
  i.listen_port = 179;
  i.listen_addresses = {*Address::parse(address)};
  return i;
}

RouteSet routes(const std::string& first, std::size_t count, std::uint32_t med) {
  RouteAttributes attributes;
  attributes.path.med = med;
  const SharedAttributes shared(std::move(attributes));
  const Address base = *Address::parse(first);
  RouteSet set;
  for (std::size_t i = 0; i < count; ++i) set.set({Prefix::host(base.plus(i)), shared});
  return set;
}

Node::Node(Loop& loop, Speaker::Edges edges, SpeakerOptions options) {
  options.first_retry = 200ms;
  speaker = std::make_unique<Speaker>(loop.io, edges, std::move(options));
  wanted.complete = true;
}

void Node::apply() {
  for (const PeerFault& f : speaker->apply(wanted)) ADD_FAILURE() << f.why;
}

PeerStatus Node::status(const std::string& peer) const {
  auto s = speaker->peer("main", peer);
  return s ? std::move(*s) : PeerStatus{};
}

std::size_t Node::received(const std::string& peer, AfiSafi family) const {
  return status(peer).families[family].received;
}

std::string Node::seen() const {
  std::string out;
  for (const PeerStatus& s : speaker->peers()) {
    out += fmt::format("{} is {} ({}), flaps {}, bfd \"{}\"", s.name, to_string(s.state), s.down.words, s.flaps, s.bfd);
    for (const auto& [family, f] : s.families)
      out += fmt::format("; {}: received {} stale {} advertised {} pending {} eor {}/{}", family.to_string(),
                         f.received, f.stale, f.advertised, f.pending, f.end_of_rib_sent, f.end_of_rib_received);
    out += "\n";
  }
  return out;
}

Pair::Pair(bool v6) : a(loop), b(loop) {
  const std::string at_a = v6 ? "fd00::1" : "10.99.0.1", at_b = v6 ? "fd00::2" : "10.99.0.2";
  a.config() = instance(kAsA, at_a);
  b.config() = instance(kAsB, at_b);
  a.config().peers = {peer("b", at_b, at_a, kAsB)};
  b.config().peers = {peer("a", at_a, at_b, kAsA)};
}

bool Pair::meet() {
  return loop.until("both sessions up", [&] { return a.up("b") && b.up("a"); }, seen());
}

RawPeer::RawPeer(const std::string& local, const std::string& remote) {
  fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval limit{10, 0};
  ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  sockaddr_in from{}, to{};
  from.sin_family = to.sin_family = AF_INET;
  ::inet_pton(AF_INET, local.c_str(), &from.sin_addr);
  ::inet_pton(AF_INET, remote.c_str(), &to.sin_addr);
  to.sin_port = htons(179);
  if (::bind(fd_, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0 ||
      ::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0) {
    const std::string why = std::strerror(errno);
    ::close(fd_);
    throw std::runtime_error("connecting to " + remote + ": " + why);
  }
}

RawPeer::~RawPeer() { ::close(fd_); }

bool RawPeer::send(const std::vector<std::uint8_t>& bytes) {
  std::size_t done = 0;
  while (done < bytes.size()) {
    const auto n = ::send(fd_, bytes.data() + done, bytes.size() - done, MSG_NOSIGNAL);
    if (n <= 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

bool RawPeer::send(const Message& message) { return send(encode(message, context)); }

std::optional<Message> RawPeer::receive() {
  for (;;) {
    if (buffer_.size() >= kHeaderSize) {
      const auto length = message_length(buffer_, context);
      if (!length) return std::nullopt;
      if (buffer_.size() >= *length) {
        auto decoded = decode(std::span(buffer_).first(*length), context);
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(*length));
        if (!decoded) return std::nullopt;
        return std::move(decoded->message);
      }
    }
    std::uint8_t bytes[4096];
    const auto n = ::recv(fd_, bytes, sizeof bytes, 0);
    if (n <= 0) return std::nullopt;
    buffer_.insert(buffer_.end(), bytes, bytes + n);
  }
}

bool RawPeer::open(Loop& loop, Asn asn, std::uint16_t hold_time, Capabilities capabilities) {
  if (capabilities.families.empty()) capabilities.families = {kIpv4Unicast};
  capabilities.four_octet_asn = asn;
  if (!send(Open{asn, hold_time, RouterId{0x7f000099}, capabilities})) return false;
  // The other side runs on this thread: let it answer before this one blocks.
  const auto wait = [&] {
    const auto deadline = Steady::now() + 10s;
    for (pollfd p{fd_, POLLIN, 0}; Steady::now() < deadline;) {
      loop.turn(20ms);
      if (::poll(&p, 1, 0) > 0) return;
    }
  };
  for (int step = 0; step < 2; ++step) {
    if (buffer_.empty()) wait();
    const auto message = receive();
    if (!message) return false;
    if (std::holds_alternative<Open>(*message)) {
      context.four_octet_asn = true;
      context.families = capabilities.families;
      if (!send(Keepalive{})) return false;
    } else if (!std::holds_alternative<Keepalive>(*message)) {
      return false;
    }
  }
  return true;
}

}  // namespace weft::bgp::test
