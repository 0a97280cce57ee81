// Inside of OutGroup: one sequence of chunks for peers that stand at the same place or a little behind it.
#pragma once

#include <algorithm>
#include <deque>
#include <memory>
#include <optional>
#include <unordered_map>
#include <variant>

#include "bgp/rib/export.h"
#include "bgp/rib/out_group.h"
#include "bgp/rib/route_table.h"

namespace weft::bgp {

/// Export of each set of attributes, done once.
class ExportMemo {
 public:
  using Outcome = std::variant<Exported, NotAdvertised>;
  explicit ExportMemo(const ExportRules& rules) : rules_(rules) {}
  /// The reference holds until trim().
  const Outcome& of(const SharedAttributes& attributes);
  void trim();

 private:
  const ExportRules& rules_;
  std::unordered_map<SharedAttributes, Outcome, SharedAttributesHash> known_;
  std::size_t trim_at_ = 1024;
  std::optional<SharedAttributes> last_;  // kept, so that no other object comes to its address
  const Outcome* last_outcome_ = nullptr;
};

/// What a receiver has: of `target` what is not behind `cursor`, of `had` the rest.
struct OutPosition {
  RouteTable had;
  RouteTable target;
  std::optional<PrefixKey> cursor;       // none: all of `had`
  std::optional<PrefixKey> resend_from;  // from here on it is to be told everything again
  bool begin_refresh = false;            // BoRR is due
  bool end_refresh = false;              // EoRR is due when all is resent
  bool end_of_rib_sent = false;

  RouteTable held() const { return cursor ? RouteTable::splice(target, had, *cursor) : had; }
  const SharedAttributes* get(const PrefixKey& key) const {
    return cursor && key <= *cursor ? target.get(key) : had.get(key);
  }
  /// Where the resending stands, with the cursor looked at.
  std::optional<PrefixKey> resends_from() const {
    if (!resend_from || !cursor) return resend_from;
    return std::max(*resend_from, cursor->successor());
  }
  /// True for equal states that come from the same tables.
  bool same(const OutPosition& o) const {
    return had.same(o.had) && target.same(o.target) && cursor == o.cursor && resend_from == o.resend_from &&
           begin_refresh == o.begin_refresh && end_refresh == o.end_refresh && end_of_rib_sent == o.end_of_rib_sent;
  }
};
using OutPositionRef = std::shared_ptr<const OutPosition>;

class OutStream {
 public:
  struct Link {
    OutChunkRef chunk;
    OutPositionRef after;  // where who got the chunk stands
  };

  OutStream(OutPositionRef start, bool joinable) : start_(start), now_(std::move(start)), joinable_(joinable) {}

  /// Nothing is to be made for this goal.
  bool idle(const RouteTable& goal, bool complete) const;
  /// Makes the next link towards the goal; false when nothing had to be said, and then the stream is idle.
  bool extend(const RouteTable& goal, bool complete, const ExportRules& rules, const OutLimits& limits,
              ExportMemo& memo);

  std::uint64_t begin() const { return begin_; }
  std::uint64_t end() const { return begin_ + ring_.size(); }
  const Link& at(std::uint64_t sequence) const { return ring_[sequence - begin_]; }
  const OutPositionRef& start() const { return start_; }
  const OutPositionRef& now() const { return now_; }
  /// All from the start is still here, and it leads straight to where the stream goes: a peer may begin at the start.
  bool joinable(const RouteTable& goal, bool complete) const {
    if (!joinable_ || (started_ && !now_->target.same(goal))) return false;
    return complete || now_->end_of_rib_sent == start_->end_of_rib_sent;  // no End-of-RIB of a time that is over
  }
  void stop_joining() { joinable_ = false; }
  /// Drops links before `sequence`, which nobody needs, and as many more as the limits ask.
  void trim(std::uint64_t sequence, const OutLimits& limits);

  std::size_t peers = 0;

 private:
  OutPositionRef start_;
  OutPositionRef now_;
  bool joinable_;
  bool started_ = false;
  std::unique_ptr<TableDiff> walk_;
  std::deque<Link> ring_;
  std::uint64_t begin_ = 0;  // sequence number of the first link
  std::size_t ring_bytes_ = 0;
};

}  // namespace weft::bgp
