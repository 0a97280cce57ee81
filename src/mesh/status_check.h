// StatusCheck: what the regular look at a remote's store means: all is well, something is wrong, or connect anew.
//
// A store that answers is not enough: the program that writes into it must live, or rows would look true for ever. It
// says so by its heartbeat, which it writes every 60 s. Pure: the caller brings the clock and what the store answered.
// Source: cilium-compat section 1.12.
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "kvstore/types.h"

namespace weft::mesh {

/// How old a heartbeat may become.
inline constexpr Duration kHeartbeatWithin = std::chrono::seconds(120);

class StatusCheck {
 public:
  enum class Verdict { fine, failing, reconnect };

  /// `cluster`: the remote's name, for the words.
  StatusCheck(std::string cluster, Duration heartbeat_within)
      : cluster_(std::move(cluster)), heartbeat_within_(heartbeat_within) {}

  /// A new connection stands: failures are counted anew. What is known of the heartbeat stays, so that a remote whose
  /// writer is dead does not become ready by connecting again.
  void connected(Steady::time_point now);
  /// The store answered with its heartbeat, or with none. The third failing check in a row says `reconnect`; when a new
  /// connection has brought the same old heartbeat, only after as long as a heartbeat may take: each connection lists
  /// everything.
  Verdict answered(const std::optional<kvstore::KeyValue>& heartbeat, Steady::time_point now);
  /// The store did not answer. `reconnect` at the third time in a row, and at once when it is another store
  /// (Errc::conflict).
  Verdict failed(const Error& error);

  /// What is wrong, in words; empty when nothing is.
  const std::string& why() const { return why_; }
  /// Whether the store answered the last check.
  bool store_answers() const { return store_answers_; }

 private:
  Verdict count();

  std::string cluster_;
  Duration heartbeat_within_;
  std::optional<kvstore::KeyValue> heartbeat_;
  std::optional<Steady::time_point> renewed_;  // when a heartbeat was first seen, or the first look
  Steady::time_point connected_{};
  int failures_ = 0;  // in a row
  bool store_answers_ = true;
  std::string why_;
};

}  // namespace weft::mesh
