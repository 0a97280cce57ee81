#include "probe.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace weft::bench {
namespace {

using namespace std::chrono_literals;

constexpr auto kEvery = 1ms;
constexpr auto kStragglers = 2s;
constexpr int kRoom = 8 << 20;  // a thread that waits for its turn must lose nothing
constexpr std::uint16_t kPort = 7;

struct Packet {
  std::uint64_t run = 0, number = 0;
};

Fd udp_socket(const interop::Host& host, const std::string& address, bool server) {
  Fd out;
  std::string why;
  host.in_network([&] {
    out = Fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    ::setsockopt(out.get(), SOL_SOCKET, SO_RCVBUFFORCE, &kRoom, sizeof kRoom);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(kPort);
    ::inet_pton(AF_INET, address.c_str(), &at.sin_addr);
    const auto* to = reinterpret_cast<const sockaddr*>(&at);
    if (!out || (server ? ::bind(out.get(), to, sizeof at) : ::connect(out.get(), to, sizeof at)) != 0)
      why = std::strerror(errno);
  });
  if (!why.empty()) throw std::runtime_error(host.name() + ": UDP on " + address + ": " + why);
  return out;
}

bool readable(const Fd& fd, int milliseconds) {
  pollfd p{fd.get(), POLLIN, 0};
  return ::poll(&p, 1, milliseconds) > 0;
}

}  // namespace

Probe::Probe(const interop::Host& client, const interop::Host& node, const std::string& address)
    : client_(udp_socket(client, address, false)), server_(udp_socket(node, address, true)) {
  echo_ = std::thread([this] { echo(); });
  for (const auto deadline = Steady::now() + 30s; Steady::now() < deadline;) {
    const Packet p{};
    ::send(client_.get(), &p, sizeof p, 0);
    Packet back;
    if (readable(client_, 100) && ::recv(client_.get(), &back, sizeof back, 0) == sizeof back) return;
  }
  ending_ = true;
  echo_.join();
  throw std::runtime_error(client.name() + ": nothing comes back from " + address);
}

Probe::~Probe() {
  if (sender_.joinable()) stop();
  ending_ = true;
  echo_.join();
}

void Probe::echo() {
  while (!ending_) {
    if (!readable(server_, 100)) continue;
    Packet p;
    sockaddr_in from{};
    socklen_t size = sizeof from;
    const auto n = ::recvfrom(server_.get(), &p, sizeof p, 0, reinterpret_cast<sockaddr*>(&from), &size);
    if (n > 0) ::sendto(server_.get(), &p, static_cast<std::size_t>(n), 0, reinterpret_cast<sockaddr*>(&from), size);
  }
}

void Probe::start() {
  ++run_;
  sent_ = back_ = 0;
  returned_.clear();
  longest_ = {};
  sending_ = true;
  all_sent_ = false;
  receiver_ = std::thread([this] { receive(); });
  sender_ = std::thread([this] { send(); });
}

// A packet that the kernel refuses (no route) was sent all the same: it is lost.
void Probe::send() {
  for (auto next = Steady::now(); sending_; next += kEvery) {
    std::this_thread::sleep_until(next);
    const Packet p{run_, sent_};
    ::send(client_.get(), &p, sizeof p, 0);
    ++sent_;
  }
}

void Probe::receive() {
  auto before = Steady::now();
  for (auto give_up = Steady::time_point::max(); Steady::now() < give_up;) {
    if (all_sent_ && give_up == Steady::time_point::max()) give_up = Steady::now() + kStragglers;
    if (all_sent_ && back_ == sent_) return;
    if (!readable(client_, 20)) continue;
    Packet p;
    if (::recv(client_.get(), &p, sizeof p, 0) != sizeof p || p.run != run_) continue;
    const auto now = Steady::now();
    longest_ = std::max(longest_, now - before);
    before = now;
    if (returned_.size() <= p.number) returned_.resize(p.number + 1000);
    if (returned_[p.number] == 0) ++back_;
    returned_[p.number] = 1;
  }
}

void Probe::send_more(std::uint64_t packets) const {
  for (const auto until = sent_ + packets; sent_ < until;) std::this_thread::sleep_for(kEvery);
}

Probe::Result Probe::stop() {
  sending_ = false;
  sender_.join();
  all_sent_ = true;
  receiver_.join();
  return {sent_, sent_ - back_, std::chrono::duration<double, std::milli>(longest_).count()};
}

}  // namespace weft::bench
