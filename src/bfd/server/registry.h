// Who wants which sessions, and what that makes for one set that the loop can run. Values in, values out.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "bfd/core/session_config.h"
#include "bfd/core/session_status.h"

namespace weft::bfd {

/// Users that name the same peer share a session: keys that differ only in what one of them leaves open are the same.
/// A shared session is as quick as its most demanding user asks, and administratively down only if all of them say so.
class Registry {
 public:
  explicit Registry(std::size_t max_sessions) : max_sessions_(max_sessions) {}

  /// The whole wanted set of one client.
  void want(const std::string& client, std::vector<SessionConfig> sessions);
  void forget(const std::string& client);

  /// What shall run: valid, unique keys. A session that runs keeps its key whoever joins or leaves.
  const std::vector<SessionConfig>& merged() const { return merged_; }
  /// The source address that a session of the merged set turned out to have, for keys that leave it open. True: it
  /// parts users who shared the session while nobody knew, so that what shall run is another set.
  bool learn_source(const SessionKey& merged, const Address& source);

  struct Interest {
    std::string client;
    SessionKey key;  // as that client named it
  };
  /// Who has to be told of a session of the merged set.
  const std::vector<Interest>& interested_in(const SessionKey& merged) const;
  /// A client's own keys with the merged key that each of them became.
  std::vector<std::pair<SessionKey, SessionKey>> sessions_of(const std::string& client) const;
  /// A client's sessions that cannot be, with the reason as their status.
  std::vector<SessionStatus> refused(const std::string& client) const;

 private:
  struct Wish {
    SessionConfig config;
    SessionKey merged;
    std::string refusal;  // empty: it is part of `merged`
    Wall::time_point since = Wall::now();
  };
  void merge();
  bool same_session(const SessionKey& running, const SessionKey& wanted) const;

  std::size_t max_sessions_;
  std::map<std::string, std::vector<Wish>> wishes_;
  std::vector<SessionConfig> merged_;
  std::map<SessionKey, std::vector<Interest>> interests_;  // by merged key
  std::map<SessionKey, Address> sources_;
};

}  // namespace weft::bfd
