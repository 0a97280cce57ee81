#include "bgp/rib/out_stream.h"

#include <algorithm>

#include "bgp/rib/update_packer.h"

namespace weft::bgp {

const ExportMemo::Outcome& ExportMemo::of(const SharedAttributes& attributes) {
  if (last_ && last_->same(attributes)) return *last_outcome_;
  auto found = known_.find(attributes);
  if (found == known_.end()) found = known_.emplace(attributes, export_route(*attributes, rules_)).first;
  last_ = attributes;
  last_outcome_ = &found->second;
  return found->second;
}

void ExportMemo::trim() {
  if (known_.size() < trim_at_) return;
  last_.reset();
  std::erase_if(known_, [](const auto& known) { return known.first.use_count() == 1; });
  trim_at_ = std::max<std::size_t>(1024, known_.size() * 2);
}

bool OutStream::idle(const RouteTable& goal, bool complete) const {
  return !walk_ && !now_->cursor && !now_->resend_from && now_->had.same(goal) && (now_->end_of_rib_sent || !complete);
}

bool OutStream::extend(const RouteTable& goal, bool complete, const ExportRules& rules, const OutLimits& limits,
                       ExportMemo& memo) {
  auto next = std::make_shared<OutPosition>(*now_);
  if (!walk_ || !next->target.same(goal)) {
    // Begin, or turn to the newer goal: from what the receivers have by now, so that nothing older is told any more.
    if (started_ && !next->target.same(goal)) joinable_ = false;
    started_ = true;
    next->resend_from = next->resends_from();
    next->had = next->held();
    next->target = goal;
    next->cursor.reset();
    walk_ = std::make_unique<TableDiff>(next->had, next->target, next->resend_from);
  }

  auto chunk = std::make_shared<OutChunk>();
  UpdatePacker packer(rules, chunk->bytes);
  if (next->begin_refresh) packer.refresh(RouteRefresh::Subtype::begin);
  next->begin_refresh = false;
  RouteTable::Change change;
  bool more = true;
  for (std::size_t n = 0; n < limits.chunk_routes && (more = walk_->next(change)); ++n) {
    next->cursor = change.key;
    if (change.after == nullptr)
      packer.withdraw(change.key);
    else
      packer.announce(change.key, *change.after, memo);
  }
  chunk->updates = packer.flush();
  if (!more) {
    walk_.reset();
    next->had = next->target;
    next->cursor.reset();
    next->resend_from.reset();
    if (next->end_refresh) packer.refresh(RouteRefresh::Subtype::end);
    next->end_refresh = false;
    if (complete && !next->end_of_rib_sent) {
      packer.end_of_rib();
      ++chunk->updates;
      next->end_of_rib_sent = true;
    }
  }
  now_ = std::move(next);
  if (chunk->bytes.empty()) return false;
  chunk->bytes.shrink_to_fit();
  ring_bytes_ += chunk->bytes.size();
  ring_.push_back({std::move(chunk), now_});
  return true;
}

void OutStream::trim(std::uint64_t sequence, const OutLimits& limits) {
  const auto too_much = [&] { return ring_.size() > limits.ring_chunks || ring_bytes_ > limits.ring_bytes; };
  if (too_much()) joinable_ = false;
  while (!ring_.empty() && ((begin_ < sequence && !joinable_) || (too_much() && ring_.size() > 1))) {
    ring_bytes_ -= ring_.front().chunk->bytes.size();
    ring_.pop_front();
    ++begin_;
  }
}

}  // namespace weft::bgp
