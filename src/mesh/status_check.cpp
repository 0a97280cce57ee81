#include "mesh/status_check.h"

#include <fmt/format.h>

namespace weft::mesh {
namespace {

constexpr int kTolerated = 2;  // failures in a row; the next rebuilds the connection

}  // namespace

void StatusCheck::connected(Steady::time_point now) {
  connected_ = now;
  failures_ = 0;
  store_answers_ = true;
}

StatusCheck::Verdict StatusCheck::count() { return ++failures_ > kTolerated ? Verdict::reconnect : Verdict::failing; }

StatusCheck::Verdict StatusCheck::answered(const std::optional<kvstore::KeyValue>& heartbeat, Steady::time_point now) {
  store_answers_ = true;
  // Written again is renewed, whatever the value: its clock may stand. Gone is not renewed.
  if (!renewed_ || (heartbeat && heartbeat != heartbeat_)) {
    heartbeat_ = heartbeat;
    renewed_ = now;
  }
  const auto age = now - *renewed_;
  if (age <= heartbeat_within_) {
    failures_ = 0;
    why_.clear();
    return Verdict::fine;
  }
  why_ = fmt::format("heartbeat of cluster {} not renewed for {} s: is its weft-clustermesh running?", cluster_,
                     std::chrono::duration_cast<std::chrono::seconds>(age).count());
  if (now - connected_ <= heartbeat_within_) {
    failures_ = 0;
    return Verdict::failing;
  }
  return count();
}

StatusCheck::Verdict StatusCheck::failed(const Error& error) {
  store_answers_ = false;
  why_ = "the status check fails, rows kept: " + error.message;
  return error.code == Errc::conflict ? Verdict::reconnect : count();
}

}  // namespace weft::mesh
