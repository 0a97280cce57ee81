// A test bench for speakers: a network namespace of the test program's own, speakers on one loop in it, and waiting for
// facts with a deadline.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "async/task.h"
#include "bgp/speaker/speaker.h"

namespace weft::bgp::test {

using namespace std::chrono_literals;

/// Enters a fresh network namespace with loopback up and fd00::1 … fd00::9 on it, once per process. False without root.
bool enter_namespace();

/// Runs a shell command in the namespace of the calling thread; throws with its output when it fails.
std::string shell(const std::string& command);

/// Turns the loop until `fact` holds; fails the test with `seen` when it does not in time.
class Loop {
 public:
  asio::io_context io{1};
  bool until(const std::string& what, const std::function<bool()>& fact, const std::function<std::string()>& seen,
             std::chrono::milliseconds limit = 30s);
  /// Turns the loop for so long, for what must not happen meanwhile.
  void turn(std::chrono::milliseconds how_long);
  /// Runs a task to its end.
  void run(Task<> task);
};

inline constexpr Asn kAsA = 65001, kAsB = 4200000002;

/// A peer at `address`, connected to from `local`; quick timers.
PeerConfig peer(const std::string& name, const std::string& address, const std::string& local, Asn asn);
/// An instance that listens on `address` (port 179).
InstanceConfig instance(Asn asn, const std::string& address);
/// `count` host prefixes from `first` on, with one set of attributes.
RouteSet routes(const std::string& first, std::size_t count, std::uint32_t med = 0);

/// A speaker and what it was told last.
struct Node {
  Node(Loop& loop, Speaker::Edges edges = {}, SpeakerOptions options = {});
  std::unique_ptr<Speaker> speaker;
  Wanted wanted;
  InstanceConfig& config() { return wanted.instances["main"].config; }
  PeerConfig& peer(std::size_t i = 0) { return config().peers.at(i); }
  RouteSet& set(const std::string& name = "own") { return wanted.instances["main"].route_sets[name]; }
  void apply();
  PeerStatus status(const std::string& peer = "b") const;
  bool up(const std::string& peer = "b") const { return status(peer).state == SessionState::established; }
  std::size_t received(const std::string& peer = "b", AfiSafi family = kIpv4Unicast) const;
  std::string seen() const;
};

/// A at 10.99.0.1 and B at 10.99.0.2 (or fd00::1 and fd00::2), each other's peers "b" and "a", announcing set "own".
struct Pair {
  explicit Pair(bool v6 = false);
  Loop loop;
  Node a, b;
  void start() {
    a.apply();
    b.apply();
  }
  bool meet();
  std::function<std::string()> seen() {
    return [this] { return "A: " + a.seen() + "\nB: " + b.seen(); };
  }
};

/// BFD as the test says it is.
class FakeBfd : public BfdEdge {
 public:
  void want(const std::map<std::string, Session>& sessions) override {
    wanted = sessions;
    ++calls;
  }
  void on_change(std::function<void(const std::string&, const Status&)> told) override { told_ = std::move(told); }
  void say(const std::string& name, Status::State state, bool independent = false) {
    told_(name, {state, independent, "control detection time expired"});
  }
  std::map<std::string, Session> wanted;
  int calls = 0;

 private:
  std::function<void(const std::string&, const Status&)> told_;
};

class NetTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!enter_namespace()) GTEST_SKIP() << "needs root (network namespaces)";
  }
};

/// A peer made by hand, on a blocking socket with a deadline of 10 s: what speakers of our own would never send.
class RawPeer {
 public:
  /// Connects from `local` to `remote`:179; throws std::runtime_error when that fails.
  RawPeer(const std::string& local, const std::string& remote);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  /// False when the other end is gone.
  bool send(const std::vector<std::uint8_t>& bytes);
  bool send(const Message& message);
  /// The next message; none at the end of the connection or the deadline.
  std::optional<Message> receive();
  /// OPEN and KEEPALIVE, both ways, while `loop` turns. False when that fails.
  bool open(Loop& loop, Asn asn, std::uint16_t hold_time = 90, Capabilities capabilities = {});
  int fd() const { return fd_; }
  /// What this side decodes and encodes with.
  Context context;

 private:
  int fd_ = -1;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace weft::bgp::test
