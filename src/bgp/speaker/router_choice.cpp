#include "bgp/speaker/router_choice.h"

#include <algorithm>

namespace weft::bgp {

RouterChoice::Others::iterator RouterChoice::find(const Address& router) {
  return std::find_if(others_.begin(), others_.end(), [&](const Router& r) { return r.address == router; });
}

void RouterChoice::make_current(Others::iterator next) {
  const Router chosen = *next;
  others_.erase(next);
  if (current_) others_.push_back(*current_);
  current_ = chosen;
}

void RouterChoice::forget(Steady::time_point now) {
  std::erase_if(others_, [&](const Router& r) { return now - r.heard > kForget; });
  while (others_.size() > kOthers)
    others_.erase(std::min_element(others_.begin(), others_.end(),
                                   [](const Router& a, const Router& b) { return a.heard < b.heard; }));
}

bool RouterChoice::heard(const Address& router, Steady::time_point now) {
  if (current_ && current_->address == router) {
    current_->heard = now;
    return false;
  }
  if (!current_) {
    current_ = Router{router, now};
    return true;
  }
  if (const auto known = find(router); known != others_.end())
    known->heard = now;
  else
    others_.push_back({router, now});
  forget(now);
  if (settled_ || now - current_->heard <= kSilent) return false;
  make_current(find(router));
  return true;
}

bool RouterChoice::settle(const Address& router, Steady::time_point now) {
  settled_ = true;
  met_ = router;
  if (current_ && current_->address == router) {
    current_->heard = now;
    return false;
  }
  if (find(router) == others_.end()) others_.push_back({router, now});
  make_current(find(router));
  current_->heard = now;
  forget(now);
  return true;
}

void RouterChoice::release(Steady::time_point now) {
  settled_ = false;
  if (current_) current_->heard = now;
}

bool RouterChoice::try_next(Steady::time_point now) {
  forget(now);
  if (settled_ || others_.empty()) return false;
  const auto met = met_ && current_->address != *met_ ? find(*met_) : others_.end();
  make_current(met != others_.end() ? met : others_.begin());
  return true;
}

}  // namespace weft::bgp
