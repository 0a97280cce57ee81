// Adj-RIB-Out of all sessions that get the same bytes. What is sent is encoded once, on demand of whoever drains
// first, and shared; a peer that cannot keep up has no queue: it is remembered what it has, and when it can be written
// to again it is sent how that differs from what is wanted then.
//
//   routes wanted ── update() ──► OutGroup ── next(peer) ──► bytes for that peer's socket
//
// No call blocks, calls back or reads a clock.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "bgp/rib/export.h"
#include "bgp/rib/route_table.h"

namespace weft::bgp {

class ExportMemo;
class OutStream;
struct OutPosition;

/// Whole messages that belong together, immutable and shared by the peers that are sent them.
struct OutChunk {
  std::vector<std::uint8_t> bytes;
  std::uint64_t updates = 0;  // UPDATE messages in it, for counters
};
using OutChunkRef = std::shared_ptr<const OutChunk>;

struct OutLimits {
  std::size_t chunk_routes = 32768;          // routes encoded at a time, at most; some 150 kB of IPv4
  std::size_t ring_bytes = 4 * 1024 * 1024;  // kept for peers behind the fastest; who falls out is compressed
  std::size_t ring_chunks = 64;
};

class OutGroup {
 public:
  using PeerId = std::uint32_t;

  explicit OutGroup(ExportRules rules, OutLimits limits = {});
  ~OutGroup();
  OutGroup(const OutGroup&) = delete;
  OutGroup& operator=(const OutGroup&) = delete;

  const ExportRules& rules() const { return rules_; }
  /// The routes as they shall be; `complete`: all sources have said theirs, so End-of-RIB may be sent (RFC 4724 §4.1).
  /// An empty table withdraws everything.
  void update(const RouteTable& routes, bool complete);

  /// A new session: it has nothing, gets everything, then End-of-RIB.
  PeerId join();
  /// What a session has when it moves to another group without being reset (another set, graceful shutdown, …).
  struct Held {
    RouteTable routes;  // what it was told, up to the last chunk that next() handed out
    bool end_of_rib_sent = false;
    std::optional<PrefixKey> resend_from;  // a refresh that is under way: what it still owes
    bool begin_refresh = false;
    bool end_refresh = false;
  };
  Held leave(PeerId peer);
  /// `resend`: all routes go out again, since the same route looks different in this group.
  PeerId join(Held held, bool resend);
  std::size_t peers() const { return peers_.size(); }

  /// Something may be left to be sent: next() is worth a call.
  bool has_output(PeerId peer) const;
  /// The next bytes for the peer; null when it has everything. Each chunk is to be written whole, in order; asking for
  /// the next one says that the last was written.
  OutChunkRef next(PeerId peer);
  /// Route refresh (RFC 2918): everything again; `enhanced` puts BoRR and EoRR around it (RFC 7313).
  void refresh(PeerId peer, bool enhanced);

  /// Whether End-of-RIB was handed out by next().
  bool end_of_rib_sent(PeerId peer) const;
  /// Prefixes that the peer was told and has not been told to forget.
  std::size_t advertised(PeerId peer) const;
  /// Prefixes that differ between what it was told and what it shall know.
  std::size_t pending(PeerId peer) const;

  enum class State : std::uint8_t {
    absent,   // not in the route set
    refused,  // in the set, but not sent to this peer: `why`
    advertised,
    announcing,   // new or changed, not yet sent
    withdrawing,  // gone, the peer does not know yet
  };
  struct Answer {
    State state = State::absent;
    std::optional<NotAdvertised> why;
    std::optional<SharedAttributes> attributes;  // as wanted, of `withdrawing` as it was
  };
  /// About one prefix, at the cost of a look-up.
  Answer why(PeerId peer, const Prefix& prefix) const;
  /// Everything that the peer has or shall have, in order; `refused` ones too.
  void for_each(PeerId peer, const std::function<void(const Prefix&, const Answer&)>& visit) const;
  /// How attributes look to the peers of this group.
  const std::variant<Exported, NotAdvertised>& exported(const SharedAttributes& attributes) const;

 private:
  struct Peer;
  Peer& peer(PeerId id) const;
  void begin_at(Peer& peer, std::shared_ptr<const OutPosition> start);
  void trim(const std::shared_ptr<OutStream>& stream);
  void settle(Peer& peer);
  void prune_streams();
  Answer answer(const SharedAttributes* had, const SharedAttributes* wanted, bool resent) const;

  ExportRules rules_;
  OutLimits limits_;
  RouteTable wanted_;    // as update() said
  RouteTable outgoing_;  // of them, what can be sent
  bool complete_ = false;
  PeerId next_id_ = 1;
  std::unique_ptr<ExportMemo> memo_;
  std::map<PeerId, std::unique_ptr<Peer>> peers_;
  std::vector<std::shared_ptr<OutStream>> streams_;
};

}  // namespace weft::bgp
