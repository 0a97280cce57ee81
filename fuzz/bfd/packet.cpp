// Whatever arrives on the BFD ports: no datagram may crash the decoder, and what is accepted means the same after being
// written and read again. Authenticated ones go through the verifier as well.
#include <cstdint>
#include <cstdlib>
#include <span>

#include "bfd/core/auth.h"
#include "bfd/core/packet.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace weft::bfd;
  const std::span<const std::uint8_t> datagram(data, size);
  const auto packet = decode(datagram);
  if (!packet) return 0;
  const auto written = encode(*packet);
  const auto again = decode(written);
  if (!again || *again != *packet) std::abort();
  for (const bool meticulous : {true, false}) {
    Authenticator ours({.id = 1, .secret = "secret", .meticulous = meticulous}, 7);
    (void)ours.verify(*packet, datagram);
    // What we sign, the other side believes.
    Authenticator theirs({.id = 1, .secret = "secret", .meticulous = meticulous}, 7);
    auto plain = *packet;
    plain.auth.reset();
    const auto bytes = theirs.sign(plain);
    const auto signed_packet = decode(bytes);
    Authenticator fresh({.id = 1, .secret = "secret", .meticulous = meticulous}, 7);
    if (!signed_packet || fresh.verify(*signed_packet, bytes)) std::abort();
  }
  return 0;
}
