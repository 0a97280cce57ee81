#include <fmt/format.h>

#include "bfd/core/session.h"

namespace weft::bfd {
namespace {

// 50000 us -> "50 ms", 62500 us -> "62.5 ms", 3 s -> "3 s".
std::string in_words(std::chrono::microseconds t) {
  if (t.count() % 1'000'000 == 0) return fmt::format("{} s", t.count() / 1'000'000);
  return fmt::format("{:g} ms", static_cast<double>(t.count()) / 1000);
}

std::string_view meaning(Discard d) {
  switch (d) {
    case Discard::ttl: return "they came from further away than allowed";
    case Discard::auth_unexpected: return "they are authenticated, and no key is configured here";
    case Discard::auth_missing: return "they are not authenticated, and a key is configured here";
    case Discard::auth_type: return "they are authenticated in another way than configured here";
    case Discard::auth_key_id: return "their key id is another than configured here";
    case Discard::auth_digest: return "their digest was not made with our key";
    case Discard::auth_sequence: return "their sequence number is out of order";
    default: return "they are malformed";
  }
}

}  // namespace

Session::Visible Session::visible() const {
  return {reason_, remote_state_, remote_diag_, remote_independent_, remote_demand_, detection_time(), tx_interval()};
}

SessionStatus Session::status(std::string_view trouble) const {
  SessionStatus s;
  s.key = config_.key;
  s.state = state_;
  s.remote_state = remote_state_;
  s.local_diag = local_diag_;
  s.remote_diag = remote_diag_;
  s.down_reason = reason_;
  s.why = why(trouble);
  s.remote_control_plane_independent = remote_independent_;
  s.control_plane_independent = identity_.control_plane_independent;
  s.remote_demand = remote_demand_;
  s.detection_time = detection_time();
  s.tx_interval = sends_periodically() ? tx_interval() : std::chrono::microseconds(0);
  s.remote_min_tx = remote_min_tx_;
  s.remote_min_rx = remote_discriminator_ != 0 ? remote_min_rx_ : std::chrono::microseconds(0);
  s.remote_multiplier = remote_multiplier_;
  s.local_discriminator = identity_.discriminator;
  s.remote_discriminator = remote_discriminator_;
  s.counters = counters_;
  return s;
}

std::string Session::why(std::string_view trouble) const {
  if (state_ == State::up) return {};
  const std::string peer = config_.key.peer.to_string();
  std::string out;
  switch (reason_) {
    case DownReason::none:
    case DownReason::refused: break;
    case DownReason::no_answer:
      if (state_ == State::init)
        out = peer + " answers; waiting for it to say that it hears us";
      else if (counters_.received > 0 && remote_discriminator_ == 0)
        out = peer + " answered, and fell silent before the session was Up";
      else
        out = "no BFD packet of " + peer + " was accepted yet";
      break;
    case DownReason::detection_expired:
      out = fmt::format("{} was silent for {} ({} x {}): the path or the peer is dead", peer,
                        in_words(expired_multiplier_ * expired_interval_), expired_multiplier_,
                        in_words(expired_interval_));
      break;
    case DownReason::peer_down:
      out = fmt::format("{} said Down: {}", peer,
                        peer_down_diag_ == Diag::detection_expired ? "it did not hear us for its detection time"
                        : peer_down_diag_ == Diag::none            ? "it started anew"
                                                                   : to_string(peer_down_diag_));
      break;
    case DownReason::peer_admin_down: out = peer + " is administratively down on its side"; break;
    case DownReason::admin_down: out = "administratively down on our side"; break;
  }
  if (state_ == State::init && reason_ != DownReason::no_answer) out += "; it answers again";
  if (last_discard_ && reason_ == DownReason::no_answer && *last_discard_ != Discard::session_admin_down)
    out += fmt::format("; {} of its packets were discarded, the last because {}", counters_.discarded.total(),
                       meaning(*last_discard_));
  if (!trouble.empty()) out += fmt::format("; our packets do not leave: {}", trouble);
  return out;
}

}  // namespace weft::bfd
