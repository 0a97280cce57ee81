// BFD for the speaker's peers: weft-bfd keeps the sessions, so that they outlive this process.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "async/scope.h"
#include "bfd/client.h"
#include "bgp/speaker/edges.h"

namespace weft::agent {

/// Connects when the first session is wanted: a node without BFD needs no weft-bfd. While the daemon is absent its
/// sessions wait, which takes no peer down.
class BfdSessions final : public bgp::BfdEdge {
 public:
  BfdSessions(asio::io_context& io, std::string socket);
  void want(const std::map<std::string, Session>& sessions) override;
  void on_change(std::function<void(const std::string& name, const Status& status)> told) override;
  /// `for_good`: the sessions end now (AdminDown); otherwise they go on for a while, for the next run to take over.
  Task<> stop(bool for_good);

 private:
  void changed(const bfd::SessionStatus& status);

  bfd::Client client_;
  Scope scope_;
  bool started_ = false;
  std::map<bfd::SessionKey, std::vector<std::string>> names_;
  std::function<void(const std::string&, const Status&)> told_;
};

bfd::SessionConfig to_bfd(const bgp::BfdEdge::Session& session);
bgp::BfdEdge::Status from_bfd(const bfd::SessionStatus& status);

}  // namespace weft::agent
