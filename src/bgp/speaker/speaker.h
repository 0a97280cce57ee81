// Speaker: speaks BGP with everybody that it is told to. Given the whole wanted state each time (wanted.h), it works
// out what differs and does that; what it knows it shows as values (status.h).
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "async/scope.h"
#include "async/signal.h"
#include "async/task.h"
#include "bgp/speaker/diff.h"
#include "bgp/speaker/edges.h"
#include "bgp/speaker/listener.h"
#include "bgp/speaker/peer.h"
#include "bgp/speaker/shared.h"
#include "bgp/speaker/status.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp {

/// Lives on the io_context's thread. Usage:
///   Speaker speaker(io, {.bfd = &bfd}, {.restarting = found_state_of_an_earlier_run});
///   speaker.apply(wanted);          // again whenever it changes
///   co_await speaker.stop("node is being drained", true);
class Speaker {
 public:
  /// Null: that part is off. Both outlive the speaker.
  struct Edges {
    BfdEdge* bfd = nullptr;
    KernelEdge* kernel = nullptr;
  };
  Speaker(asio::io_context& io, Edges edges, SpeakerOptions options = {});
  /// Drops all connections without a word; stop() is the polite way.
  ~Speaker();
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;

  /// Everything that shall be, at once. What cannot work is returned: such a peer keeps its last good configuration, or
  /// is left out when it has none; the others are not touched by it. Saying it, and that once, is the caller's part.
  std::vector<PeerFault> apply(Wanted wanted);

  /// Of all peers, by instance and name.
  std::vector<PeerStatus> peers() const;
  std::optional<PeerStatus> peer(const std::string& instance, const std::string& name) const;
  /// What we want to be known, of every route set; `note` names the set.
  RouteViews routes_available(const RouteQuery& filter = {}) const;
  RouteViews routes_advertised(const RouteQuery& filter = {}) const;
  RouteViews routes_received(const RouteQuery& filter = {}) const;
  /// Whether each peer has the prefix from us, and why (not).
  std::vector<PrefixAnswer> why(const Prefix& prefix) const;
  std::vector<ListenerStatus> listeners() const;
  /// Routes that shall be in the kernel and are not, and why.
  const std::map<Prefix, std::string>& missing_in_kernel() const { return missing_in_kernel_; }
  /// Connections of nobody we know, closed at once.
  std::uint64_t strangers() const { return strangers_; }

  /// Links, addresses or routes of the node changed, by whoever: soon the routes of ours are looked at and restored,
  /// and next hops that the kernel refused are tried again. Both happen every minute without being told, too.
  void kernel_changed();

  /// Notified when sessions go up or down and when a status may show something else. Counts of routes change without.
  Notifier& changes() { return shared_->changes; }

  /// For an operator. An empty instance is whichever has a peer of that name.
  /// Ends the session (Cease/2 with `text`, RFC 9003) and keeps it down until reset().
  Result<> shut(const std::string& instance, const std::string& peer, const std::string& text);
  /// Ends the session (Cease/4 with `text`) and begins anew.
  Result<> reset(const std::string& instance, const std::string& peer, const std::string& text);
  /// Asks the peer to send its routes again (RFC 2918).
  Result<> refresh(const std::string& instance, const std::string& peer);

  /// Ends all sessions and returns when the last words are said, after a few seconds at most. `graceful`: peers that
  /// agreed on graceful restart are left without a word, so that they keep our routes; the others, or without
  /// `graceful` all, get Cease/Administrative Shutdown with `text` (RFC 9003). Nothing works afterwards.
  Task<> stop(std::string text, bool graceful);

 private:
  struct Running {
    std::unique_ptr<Instance> instance;
    std::map<std::string, std::shared_ptr<Peer>> peers;
  };

  /// Returns the peers that have their last good configuration again.
  PeerNames drop_faulty(Wanted& wanted, const std::vector<PeerFault>& faults, bool keep_last) const;
  void apply_instance(const Wanted::Instance& wanted);
  void remove_instance(Running& running, const Notification& cease, const std::string& words);
  void add_peer(Running& running, const PeerConfig& config);
  void apply_listeners();
  void apply_passwords();
  void accepted(const SocketAddress& listener, Fd socket);
  void later(bool& due, void (Speaker::*what)());
  void watch_addresses();
  void addresses_moved();
  void apply_bfd();
  void bfd_changed(const std::string& name, const BfdEdge::Status& status);

  // speaker_kernel.cpp: routes in the kernel
  static constexpr std::chrono::milliseconds kKernelLook{60'000};
  void apply_kernel();
  bool may_prune() const;
  /// Blackholes that come or go are told next time.
  void note_blackholes(const Wanted& next);
  std::vector<KernelRoute> kernel_routes();
  std::map<Prefix, std::vector<KernelRoute>> kernel_routes(const std::set<Prefix>& prefixes);
  bool has_kernel_routes();
  void note_refused();
  void note_missing();
  void retry_kernel();
  void look_at_kernel(std::chrono::milliseconds after);

  /// An error that names the peer when there is none.
  Result<Peer*> find(const std::string& instance, const std::string& peer) const;
  PeerStatus status_of(const Peer& peer) const;
  /// Best, or what is preferred and why.
  static void show_place(const Running& running, const Peer& peer, RouteView& v);
  void each_peer(const RouteQuery& filter, const std::function<void(const Peer&)>& visit) const;

  std::shared_ptr<Shared> shared_;
  Edges edges_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  Wanted wanted_;
  std::map<std::string, Running> running_;
  std::map<SocketAddress, std::unique_ptr<Listener>> listeners_;
  std::map<std::string, std::string> shadowed_;  // peers whose address has another's password, and the address
  std::uint64_t strangers_ = 0;
  LineLimit stranger_lines_;
  std::optional<std::map<std::string, BfdEdge::Session>> bfd_wanted_;  // as BFD was told
  std::map<std::string, BfdEdge::Status> bfd_said_;                    // the last of each
  asio::steady_timer deferral_;
  asio::steady_timer bfd_patience_;
  asio::steady_timer kernel_retry_;
  asio::steady_timer address_pause_;
  asio::steady_timer kernel_look_;
  Steady::time_point last_look_ = Steady::now();
  Steady::duration look_took_{};
  std::optional<bool> kernel_told_;  // everything, and whether to prune what an earlier run left
  bool kernel_retry_all_ = false;    // the next retry tells everything again
  std::set<Prefix> kernel_changed_;  // about which it is to be told
  std::map<Prefix, std::string> missing_in_kernel_;
  LineLimit refused_lines_;
  bool deferral_over_ = false;
  bool bfd_patience_over_ = false;
  bool bfd_due_ = false, kernel_due_ = false, passwords_due_ = false;
  bool addresses_due_ = false;
  bool stopped_ = false;
  Scope scope_;
};

}  // namespace weft::bgp
