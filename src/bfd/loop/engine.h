// All sessions of one system: which packet is whose, whose timer is due, what the users are told. Still no socket and
// no clock of its own; the Transport is the way out.
#pragma once

#include <map>
#include <memory>
#include <random>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/net.h"
#include "base/result.h"
#include "bfd/core/session.h"

namespace weft::bfd {

/// Where packets go out. `id` is the session's discriminator.
class Transport {
 public:
  virtual ~Transport() = default;
  /// Where a session's packets come from, once it can send.
  struct Path {
    SocketAddress source;
    unsigned interface_index = 0;  // of the key's interface; 0: any
  };
  virtual Result<Path> open(std::uint32_t id, const SessionKey& key) = 0;
  virtual void close(std::uint32_t id) = 0;
  /// The session is gone for good, its source port may be another's.
  virtual void release(std::uint32_t id) = 0;
  /// Sends at once or fails. An error with Errc::unavailable may pass by itself, any other needs the path opened again.
  virtual Result<> send(std::uint32_t id, std::span<const std::uint8_t> datagram) = 0;
};

/// A datagram as it came in.
struct Arrival {
  std::span<const std::uint8_t> bytes;
  Address source;
  Address destination;
  unsigned interface_index = 0;
  int ttl = -1;  // or hop limit; -1: not known, which no check lets through
  Hops hops = Hops::single;
};

class Engine {
 public:
  /// Refuses more, so that one user's mistake cannot starve the others.
  static constexpr std::size_t kMaxSessions = 4096;

  Engine(Transport& transport, bool control_plane_independent, std::uint64_t seed);

  /// The whole wanted set; configs are valid and their keys unique. New sessions start one after the other, known ones
  /// change, the rest says AdminDown and goes when the peer knows (§6.8.16).
  void set_sessions(const std::vector<SessionConfig>& wanted, Time now);
  void receive(const Arrival& arrival, Time now);
  void tick(Time now);
  Time next_deadline() const;
  /// True when nothing is wanted and all farewells are said.
  bool empty() const { return sessions_.empty(); }

  /// What changed since the last call, in the order it happened. Every change of state is told, other changes at most
  /// ten times a second for a session.
  std::vector<SessionStatus> take_reports();
  std::vector<SessionStatus> snapshot() const;
  /// Packets that belong to no session, by reason.
  const DiscardCounts& strays() const { return strays_; }

 private:
  struct Entry {
    explicit Entry(Session s) : session(std::move(s)) {}
    Session session;
    Transport::Path path;
    Wall::time_point since = Wall::now();
    bool open = false;
    bool leaving = false;
    Time leave_by{};
    Time open_at{};
    std::string trouble;
    std::uint64_t sent = 0, send_errors = 0;
    Time timer = Time::max();
    Session::Visible told{};
    std::string told_trouble;
    Time report_at = Time::max();
    Time reported{};
  };

  Entry& add(const SessionConfig& config, Time start);
  Entry* find(const Arrival& arrival) const;
  void apply(Entry& e, const Actions& actions, Time now);
  void send(Entry& e, const std::vector<std::uint8_t>& datagram, Time now);
  void settle(Entry& e, Time now);
  void report(Entry& e, Time now);
  void set_timer(Entry& e, Time when);
  SessionStatus status_of(const Entry& e) const;
  std::uint32_t new_discriminator();

  Transport& transport_;
  bool control_plane_independent_;
  std::mt19937_64 random_;
  std::map<SessionKey, std::unique_ptr<Entry>> sessions_;
  std::unordered_map<std::uint32_t, Entry*> by_discriminator_;
  std::multimap<std::pair<Hops, Address>, Entry*> by_peer_;
  std::set<std::pair<Time, std::uint32_t>> timers_;
  std::vector<SessionStatus> reports_;
  DiscardCounts strays_;
};

}  // namespace weft::bfd
