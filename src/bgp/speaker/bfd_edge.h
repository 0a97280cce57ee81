// BfdClientEdge: the speaker's BFD sessions, run by weft-bfd (src/bfd).
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "bfd/client.h"
#include "bgp/speaker/edges.h"

namespace weft::bgp {

/// What the wanted sessions mean for BFD, by name. Names that ask for one session share it, as quick and as strict as
/// the most demanding of them wants it, like users of the daemon do (bfd/server/registry.h). A session has one key: of
/// two names that differ there the later is refused.
struct BfdConfigs {
  std::map<std::string, bfd::SessionConfig> sessions;
  std::map<std::string, std::string> refused;  // and why, with the mend
};
BfdConfigs bfd_configs(const std::map<std::string, BfdEdge::Session>& sessions);
/// What a row of BFD means for BGP. A daemon that cannot be asked is no failure of the path.
BfdEdge::Status bfd_status(const bfd::SessionStatus& row);

/// Takes on_change() and set_sessions() of the client for itself. The client outlives the edge.
class BfdClientEdge : public BfdEdge {
 public:
  BfdClientEdge(asio::io_context& io, bfd::Client& client);
  ~BfdClientEdge() override;
  BfdClientEdge(const BfdClientEdge&) = delete;
  BfdClientEdge& operator=(const BfdClientEdge&) = delete;

  void want(const std::map<std::string, Session>& sessions) override;
  void on_change(std::function<void(const std::string&, const Status&)> told) override { told_ = std::move(told); }

 private:
  void row(const bfd::SessionStatus& status);

  asio::io_context& io_;
  bfd::Client& client_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  BfdConfigs wanted_;
  std::function<void(const std::string&, const Status&)> told_;
};

}  // namespace weft::bgp
