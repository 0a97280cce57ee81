#include "bfd/core/packet.h"

#include <algorithm>

namespace weft::bfd {
namespace {

constexpr std::uint8_t kPoll = 0x20, kFinal = 0x10, kIndependent = 0x08, kAuth = 0x04, kDemand = 0x02,
                       kMultipoint = 0x01;

std::uint32_t read32(std::span<const std::uint8_t> b, std::size_t at) {
  return std::uint32_t{b[at]} << 24 | std::uint32_t{b[at + 1]} << 16 | std::uint32_t{b[at + 2]} << 8 | b[at + 3];
}

void write32(std::vector<std::uint8_t>& out, std::uint64_t value) {
  const auto v = static_cast<std::uint32_t>(std::min<std::uint64_t>(value, 0xffffffffu));
  for (const int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(v >> shift));
}

}  // namespace

std::expected<ControlPacket, Discard> decode(std::span<const std::uint8_t> b) {
  if (b.size() < kMandatorySize) return std::unexpected(Discard::too_short);
  if (b[0] >> 5 != 1) return std::unexpected(Discard::version);
  const std::uint8_t flags = b[1];
  const bool authenticated = (flags & kAuth) != 0;
  const std::size_t length = b[3];
  if (length < kMandatorySize + (authenticated ? 2 : 0) || length > b.size()) return std::unexpected(Discard::length);
  ControlPacket p;
  p.multiplier = b[2];
  if (p.multiplier == 0) return std::unexpected(Discard::zero_multiplier);
  if ((flags & kMultipoint) != 0) return std::unexpected(Discard::multipoint);
  p.my_discriminator = read32(b, 4);
  if (p.my_discriminator == 0) return std::unexpected(Discard::zero_my_discriminator);
  p.your_discriminator = read32(b, 8);
  p.diag = static_cast<Diag>(b[0] & 0x1f);
  p.state = static_cast<State>(flags >> 6);
  if (p.your_discriminator == 0 && (p.state == State::init || p.state == State::up))
    return std::unexpected(Discard::zero_your_state);
  p.poll = (flags & kPoll) != 0;
  p.final = (flags & kFinal) != 0;
  p.control_plane_independent = (flags & kIndependent) != 0;
  p.demand = (flags & kDemand) != 0;
  p.desired_min_tx = std::chrono::microseconds(read32(b, 12));
  p.required_min_rx = std::chrono::microseconds(read32(b, 16));
  p.required_min_echo_rx = std::chrono::microseconds(read32(b, 20));
  if (authenticated) {
    const std::size_t auth_length = b[kMandatorySize + 1];
    if (auth_length < 2 || kMandatorySize + auth_length > length) return std::unexpected(Discard::auth_length);
    const auto body = b.subspan(kMandatorySize + 2, auth_length - 2);
    p.auth = AuthSection{b[kMandatorySize], std::string(body.begin(), body.end())};
  }
  return p;
}

std::vector<std::uint8_t> encode(const ControlPacket& p) {
  const std::size_t auth_length = p.auth ? 2 + p.auth->body.size() : 0;
  std::vector<std::uint8_t> out;
  out.reserve(kMandatorySize + auth_length);
  out.push_back(static_cast<std::uint8_t>(1 << 5 | (static_cast<std::uint8_t>(p.diag) & 0x1f)));
  std::uint8_t flags = static_cast<std::uint8_t>(static_cast<std::uint8_t>(p.state) << 6);
  if (p.poll) flags |= kPoll;
  if (p.final) flags |= kFinal;
  if (p.control_plane_independent) flags |= kIndependent;
  if (p.auth) flags |= kAuth;
  if (p.demand) flags |= kDemand;
  out.push_back(flags);
  out.push_back(p.multiplier);
  out.push_back(static_cast<std::uint8_t>(kMandatorySize + auth_length));
  write32(out, p.my_discriminator);
  write32(out, p.your_discriminator);
  write32(out, static_cast<std::uint64_t>(p.desired_min_tx.count()));
  write32(out, static_cast<std::uint64_t>(p.required_min_rx.count()));
  write32(out, static_cast<std::uint64_t>(p.required_min_echo_rx.count()));
  if (p.auth) {
    out.push_back(p.auth->type);
    out.push_back(static_cast<std::uint8_t>(auth_length));
    out.insert(out.end(), p.auth->body.begin(), p.auth->body.end());
  }
  return out;
}

}  // namespace weft::bfd
