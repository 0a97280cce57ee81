// EndpointRound: in which order the addresses of one mesh store are asked. A store that moved to another node answers
// at the next address, so all are asked at once, one after the other, and only then is it time to wait. Addresses that
// were learned later are asked a few in each round, so that many of them do not keep the others from their turn.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"

namespace weft::mesh {

/// It answered, and will not have us: no matter of the connection.
bool is_refusal(const Error& error);

class EndpointRound {
 public:
  explicit EndpointRound(std::vector<std::string> endpoints) : given_(std::move(endpoints)), order_(given_) {}

  /// The one to ask next comes first.
  const std::vector<std::string>& order() const { return order_; }
  /// The first did not work out. `at`: where the client stands by now; it may have moved on by itself. True when every
  /// endpoint has been asked since the last answer or the last full round: wait before the next.
  bool failed(const Error& error, const std::string& at);
  /// The store is found, there; a new round begins with its loss.
  void connected(const std::string& at);
  /// Further addresses, from the next round on; they replace those of the last call.
  void learned(std::vector<std::string> others) { learned_ = std::move(others); }
  /// Begin there the next time.
  void start_with(const std::string& endpoint);
  /// Of this round's failures the one to show: a refusal if there was one, else the first. Only after failed().
  const Error& failure() const { return *failure_; }

 private:
  void next_round();

  std::vector<std::string> given_, learned_;
  std::size_t next_learned_ = 0;
  std::string found_;  // where the store was last
  std::vector<std::string> order_;
  std::size_t asked_ = 0;
  std::optional<Error> failure_;
};

}  // namespace weft::mesh
