// BFD on a thread of its own: sessions in, changes out. Nothing else runs on that thread, so that nothing else can be
// the reason for a missed deadline; the thread neither logs nor waits for anybody.
#pragma once

#include <future>
#include <memory>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "base/result.h"
#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"
#include "bfd/loop/mailbox.h"
#include "bfd/loop/realtime.h"

namespace weft::bfd {

struct LoopOptions {
  /// The C bit. True only where the process outlives a restart of the control plane that uses it.
  bool control_plane_independent = false;
  /// Ask for real-time scheduling.
  bool realtime = true;
  /// A network namespace to work in; -1: the caller's.
  int netns = -1;
  /// How long stop() waits for peers to notice that we leave.
  Duration farewell = std::chrono::milliseconds(3500);
};

/// How well the thread keeps time, and what it did that belongs to no session.
struct LoopHealth {
  std::uint64_t wakeups = 0;   // for a timer
  std::uint64_t late_1ms = 0;  // of these, more than 1 ms after the time
  Duration latest{0};          // the worst of them
  DiscardCounts strays;        // packets that no session was found for
  std::uint64_t floods = 0;    // times that more packets waited than one pass takes
};

/// The thread. Functions may be called from any other thread; stop() and the destructor not while another call runs.
class Loop {
 public:
  /// Errors: a BFD port is taken (another daemon), or no sockets at all.
  static Result<std::unique_ptr<Loop>> start(LoopOptions options);
  /// stop()s.
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  /// The whole wanted set: valid configs with unique keys. What is not in it any more says AdminDown and goes.
  void set_sessions(std::vector<SessionConfig> sessions);
  /// Readable when take() has something.
  int event_fd() const { return events_.fd(); }
  /// Sessions that changed since the last call, in order. A session that is new is told of once it has started.
  std::vector<SessionStatus> take() { return events_.take(); }
  /// Every session with its counters as of now; every change before it is in take() by then. Waits for the thread,
  /// which takes well under a millisecond.
  std::vector<SessionStatus> snapshot();
  LoopHealth health();
  const Scheduling& scheduling() const { return scheduling_; }
  /// Why IPv6 is not served, if it is not.
  const std::string& without_v6() const { return without_v6_; }
  /// Says AdminDown to every peer, waits until they know or `farewell` is over, and ends the thread.
  void stop();

 private:
  struct SetSessions {
    std::vector<SessionConfig> sessions;
  };
  struct Snapshot {
    std::promise<std::vector<SessionStatus>> answer;
  };
  struct AskHealth {
    std::promise<LoopHealth> answer;
  };
  struct Stop {};
  using Command = std::variant<SetSessions, Snapshot, AskHealth, Stop>;

  explicit Loop(LoopOptions options) : options_(options) {}
  void run(std::promise<Result<>> started);

  LoopOptions options_;
  Scheduling scheduling_;
  std::string without_v6_;
  Mailbox<Command> commands_;
  Mailbox<SessionStatus> events_;
  std::thread thread_;
};

}  // namespace weft::bfd
