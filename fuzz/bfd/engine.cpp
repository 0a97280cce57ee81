// A whole system of sessions under packets from anybody, with the time passing in between. The input is a list of
// steps: how long to wait, who sends, with which TTL, and the bytes. Nothing may crash or loop, and nothing that goes
// out may break the protocol's rules. No input can guess a digest, so a sender may have the key: see signed_with_key().
//
// An input's cost is the time that passes in it, each second of which sends packets of three sessions. Steps and time
// are bounded: enough for sessions to come up, be lost, poll and say farewell, and what comes after has been before.
#include <cstdint>
#include <cstdlib>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "bfd/core/auth.h"
#include "bfd/core/packet.h"
#include "bfd/loop/engine.h"

namespace {

using namespace weft;
using namespace weft::bfd;

void require(bool fact) {
  if (!fact) std::abort();
}

class Judge final : public Transport {
 public:
  Result<Path> open(std::uint32_t id, const SessionKey&) override {
    ids_[id] = true;
    return Path{{Address::v4(0x0a000001), 50000}, 1};
  }
  void close(std::uint32_t id) override { ids_.erase(id); }
  void release(std::uint32_t id) override { ids_.erase(id); }
  Result<> send(std::uint32_t id, std::span<const std::uint8_t> datagram) override {
    require(ids_.contains(id));
    const auto p = decode(datagram);
    require(p.has_value());
    require(!(p->poll && p->final));
    require(!p->demand);
    require(p->my_discriminator == id);
    require(p->state == State::up || p->desired_min_tx >= std::chrono::seconds(1));
    return {};
  }

 private:
  std::map<std::uint32_t, bool> ids_;
};

const AuthKey kKey{1, "secret"};

std::vector<SessionConfig> wanted(bool all) {
  SessionConfig plain, keyed, far;
  plain.key.peer = Address::v4(0x0a000002);
  keyed.key.peer = Address::v4(0x0a000003);
  keyed.auth = kKey;
  far.key = {Address::v4(0x0a000004), Address::v4(0x0a000001), "", Hops::multi};
  far.passive = true;
  far.min_ttl = 200;
  if (!all) return {keyed};
  return {plain, keyed, far};
}

constexpr int kMaxSteps = 48;
constexpr Duration kMaxTime = std::chrono::seconds(20);

// Most waits are as short as those between packets of a session that is up, some as long as its detection time.
Duration wait_of(std::uint8_t byte) { return std::chrono::milliseconds(byte < 224 ? byte : (byte - 223) * 256); }

// As a peer that has the key would send it. The four bytes behind the packet are the sequence number.
std::vector<std::uint8_t> signed_with_key(std::vector<std::uint8_t> datagram) {
  const auto packet = decode(datagram);
  if (!packet || datagram.size() < kMandatorySize + 4) return datagram;
  std::uint32_t sequence = 0;
  for (std::size_t i = 0; i < 4; ++i) sequence = sequence << 8 | datagram[kMandatorySize + i];
  return Authenticator(kKey, sequence - 1).sign(*packet);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Judge judge;
  Engine engine(judge, true, 1);  // the same seed: the discriminators are the same in every run
  Time now{std::chrono::hours(1)};
  engine.set_sessions(wanted(true), now);
  std::span<const std::uint8_t> rest(data, size);
  const auto pass = [&](Duration d) {
    const Time end = now + d;
    for (int i = 0; engine.next_deadline() <= end; ++i) {
      require(i < 100'000);
      now = std::max(now, engine.next_deadline());
      engine.tick(now);
    }
    now = end;
  };
  pass(std::chrono::milliseconds(10));
  const Time last = now + kMaxTime;
  for (int step = 0; step < kMaxSteps && now < last && rest.size() >= 4; ++step) {
    const Duration wait = wait_of(rest[0]);
    const unsigned who = rest[1], ttl = rest[2];
    const std::size_t length = std::min<std::size_t>(rest[3], rest.size() - 4);
    const auto bytes = rest.subspan(4, length);
    rest = rest.subspan(4 + length);
    pass(wait);
    if (who == 255) {
      engine.set_sessions(wanted(ttl % 2 == 0), now);
      continue;
    }
    // Half the senders know our discriminators, as a real peer does.
    std::vector<std::uint8_t> datagram(bytes.begin(), bytes.end());
    if (who >= 128 && datagram.size() >= 12) {
      if (const auto all = engine.snapshot(); !all.empty()) {
        const std::uint32_t d = all[who % all.size()].local_discriminator;
        for (int i = 0; i < 4; ++i) datagram[8 + i] = static_cast<std::uint8_t>(d >> (24 - 8 * i));
      }
    }
    if ((who & 64) != 0) datagram = signed_with_key(std::move(datagram));
    engine.receive({datagram, Address::v4(0x0a000002 + who % 4), Address::v4(0x0a000001), 1, static_cast<int>(ttl),
                    who % 8 >= 4 ? Hops::multi : Hops::single},
                   now);
    (void)engine.take_reports();
  }
  engine.set_sessions({}, now);
  pass(std::chrono::seconds(15));
  require(engine.empty());
  return 0;
}
