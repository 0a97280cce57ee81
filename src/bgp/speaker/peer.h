// Peer: one configured peer. Runs its state machine (bgp/fsm): connections, timers, BFD and the operator become events,
// actions become packets and calls of the ribs.
#pragma once

#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/log.h"
#include "bgp/fsm/session.h"
#include "bgp/speaker/connection.h"
#include "bgp/speaker/deadline_timer.h"
#include "bgp/speaker/diff.h"
#include "bgp/speaker/edges.h"
#include "bgp/speaker/instance.h"
#include "bgp/speaker/local_addresses.h"
#include "bgp/speaker/router_discovery.h"
#include "bgp/speaker/session_config.h"
#include "bgp/speaker/shared.h"
#include "bgp/speaker/status.h"
#include "bgp/speaker/wanted.h"

namespace weft::bgp {

/// Owned by the speaker; handlers of asynchronous operations hold it weakly.
class Peer : public std::enable_shared_from_this<Peer> {
 public:
  /// What the peer tells whoever owns it, possibly from within a call of a Peer's function: to be noted, and done
  /// later.
  struct Told {
    std::function<void()> bfd_wanted;  // the wanted BFD session may be another one
    std::function<void()> imports;     // imported routes may be others
    std::function<void()> password;    // an unnumbered peer has another address, which its password goes with
  };

  Peer(Shared& shared, Instance& instance, PeerConfig config, Told told);
  ~Peer();
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  const std::string& name() const { return config_.name; }
  const PeerConfig& config() const { return config_; }
  Instance& instance() { return instance_; }
  const Instance& instance() const { return instance_; }

  void start();
  /// `difference` is from the present configuration to `config`, and no PeerChange::replace; the instance already has
  /// its new one.
  void change(PeerConfig config, const PeerDifference& difference);
  /// For good. With `cease` the peer is told; without, it may keep our routes (RFC 4724). Routes of the peer are
  /// dropped.
  void stop(std::optional<Notification> cease, std::string words);
  /// By an operator: Cease/2 with `text`, and down until reset().
  void shut(const std::string& text);
  /// The text of the shut() that holds.
  const std::optional<std::string>& shut_by_operator() const { return shut_; }
  /// It takes the place of a peer of its name, which ended so: the last reason is its own until it has one.
  void follow(const PeerStatus& ended);
  /// By an operator: Cease/4 with `text`, then anew.
  void reset(const std::string& text);
  /// Asks the peer for its routes again. False when there is no session or the peer does not understand.
  bool refresh();
  /// Routes or completeness of the instance changed: there may be something to send.
  void wake();
  /// Addresses of this node may be others: next hops are made of them.
  void look_at_addresses(const LocalAddresses& all);

  /// A connection of the peer's; `local` is our end.
  void accept(Fd socket);
  /// The address the peer has or, unnumbered, was learned.
  std::optional<Address> address() const;
  unsigned ifindex() const;
  /// Whether a connection from `remote` is this peer's.
  bool is_from(const Endpoint& remote) const;

  std::optional<BfdEdge::Session> wanted_bfd() const;
  void bfd(const BfdEdge::Status& status);
  /// There is no BFD session for this peer any more.
  void no_bfd();
  bool knows_bfd() const { return bfd_known_; }
  /// The running session has agreed that the peer keeps our routes while we restart.
  bool restarts_gracefully() const;

  SessionState state() const { return session_.state(); }
  /// All that the peer will say after its restart, or ours, has been said, or never will be.
  bool converged() const;

  PeerStatus status() const;
  /// Appends routes that the peer has from us or shall have, until `out` has the query's limit; the rest is counted.
  void advertised(const RouteQuery& query, RouteViews& out) const;
  void received(const RouteQuery& query, RouteViews& out) const;
  /// About one prefix, in a sentence.
  struct Answer {
    bool advertised = false;
    std::string why;
  };
  Answer why(const Prefix& prefix) const;

 private:
  using ConnectionId = fsm::ConnectionId;
  struct Link {
    std::shared_ptr<Connection> connection;
    Context receive;
  };
  /// What a family of the running session is sent.
  struct Outlet {
    AfiSafi family;
    std::string set;
    std::shared_ptr<OutGroup> group;
    OutGroup::PeerId id = 0;
  };
  struct Attempt;

  // peer.cpp: the loop of events and actions
  void on(fsm::Event event);
  void perform(fsm::Action& action);
  void act(fsm::action::Connect&);
  void act(fsm::action::AbandonConnect&);
  void act(fsm::action::Send&);
  void act(fsm::action::Close&);
  void act(fsm::action::SetTimer&);
  void act(fsm::action::ClearTimer&);
  void act(fsm::action::Established&);
  void act(fsm::action::Down&);
  void act(fsm::action::AttemptFailed&);
  void act(fsm::action::Deliver&);
  void act(fsm::action::EndOfRib&);
  void act(fsm::action::FlushStale&);
  void act(fsm::action::Refresh&);
  void act(fsm::action::Ignored&);
  void timer_fired(fsm::Timer timer);
  void watch_interface();
  void forget_routes();

  // peer_io.cpp: connections
  void connect();
  /// Our end as the configuration wants it; none: as routes have it.
  std::optional<Address> wanted_local(const Address& remote) const;
  void watch_attempt();
  void attempt_done(const std::shared_ptr<Attempt>& attempt);
  void adopt(Fd socket, bool outgoing);
  void take_waiting();
  std::size_t take(ConnectionId id, std::span<const std::uint8_t> bytes);
  Chunk next_chunk();
  void look_before_hold(ConnectionId id);
  void let_go(const std::shared_ptr<Connection>& connection);

  // peer_out.cpp: what the session is sent
  void join_groups();
  void leave_groups();
  void regroup();
  ExportRules rules(Family family) const;
  std::string set_of(AfiSafi family) const;
  OwnAddresses own_addresses(const LocalAddresses& all) const;
  void set_facts();

  void note(log::Level level, std::string_view what, std::string_view words);
  /// Key of the peer in the instance's rib.
  const std::string& key() const { return config_.name; }

  Shared& shared_;
  Instance& instance_;
  PeerConfig config_;
  Told told_;
  fsm::Session session_;
  std::deque<fsm::Event> events_;
  bool running_ = false;
  bool stopped_ = false;
  std::optional<std::string> shut_;  // by an operator, and the text

  ConnectionId next_connection_ = 1;
  std::map<ConnectionId, Link> links_;
  std::deque<std::weak_ptr<Connection>> closing_;  // their last words are on the way; oldest first
  std::shared_ptr<Attempt> attempt_;
  Fd waiting_;  // the peer has connected, and BFD says that the path is dead
  std::map<fsm::Timer, std::unique_ptr<DeadlineTimer>> timers_;
  std::unique_ptr<RouterDiscovery> discovery_;
  std::optional<Address> last_local_;
  OwnAddresses own_;
  RouteSource source_;
  std::vector<Outlet> outlets_;
  std::size_t turn_ = 0;  // whose outlet is asked next

  BfdEdge::Status bfd_;
  bool bfd_known_ = false;
  std::optional<Wall::time_point> established_at_;
  std::map<AfiSafi, bool> end_of_rib_received_;
  struct Counters {
    std::uint64_t messages_in = 0, messages_out = 0, updates_in = 0, updates_out = 0, flaps = 0, faults = 0;
  } counters_;
  std::string last_fault_;
  Wall::time_point reason_at_{};
  std::optional<DownReason> before_;  // of the peer whose place it took
  LineLimit lines_;
};

}  // namespace weft::bgp
