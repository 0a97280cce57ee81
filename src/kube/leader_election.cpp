#include "kube/leader_election.h"

#include <boost/asio/cancellation_state.hpp>
#include <boost/json.hpp>

#include "async/backoff.h"
#include "base/log.h"
#include "kube/json.h"

namespace weft::kube {

LeaseSpec parse_lease(const json::object& lease) {
  const auto& spec = object_at(lease, "spec");
  LeaseSpec s;
  s.holder = text_at(spec, "holderIdentity");
  s.duration = std::chrono::seconds(number_at(spec, "leaseDurationSeconds").value_or(15));
  s.acquired = parse_rfc3339(text_at(spec, "acquireTime"));
  s.renewed = parse_rfc3339(text_at(spec, "renewTime"));
  s.transitions = number_at(spec, "leaseTransitions").value_or(0);
  return s;
}

void write_lease(json::object& lease, const LeaseSpec& s) {
  auto& spec = lease["spec"];
  if (!spec.is_object()) spec.emplace_object();
  auto& o = spec.get_object();
  o["holderIdentity"] = s.holder;
  o["leaseDurationSeconds"] = s.duration.count();
  o["acquireTime"] = rfc3339_micro(s.acquired);
  o["renewTime"] = rfc3339_micro(s.renewed);
  o["leaseTransitions"] = s.transitions;
}

LeaseMove next_lease_move(const std::optional<LeaseSpec>& seen, Steady::time_point seen_since, Steady::time_point now,
                          const std::string& self) {
  if (!seen) return LeaseMove::create;
  if (seen->holder == self) return LeaseMove::renew;
  if (seen->holder.empty() || now - seen_since > seen->duration) return LeaseMove::take;
  return LeaseMove::wait;
}

LeaderElection::LeaderElection(Client& client, Options options)
    : client_(client), options_(std::move(options)), work_(client.io(), "leading " + options_.name) {}

Task<bool> LeaderElection::attempt() {
  auto lease = co_await client_.get(kLeases, options_.ns, options_.name);
  const auto now = Steady::now();
  if (lease) {
    const auto spec = parse_lease(*lease);
    if (spec != seen_) seen_since_ = now;
    seen_ = spec;
  } else if (lease.error().code == Errc::not_found) {
    seen_.reset();
  } else {
    if (last_error_ != lease.error().message)
      log::warn("the leader's lease cannot be read", {{"error", lease.error().message}});
    last_error_ = lease.error().message;
    co_return false;
  }
  const auto move = next_lease_move(seen_, seen_since_, now, options_.identity);
  if (seen_ && seen_->holder != holder_) {
    holder_ = seen_->holder;
    log::info("leader", {{"lease", options_.name}, {"holder", holder_}});
  }
  if (move == LeaseMove::wait) co_return false;

  LeaseSpec mine = seen_.value_or(LeaseSpec{});
  const bool was_mine = mine.holder == options_.identity;
  mine.renewed = Wall::now();
  if (!was_mine) {
    mine.acquired = mine.renewed;
    if (seen_) ++mine.transitions;
  }
  mine.holder = options_.identity;
  mine.duration = options_.duration;
  json::object object;
  if (lease) object = std::move(*lease);  // with its resourceVersion: somebody faster makes this a conflict
  write_lease(object, mine);
  Result<json::object> written;
  if (move == LeaseMove::create) {
    auto& meta = metadata_of(object);
    meta["name"] = options_.name;
    meta["namespace"] = options_.ns;
    object["apiVersion"] = kLeases.api_version();
    object["kind"] = kLeases.kind;
    written = co_await client_.create(kLeases, options_.ns, object);
  } else {
    written = co_await client_.update(kLeases, options_.ns, object);
  }
  if (!written) {
    const bool lost_race = written.error().code == Errc::conflict || written.error().code == Errc::exists;
    if (!lost_race && last_error_ != written.error().message)
      log::warn("the leader's lease cannot be written", {{"error", written.error().message}});
    last_error_ = written.error().message;
    co_return false;
  }
  last_error_.clear();
  seen_ = parse_lease(*written);
  seen_since_ = Steady::now();
  holder_ = options_.identity;
  co_return true;
}

Task<> LeaderElection::run(std::function<Task<>()> lead) {
  std::exception_ptr end;
  try {
    co_await compete(lead);
  } catch (...) {
    end = std::current_exception();
  }
  // The work ends before we do, also when we were cancelled.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await work_.stop();
  if (end) std::rethrow_exception(end);
}

Task<> LeaderElection::compete(const std::function<Task<>()>& lead) {
  Backoff jitter(options_.retry, options_.retry, 0.2);
  auto renewed = Steady::now();
  for (;;) {
    const bool held = co_await attempt();
    const auto now = Steady::now();
    if (held) {
      renewed = now;
      if (!leading_) {
        log::info("leading", {{"lease", options_.name}, {"as", options_.identity}});
        leading_ = true;
        work_.spawn("lead", lead());
      }
    } else if (leading_) {
      const bool taken = seen_ && seen_->holder != options_.identity;
      if (taken || now - renewed > options_.renew_deadline) {
        log::warn("leading is over",
                  {{"lease", options_.name}, {"because", taken ? "somebody else holds the lease" : last_error_}});
        leading_ = false;
        co_await work_.stop();
      }
    }
    co_await sleep_for(jitter.next());
  }
}

Task<> LeaderElection::release() {
  if (!leading_) co_return;
  leading_ = false;
  auto lease = co_await client_.get(kLeases, options_.ns, options_.name);
  if (!lease) co_return;
  LeaseSpec spec = parse_lease(*lease);
  if (spec.holder != options_.identity) co_return;
  spec.holder.clear();
  spec.duration = std::chrono::seconds(1);
  spec.renewed = spec.acquired = Wall::now();
  write_lease(*lease, spec);
  auto r = co_await client_.update(kLeases, options_.ns, *lease);
  if (!r) log::warn("the leader's lease was not given back", {{"error", r.error().message}});
}

}  // namespace weft::kube
