#include "bgp/rib/update_packer.h"

#include "base/log.h"
#include "bgp/rib/out_stream.h"

namespace weft::bgp {

UpdatePacker::UpdatePacker(const ExportRules& rules, std::vector<std::uint8_t>& out)
    : family_(rules.family), context_(session_context(rules)), out_(out) {}

UpdatePacker::Batch& UpdatePacker::batch(const SharedAttributes& attributes, ExportMemo& memo) {
  if (attributes.id() == last_) return batches_[last_batch_];
  last_ = attributes.id();
  const auto known = batch_of_.find(last_);
  if (known != batch_of_.end()) return batches_[last_batch_ = known->second];
  const auto* exported = std::get_if<Exported>(&memo.of(attributes));
  WEFT_CHECK(exported != nullptr);  // what cannot be sent is not in the table
  // Equal attributes may be kept twice; what goes out is one object then.
  last_batch_ = batch_of_.try_emplace(exported, batches_.size()).first->second;
  if (last_batch_ == batches_.size()) batches_.push_back({exported, {}});
  batch_of_.emplace(last_, last_batch_);
  return batches_[last_batch_];
}

void UpdatePacker::announce(const PrefixKey& key, const SharedAttributes& attributes, ExportMemo& memo) {
  batch(attributes, memo).prefixes.push_back(key.prefix(family_));
}

std::uint64_t UpdatePacker::flush() {
  std::uint64_t messages = append_withdrawals(out_, withdrawn_, context_);
  for (const Batch& b : batches_)
    messages += append_announcements(out_, b.prefixes, b.exported->next_hop, b.exported->encoded, context_);
  withdrawn_.clear();
  batches_.clear();
  batch_of_.clear();
  last_ = nullptr;
  return messages;
}

void UpdatePacker::refresh(RouteRefresh::Subtype subtype) {
  const auto bytes = encode(RouteRefresh{unicast(family_), subtype}, context_);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

void UpdatePacker::end_of_rib() {
  Update update;
  update.end_of_rib = unicast(family_);
  const auto bytes = encode(update, context_);
  out_.insert(out_.end(), bytes.begin(), bytes.end());
}

}  // namespace weft::bgp
