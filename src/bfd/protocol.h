// What weft-bfd and its users say to each other over the Unix socket: one JSON object a line, both ways.
//
//   user                                                      weft-bfd
//   {"type":"hello","version":1,"client":"agent","linger_ms":120000}  →
//                                                             ←  {"type":"welcome","version":1,"scheduling":"SCHED_FIFO
//                                                             priority 50",…}
//   {"type":"sessions","sessions":[…]}  the whole wanted set  →
//                                                             ←  {"type":"status","complete":true,"sessions":[…]}
//                                                             ←  {"type":"status","sessions":[…]}   as they change
//   {"type":"refresh"}  →                                     ←  {"type":"status","complete":true,…} with fresh
//   counters
//   {"type":"overview"}  →                                    ←  {"type":"overview",…}  all users' sessions
//   {"type":"bye"}  →                                         ←  closes; the sessions go AdminDown
//
// A connection that ends without bye leaves its sessions running for linger_ms. Another hello on the same connection
// changes that.
#pragma once

#include <boost/json/fwd.hpp>

#include <chrono>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"

namespace weft::bfd {

inline constexpr const char* kDefaultSocket = "/var/run/weft/bfd.sock";
inline constexpr int kProtocolVersion = 1;
/// A longer line ends the connection.
inline constexpr std::size_t kMaxLine = 8u << 20;

struct Hello {
  /// Who asks. A second connection of the same name takes the place of the first.
  std::string client;
  std::chrono::milliseconds linger{0};
};
struct WantSessions {
  std::vector<SessionConfig> sessions;
};
struct Refresh {};
struct AskOverview {};
struct Bye {};
using Request = std::variant<Hello, WantSessions, Refresh, AskOverview, Bye>;

/// What the daemon is and how well it can keep time.
struct DaemonInfo {
  std::string version;
  int pid = 0;
  std::string scheduling;  // "SCHED_FIFO priority 50"
  std::string memory;      // "locked", or why not
  std::string without_v6;  // why IPv6 is not served; empty: it is
  bool control_plane_independent = true;
  bool operator==(const DaemonInfo&) const = default;
};
struct Welcome {
  DaemonInfo daemon;
};
struct Statuses {
  /// These are all sessions of this client: what is not among them is not there.
  bool complete = false;
  std::vector<SessionStatus> sessions;
};
/// Everything, for people.
struct Overview {
  struct Row {
    SessionStatus status;
    std::vector<std::string> clients;
  };
  DaemonInfo daemon;
  std::vector<Row> rows;
  DiscardCounts strays;
  std::uint64_t wakeups = 0, late_1ms = 0, floods = 0;
  std::chrono::microseconds latest{0};
};
/// What was asked cannot be; the connection ends.
struct Refusal {
  std::string message;
};
using Answer = std::variant<Welcome, Statuses, Overview, Refusal>;

/// A line with its newline.
std::string encode(const Request&);
std::string encode(const Answer&);
Result<Request> decode_request(std::string_view line);
Result<Answer> decode_answer(std::string_view line);

/// The objects within, for others that show or store them.
boost::json::object to_json(const SessionConfig&);
boost::json::object to_json(const SessionStatus&);
Result<SessionConfig> session_config_from(const boost::json::value&);
Result<SessionStatus> session_status_from(const boost::json::value&);

}  // namespace weft::bfd
