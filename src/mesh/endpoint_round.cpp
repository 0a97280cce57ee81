#include "mesh/endpoint_round.h"

#include <algorithm>

namespace weft::mesh {
namespace {

constexpr std::size_t kLearnedInARound = 4;

}  // namespace

bool is_refusal(const Error& error) { return error.code == Errc::invalid || error.code == Errc::unauthorized; }

bool EndpointRound::failed(const Error& error, const std::string& at) {
  if (asked_ == 0) failure_.reset();
  if (!failure_ || (is_refusal(error) && !is_refusal(*failure_))) failure_ = error;
  if (order_.empty()) {
    next_round();
    return true;
  }
  if (at == order_.front()) {
    std::rotate(order_.begin(), order_.begin() + 1, order_.end());
  } else {
    start_with(at);
  }
  if (++asked_ < order_.size()) return false;
  asked_ = 0;
  next_round();
  return true;
}

void EndpointRound::next_round() {
  const std::string first = order_.empty() ? std::string() : order_.front();
  order_ = given_;
  const auto add = [&](const std::string& endpoint) {
    if (std::find(order_.begin(), order_.end(), endpoint) == order_.end()) order_.push_back(endpoint);
  };
  if (!found_.empty()) add(found_);
  for (std::size_t i = 0; i < std::min(kLearnedInARound, learned_.size()); ++i)
    add(learned_[next_learned_++ % learned_.size()]);
  start_with(first);
}

void EndpointRound::connected(const std::string& at) {
  asked_ = 0;
  found_ = at;
}

void EndpointRound::start_with(const std::string& endpoint) {
  const auto it = std::find(order_.begin(), order_.end(), endpoint);
  if (it != order_.end()) std::rotate(order_.begin(), it, order_.end());
}

}  // namespace weft::mesh
