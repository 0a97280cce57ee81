// The way of pods' packets through the node's own packet filter. Docker and ufw let nothing be forwarded that no rule
// accepts (policy DROP of iptables' chain FORWARD), and firewalld rejects it. In nftables an accept ends only the chain
// it stands in, and a drop in any other base chain is final: so a rule helps in the very chain that drops, and nowhere
// else.
//
//   FORWARD of iptables, ip6tables (nf_tables)   our two rules stand first in it, whatever its policy; they come back
//                                                when somebody reloads the chain
//   another base chain, iptables-legacy          not ours to write: when it drops, a problem names it and the mend
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "async/backoff.h"
#include "async/signal.h"
#include "async/task.h"
#include "base/clock.h"
#include "netlink/kernel.h"

namespace weft::routing {

/// Comments of our rules. A rule whose comment begins with "weft", by whoever, tells that its chain lets pods through.
inline constexpr const char* kToPods = "weft: to pods";
inline constexpr const char* kFromPods = "weft: from pods";

struct ForwardPlan {
  std::vector<std::string> commands;  // of nftables; empty: all is as it should be
  std::vector<std::string> problems;  // one sentence each: which chain, the mend
  bool operator==(const ForwardPlan&) const = default;
};

/// `firewalld` is what `nft list table inet firewalld` prints: whether one of its zones has this node's pods as sources
/// is how it is seen that somebody took care of them. `pods`: this node's pod CIDRs.
ForwardPlan forward_plan(const std::vector<netlink::ForwardChain>& chains, const std::string& firewalld,
                         const std::vector<Prefix>& pods);

/// Takes our rules out again, and no other; their number.
Result<std::size_t> remove_forward_rules(netlink::Kernel&);

/// Keeps the rules there.
class ForwardGuard {
 public:
  explicit ForwardGuard(netlink::Kernel& kernel) : kernel_(kernel) {}

  void set_pods(std::vector<Prefix> pods) { pods_ = std::move(pods); }
  /// Looks, and mends what it can. Cheap while nothing has changed.
  void check();
  /// Checks every second, until cancelled; wakes `changed` when problems() changes.
  Task<> run(Notifier& changed);
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  Result<std::vector<std::string>> look();

  netlink::Kernel& kernel_;
  std::vector<Prefix> pods_, seen_pods_;
  std::optional<std::uint32_t> generation_;  // of the rules that were looked at last
  Steady::time_point look_again_{};
  bool failed_ = false;
  std::vector<std::string> problems_;
};

}  // namespace weft::routing
