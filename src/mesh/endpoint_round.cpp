#include "mesh/endpoint_round.h"

#include <algorithm>

namespace weft::mesh {

bool is_refusal(const Error& error) { return error.code == Errc::invalid || error.code == Errc::unauthorized; }

bool EndpointRound::failed(const Error& error, const std::string& at) {
  if (asked_ == 0) failure_.reset();
  if (!failure_ || (is_refusal(error) && !is_refusal(*failure_))) failure_ = error;
  if (order_.empty()) return true;
  if (at == order_.front()) {
    std::rotate(order_.begin(), order_.begin() + 1, order_.end());
  } else {
    start_with(at);
  }
  if (++asked_ < order_.size()) return false;
  asked_ = 0;
  return true;
}

void EndpointRound::connected() { asked_ = 0; }

void EndpointRound::start_with(const std::string& endpoint) {
  const auto it = std::find(order_.begin(), order_.end(), endpoint);
  if (it != order_.end()) std::rotate(order_.begin(), it, order_.end());
}

}  // namespace weft::mesh
