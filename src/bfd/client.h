// The way to weft-bfd: a process says which sessions it wants and is told what becomes of them.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/signal.h"
#include "async/task.h"
#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"
#include "bfd/protocol.h"

namespace weft::bfd {

class LineStream;

struct ClientOptions {
  std::string socket = kDefaultSocket;
  /// Unique among the users on this node.
  std::string name = "agent";
  /// How long the daemon keeps our sessions when we vanish without bye(): longer than we need to start again.
  std::chrono::milliseconds linger = std::chrono::seconds(120);
  /// How often counters are brought up to date; 0: with changes of state only.
  std::chrono::milliseconds refresh = std::chrono::seconds(10);
};

/// Usage:
///   bfd::Client bfd(io, {.name = "agent"});
///   bfd.on_change([&](const bfd::SessionStatus& now, const bfd::SessionStatus& before) {
///     if (bfd::path_failed(now) && !bfd::path_failed(before)) …;
///   });
///   scope.spawn("bfd", bfd.run());
///   bfd.set_sessions({…});        // the whole wanted set, as often as it changes
/// Everything happens on the io_context's thread.
class Client {
 public:
  Client(asio::io_context& io, ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  /// The whole wanted set. Invalid sessions are answered with DownReason::refused. After a restart the sessions of the
  /// life before go on until the first call, so make it when the set is complete: a partial set ends the others.
  void set_sessions(std::vector<SessionConfig> sessions);
  /// Another `linger` from now on: before set_sessions(), where both change.
  void set_linger(std::chrono::milliseconds linger);

  /// One row a wanted session, by the key it was wanted with. While the daemon is absent the rows stay, with
  /// `known` false and the reason in `why`: that is no reason to take anything down.
  const std::map<SessionKey, SessionStatus>& sessions() const { return rows_; }
  /// Null: not wanted.
  const SessionStatus* find(const SessionKey& key) const;
  /// Called with every new row and what it replaces, in the order of events: no change of state is left out. Counters
  /// change a row as well, so look at the difference.
  using Callback = std::function<void(const SessionStatus& now, const SessionStatus& before)>;
  void on_change(Callback callback) { on_change_ = std::move(callback); }
  /// Notified after on_change, and when presence() changes.
  Notifier& changed() { return changed_; }

  struct Presence {
    bool connected = false;
    /// Why not, with what to look at.
    std::string why = "not started";
    Wall::time_point since;
    /// What the daemon is; the last known while it is absent.
    std::optional<DaemonInfo> daemon;
  };
  const Presence& presence() const { return presence_; }

  /// Connects, and connects again, until cancelled or bye().
  Task<> run();
  /// A clean end: our sessions go AdminDown and are gone. Returns when the daemon has heard it, after a second at the
  /// latest. Without it they go on for `linger`.
  Task<> bye();

 private:
  Task<> session(std::shared_ptr<LineStream> stream);
  void greet(LineStream& stream) const;
  void absent(std::string why);
  void put(SessionStatus status);
  void take(Statuses statuses);

  asio::io_context& io_;
  ClientOptions options_;
  std::vector<SessionConfig> wanted_;
  std::map<SessionKey, SessionStatus> rows_;
  Presence presence_;
  Notifier changed_;
  Callback on_change_;
  std::shared_ptr<LineStream> stream_;
  bool wants_ = false;  // set_sessions() was called
  bool leaving_ = false;
  bool running_ = false;
};

}  // namespace weft::bfd
